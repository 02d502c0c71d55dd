"""``soinspect go``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from soinspect.cli.exits import Exit, report
from soinspect.cli.options import Files, Page, PageFormat, Verbose, console, print_lines, write
from soinspect.errors import SoinspectError, UsageError
from soinspect.model.absence import Absent
from soinspect.regularfile import read_small

if TYPE_CHECKING:
    from soinspect.model.goreport import GoQuery, GoReport, GoTable

_MAX_SOURCE = 64 << 20
_WITH_GLOB = frozenset({"--functions", "--types"})
_WITH_MANY = {"--addr2line": re.compile(r"(0[xX])?[0-9a-fA-F]+"), "--source": re.compile(r".*\.go", re.DOTALL)}


class Command(TyperCommand):
    """Click has no options whose value may be left out, and none with any number of values; here are both."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Bring what was written into the form that click knows."""
        return super().parse_args(ctx, list(_regular(args)))


def _regular(arguments: list[str]) -> Iterator[str]:
    """Arguments with the GLOB of ``--functions`` as ``--match GLOB``, and each ADDR after an option of its own.

    A GLOB is what is no file here; addresses are numbers, sources end in ``.go``.
    """
    option, values = "", 0
    globs = set()
    for argument in arguments:
        if argument.startswith("-"):
            option, values = argument, 0
        elif option in _WITH_GLOB and not values and not Path(argument).exists():
            values = 1
            globs.add(argument)
            if len(globs) > 1:
                raise UsageError("one GLOB for both functions and types: ask for them one after the other")
            yield "--match"
        elif option in _WITH_MANY:
            if values and _WITH_MANY[option].fullmatch(argument):
                yield option
            values += 1
        yield argument


def command(
    files: Files,
    packages: Annotated[bool, typer.Option("--packages", help="The packages and their fingerprints.")] = False,
    inits: Annotated[bool, typer.Option("--inits", help="What runs when the plugin is opened, in order.")] = False,
    functions: Annotated[
        bool, typer.Option("--functions", help="The functions, all or those like a GLOB: entry, name, file, line.")
    ] = False,
    types: Annotated[
        bool, typer.Option("--types", help="The types, all or those like a GLOB: size, fields, methods.")
    ] = False,
    itabs: Annotated[bool, typer.Option("--itabs", help="Which types implement which interfaces.")] = False,
    sizes: Annotated[bool, typer.Option("--sizes", help="The code of each package, the largest first.")] = False,
    match: Annotated[str, typer.Option(metavar="GLOB", help="Only functions and types like this.")] = "*",
    depth: Annotated[
        int, typer.Option(metavar="N", min=1, max=9, help="Types of the exports: theirs, the types of those, ...")
    ] = 1,
    addresses: Annotated[
        list[str] | None,
        typer.Option("--addr2line", metavar="ADDR", help="Function, file and line there (hex); one or more."),
    ] = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option("--source", metavar="FILE.go", help="Was it built from exactly these? One or more."),
    ] = None,
    output: Page = PageFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Show what a Go binary says about itself: plugins first, c-shared libraries and programs too.

    Go 1.8 to 1.27, stripped or not; nothing is run. With --source, exit code 1 when the answer is no, 3 when it
    cannot be told.
    """
    from soinspect.model.goreport import GoQuery, GoTable

    flags = (packages, inits, functions, types, itabs, sizes)
    chosen = frozenset(table for table, flag in zip(GoTable, flags, strict=True) if flag)
    in_tables = output is PageFormat.TEXT and (chosen or addresses) and not sources
    query = GoQuery(
        facts=not in_tables or bool(chosen & {GoTable.PACKAGES, GoTable.INITS}),
        tables=frozenset(GoTable) if output is PageFormat.JSON else chosen,
        match=match,
        depth=depth,
        addresses=tuple(_address(text) for text in addresses or ()),
        sources=tuple(read_small(str(path), _MAX_SOURCE) for path in sources or ()),
    )
    errors: list[SoinspectError] = []
    reports = list(_reports(files, query, chosen, errors))
    if output is PageFormat.JSON:
        from soinspect.render.document import document

        write(document("go", files=reports, errors=errors))
    elif chosen or addresses:
        _write_tables(reports, query, titled=len(files) > 1)
    else:
        _print_pages(reports, verbose=verbose)
    codes = [*map(_verdict, reports), *(report(error) for error in errors)]
    if any(codes):
        raise typer.Exit(max(codes))


def _reports(
    files: list[str], query: GoQuery, chosen: frozenset[GoTable], errors: list[SoinspectError]
) -> Iterator[GoReport]:
    from soinspect import api

    for path in files:
        try:
            answer = api.inspect_go(path, query)
            missing = " ".join(f"--{table}" for table in answer.missing(chosen))
            if missing:
                raise UsageError(
                    f"{path}: a snapshot, which holds the facts only: this needs the file itself: {missing}"
                )
            yield answer
        except SoinspectError as error:
            errors.append(error)


def _address(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise UsageError(f"--addr2line {text}: not a hexadecimal address") from None


def _verdict(answer: GoReport) -> Exit:
    if answer.source is None or answer.source.built_from is True:
        return Exit.FINE
    return Exit.UNDECIDED if isinstance(answer.source.built_from, Absent) else Exit.FINDING


def _write_tables(reports: list[GoReport], query: GoQuery, *, titled: bool) -> None:
    from soinspect.model.goreport import GoTable
    from soinspect.render.golang import address_lines, table_lines
    from soinspect.render.text import printable

    for answer in reports:
        if titled:
            write(f"{printable(answer.path)}:\n")
        for table in GoTable:
            if table in query.tables:
                write("".join(f"{line}\n" for line in table_lines(answer, table)))
        write("".join(f"{line}\n" for line in address_lines(answer)))
        for problem in answer.problems:
            print(f"soinspect: {printable(f'{answer.path}: {problem}')}", file=sys.stderr)  # noqa: T201


def _print_pages(reports: list[GoReport], *, verbose: bool) -> None:
    from soinspect.render.golang import go_page

    width = console().width if sys.stdout.isatty() else None
    for number, answer in enumerate(reports):
        if number:
            write("\n")
        print_lines(go_page(answer, verbose=verbose).lines(width))
