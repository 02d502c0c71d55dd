"""``soinspect deps``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from soinspect.cli.exits import Exit, report
from soinspect.cli.options import Files, LibraryPath, Root, Verbose, loader_environment, print_lines, write
from soinspect.errors import SoinspectError

if TYPE_CHECKING:
    from soinspect.model.loadplan import LoadPlan


class DepsFormat(StrEnum):
    """For whom the tree is written down."""

    TEXT = "text"
    JSON = "json"
    DOT = "dot"
    MERMAID = "mermaid"


def command(
    files: Files,
    root: Root = "/",
    library_path: LibraryPath = "",
    output: Annotated[
        DepsFormat, typer.Option("--format", help="text for people, json for programs, dot and mermaid for pictures.")
    ] = DepsFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Show what the dynamic loader would load for each file, and who provides each undefined symbol.

    Nothing is run. Exit code 1 when a library, a version or a symbol is missing, 3 when that cannot be told.
    """
    from soinspect import api

    environment = loader_environment(root, library_path)
    errors: list[SoinspectError] = []
    plans = []
    for path in files:
        try:
            plans.append(api.dependencies(path, environment))
        except SoinspectError as error:
            errors.append(error)
    _show(plans, errors, output, verbose=verbose)
    raise typer.Exit(max((*(report(error) for error in errors), *map(_verdict, plans), Exit.FINE)))


def _verdict(plan: LoadPlan) -> Exit:
    if not plan.complete:
        return Exit.FINDING
    return Exit.UNDECIDED if plan.unknown else Exit.FINE


def _show(plans: list[LoadPlan], errors: list[SoinspectError], output: DepsFormat, *, verbose: bool) -> None:
    if output is DepsFormat.JSON:
        from soinspect.render.document import document

        write(document("deps", files=plans, errors=errors))
    elif output is DepsFormat.TEXT:
        from soinspect.render.deps import deps_lines

        for number, plan in enumerate(plans):
            if number:
                write("\n")
            print_lines(deps_lines(plan, verbose=verbose))
    else:
        from soinspect.render.graph import dot, mermaid

        write(dot(plans) if output is DepsFormat.DOT else mermaid(plans))
