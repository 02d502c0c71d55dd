"""The command line's entry point; each command lives in a file of its own, and is imported when it is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from soinspect import __version__
from soinspect.cli.exits import Exit, report
from soinspect.cli.options import discard_output, leave_closed_pipe
from soinspect.errors import CannotRun, SoinspectError

_VERSION = frozenset({"--version", "-V"})
COMMANDS = (
    "symbols",
    "info",
    "go",
    "deps",
    "check",
    "explain",
    "call",
    "diff",
    "snapshot",
    "freeze",
    "scan",
    "rules",
    "schema",
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"soinspect {__version__}")
        raise typer.Exit


def root(
    _version: Annotated[
        bool, typer.Option(*sorted(_VERSION), callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Inspect, compare and really call the symbols of shared objects that are plugins.

    Exit codes: 0 yes or fine, 1 no or a finding, 2 usage or unreadable input, 3 cannot decide or run here.
    """


def command_line(arguments: Sequence[str]) -> typer.Typer:
    """The command line, with the one command that ``arguments`` name, or with all of them if they name none."""
    app = typer.Typer(
        name="soinspect",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    first = next((argument for argument in arguments if not argument.startswith("-")), None)
    # Every option of the program itself but --help ends the run or needs a command.
    for name in (first,) if first in COMMANDS else () if _VERSION.intersection(arguments) else COMMANDS:
        module = import_module(f"soinspect.cli.{name}")
        app.command(name, cls=getattr(module, "Command", None))(module.command)
    return app


@cache
def _expect_files_cut_short() -> None:
    """Have what handles them there as soon as a file is mapped, whoever finds it: loading ctypes costs 2 ms."""

    def before(event: str, _: object) -> None:
        if event == "mmap.__new__":
            from soinspect.cli.cutshort import end_with_an_error

            end_with_an_error()

    sys.addaudithook(before)


def main() -> None:
    """Run the command line; every error on purpose becomes one line and an exit code."""
    if sys.stdout is None:  # the shell closed it (>&-)
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    try:
        try:
            arguments = sys.argv[1:]
            if arguments[:1] != ["scan"]:  # which reads in processes whose death it outlives
                _expect_files_cut_short()
            command_line(arguments)()
        finally:
            sys.stdout.flush()
    except SoinspectError as error:
        sys.exit(report(error))
    except MemoryError:
        sys.exit(report(CannotRun("out of memory", "give it more: ulimit -v, or the limit of the container")))
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        leave_closed_pipe()
    except OSError as error:  # files are read elsewhere: this is standard output
        discard_output()
        sys.exit(report(SoinspectError(f"cannot write the answer: {error.strerror}")))
