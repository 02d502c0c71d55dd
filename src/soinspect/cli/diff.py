"""``soinspect diff``."""

from __future__ import annotations

from typing import Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import Page, PageFormat, Verbose, console, write
from soinspect.model.finding import Profile, Severity


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The file that is in use.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The file that would replace it.")],
    output: Page = PageFormat.TEXT,
    profile: Annotated[
        Profile | None,
        typer.Option("--as", help="How it is used. Default: linked if OLD has a SONAME, else dlopen."),
    ] = None,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="Exit code 1 from this severity on.")
    ] = Severity.BREAKING,
    verbose: Verbose = False,
) -> None:
    """Compare two files: what changed, and what it breaks.

    Go plugins are compared by what a Go host sees: exports, package hashes, Go release, modules.
    Types of C and C++ exports are compared where debug information is left. Exit code 1 when something breaks.
    """
    from soinspect import api

    comparison = api.compare(old, new, profile=profile)
    if output is PageFormat.JSON:
        from soinspect.render.document import document

        verdict = "breaking" if comparison.breaking else "identical" if comparison.identical else "compatible"
        write(
            document(
                "diff",
                files=[{"path": old}, {"path": new}],
                verdict=verdict,
                profile=comparison.profile,
                summary=comparison.verdict,
                findings=comparison.findings,
                agreements=comparison.agreements,
                not_compared=comparison.not_compared,
            )
        )
    else:
        from soinspect.render.diff import diff_lines

        terminal = console()
        for line in diff_lines(comparison, verbose=verbose):
            terminal.print(line)
    raise typer.Exit(Exit.FINDING if comparison.has(fail_on) else Exit.FINE)
