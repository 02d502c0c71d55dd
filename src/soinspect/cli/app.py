"""The command line's entry point; each command lives in a file of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from soinspect import __version__
from soinspect.cli import call, diff, go, info, rules, schema, symbols
from soinspect.cli.exits import Exit, report
from soinspect.cli.options import leave_closed_pipe
from soinspect.errors import SoinspectError

app = typer.Typer(
    name="soinspect",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"soinspect {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Inspect, compare and really call the symbols of shared objects that are plugins.

    Exit codes: 0 yes or fine, 1 no or a finding, 2 usage or unreadable input, 3 cannot decide or run here.
    """


app.command("symbols")(symbols.command)
app.command("info")(info.command)
app.command("go")(go.command)
app.command("call")(call.command)
app.command("diff")(diff.command)
app.command("rules")(rules.command)
app.command("schema")(schema.command)


def main() -> None:
    """Run the command line; every error on purpose becomes one line and an exit code."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except SoinspectError as error:
        sys.exit(report(error))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        leave_closed_pipe()
