"""``soinspect explain``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import LibraryPath, Page, PageFormat, Root, console, loader_environment, print_lines, write
from soinspect.errors import UsageError
from soinspect.model.absence import Absent


def command(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What was printed; - reads it from standard input.")],
    host: Annotated[str | None, typer.Argument(metavar="[HOST]", help="The program that opened the plugins.")] = None,
    plugins: Annotated[list[str] | None, typer.Argument(metavar="[PLUGIN...]", help="In the order of opening.")] = None,
    root: Root = "/",
    library_path: LibraryPath = "",
    output: Page = PageFormat.TEXT,
) -> None:
    """Explain an error of a loader: what it means, whether these files explain it, the fix.

    Exit code 1 if the files do not explain it, 3 if the message is not known or it cannot be told.
    """
    from soinspect import api

    if host is not None and not plugins:
        raise UsageError(f"{host}: name the plugins that it opened, too")
    said = sys.stdin.read() if text == "-" else text
    explained = api.explain(said, host, *(plugins or ()), environment=loader_environment(root, library_path))
    if output is PageFormat.JSON:
        from soinspect.render.document import document

        files = [{"path": path} for path in (*filter(None, (host,)), *(plugins or ()))]
        write(document("explain", files=files, explanation=explained))
    elif isinstance(explained, Absent):
        write(f"UNKNOWN: {explained.reason}\n")
    else:
        from soinspect.render.explain import explanation_page

        print_lines(explanation_page(explained).lines(console().width if sys.stdout.isatty() else None))
    if isinstance(explained, Absent) or (explained.verdict and explained.foreseen is None):
        raise typer.Exit(Exit.UNDECIDED)
    raise typer.Exit(Exit.FINDING if explained.foreseen is False else Exit.FINE)
