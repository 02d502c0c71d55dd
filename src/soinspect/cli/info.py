"""``soinspect info``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soinspect.cli.exits import Exit, report
from soinspect.cli.options import Files, Page, PageFormat, Verbose, console, print_lines, read_settings, write
from soinspect.errors import SoinspectError, UsageError

if TYPE_CHECKING:
    from soinspect.model.pluginkind import GoHostProfile


def command(
    files: Files,
    cross_check: Annotated[
        bool,
        typer.Option(
            "--cross-check", help="Have pyelftools and LIEF read the symbols too; exit code 1 if they differ."
        ),
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="HOST|FILE",
            help="The host that Go plugins are for: krakend, tyk, nakama, ..., or a TOML file with what it looks up;"
            " exit code 1 if a plugin lacks it.",
        ),
    ] = None,
    output: Page = PageFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Show one page on each file: what it is, who built it, what it needs, what it offers, what is odd."""
    from soinspect import api

    host = read_profile(profile) if profile else None
    errors: list[SoinspectError] = []
    snapshots = []
    for path in files:
        try:
            facts = api.inspect(path, with_witnesses=cross_check, profile=host, explained=output is PageFormat.JSON)
            snapshots.append(facts)
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
    lacking = host is not None and any(kind.problems for facts in snapshots for kind in facts.plugin_kinds)
    raise typer.Exit(max((*(report(error) for error in errors), Exit.FINDING if differ or lacking else Exit.FINE)))


def read_profile(name: str) -> GoHostProfile:
    """The profile of a known host, or of a TOML file."""
    from soinspect.kinds.goprofiles import PROFILES, parse_profile

    known = next((profile for profile in PROFILES if profile.id == name), None)
    if known:
        return known
    if not Path(name).exists():
        names = ", ".join(profile.id for profile in PROFILES)
        raise UsageError(f"--profile {name}: no such file, and no known host; known are {names}")
    return parse_profile(read_settings(Path(name)), name)
