"""``soinspect info``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from soinspect.cli.exits import Exit, report
from soinspect.cli.options import Files, Page, PageFormat, Verbose, console, print_lines, write
from soinspect.errors import SoinspectError


def command(
    files: Files,
    cross_check: Annotated[
        bool,
        typer.Option(
            "--cross-check", help="Have pyelftools and LIEF read the symbols too; exit code 1 if they differ."
        ),
    ] = False,
    output: Page = PageFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Show one page on each file: what it is, who built it, what it needs, what it offers, what is odd."""
    from soinspect import api

    errors: list[SoinspectError] = []
    snapshots = []
    for path in files:
        try:
            snapshots.append(api.inspect(path, with_witnesses=cross_check))
        except SoinspectError as error:
            errors.append(error)
    if output is PageFormat.JSON:
        from soinspect.render.document import document

        write(document("info", files=snapshots, errors=errors))
    else:
        from soinspect.render.info import info_page

        width = console().width if sys.stdout.isatty() else None
        for number, facts in enumerate(snapshots):
            if number:
                write("\n")
            print_lines(info_page(facts, verbose=verbose).lines(width))
    differ = any(witness.agrees is False for facts in snapshots for witness in facts.witnesses)
    raise typer.Exit(max((*(report(error) for error in errors), Exit.FINDING if differ else Exit.FINE)))
