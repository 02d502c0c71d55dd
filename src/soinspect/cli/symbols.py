"""``soinspect symbols``."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from enum import StrEnum
from fnmatch import translate
from typing import TYPE_CHECKING, Annotated

import typer

from soinspect.cli.exits import report
from soinspect.cli.options import Files, console, write_all
from soinspect.errors import SoinspectError, UsageError
from soinspect.model.constants import SymbolType
from soinspect.model.symbol import SymbolKind
from soinspect.model.symbolquery import Scope, SortKey, SymbolQuery

if TYPE_CHECKING:
    from rich.console import Console

    from soinspect.model.symbolquery import SymbolListing


class ListFormat(StrEnum):
    """Output of a listing."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def command(
    files: Files,
    all_: Annotated[bool, typer.Option("--all", help="The full table (.symtab) too, where it is left.")] = False,
    defined: Annotated[bool, typer.Option("--defined", help="Only what the file provides.")] = False,
    undefined: Annotated[bool, typer.Option("--undefined", help="Only what others must provide.")] = False,
    exports: Annotated[bool, typer.Option("--exports", help="Only what others can bind to.")] = False,
    types: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE,...", help="Symbol types: func, object, tls, ifunc, ..."),
    ] = None,
    match: Annotated[str | None, typer.Option(metavar="GLOB", help="A glob, on raw and readable names.")] = None,
    regex: Annotated[str | None, typer.Option(metavar="RE", help="A regular expression, on both names.")] = None,
    kinds: Annotated[list[SymbolKind] | None, typer.Option("--kind", help="What it is for Go; repeatable.")] = None,
    sort: Annotated[SortKey | None, typer.Option(help="Default: a plugin's own first, then names.")] = None,
    demangle: Annotated[bool, typer.Option("--demangle/--no-demangle", help="C++ and Rust names.")] = True,
    output: Annotated[
        ListFormat | None, typer.Option("--format", help="Default: table on a terminal, plain in a pipe.")
    ] = None,
) -> None:
    """List the dynamic symbols, demangled and explained, a Go plugin's own first."""
    query = SymbolQuery(
        scope=_scope(defined=defined, undefined=undefined, exports=exports),
        types=_types(types),
        kinds=frozenset(kinds or ()),
        pattern=_pattern(match, regex),
        sort=sort,
        demangle=demangle,
    )
    chosen = output or (ListFormat.TABLE if sys.stdout.isatty() else ListFormat.PLAIN)
    errors: list[SoinspectError] = []
    listings = _listings(files, query, errors, with_static=all_)
    if chosen is ListFormat.JSON:
        from soinspect.render.document import document_texts

        write_all(document_texts("symbols", files=[_entry(listing) for listing in listings], errors=errors))
    else:
        write_all(_render(listings, chosen, several=len(files) > 1, readable=demangle))
    if errors:
        raise typer.Exit(max(report(error) for error in errors))


def _entry(listing: SymbolListing) -> dict[str, object]:
    """A listing as an entry of ``files``."""
    return {"path": listing.path, "go_plugin": listing.plugin_path or None, "remarks": listing.remarks,
            "symbols": listing}  # fmt: skip


def _listings(
    files: list[str], query: SymbolQuery, errors: list[SoinspectError], *, with_static: bool
) -> Iterator[SymbolListing]:
    from soinspect import api

    for path in files:
        try:
            yield api.list_symbols(path, query, with_static=with_static)
        except SoinspectError as error:
            errors.append(error)


def _render(listings: Iterator[SymbolListing], chosen: ListFormat, *, several: bool, readable: bool) -> Iterator[str]:
    from soinspect.render import symbols as view

    if chosen is ListFormat.CSV:
        yield ",".join(("file", *view.COLUMNS)) + "\r\n"
    for listing in listings:
        if chosen is not ListFormat.TABLE:
            _remark(listing)
        if chosen is ListFormat.CSV:
            yield from view.csv_lines(listing)
        elif chosen is ListFormat.JSONL:
            yield from view.json_lines(listing)
        elif chosen is ListFormat.PLAIN:
            yield from view.plain_lines(listing, titled=several)
        else:
            terminal = console()
            width = terminal.width if sys.stdout.isatty() else shutil.get_terminal_size().columns
            yield view.answer(listing)
            if listing.order:
                yield from view.table_lines(listing, width, colour=_coloured(terminal), readable=readable)
            if len(listing.order) > terminal.height:
                yield view.closing(listing)


def _remark(listing: SymbolListing) -> None:
    """Tell on standard error what a format without room for remarks would keep quiet."""
    from soinspect.render.text import printable

    for remark in listing.remarks:
        print(f"soinspect: {printable(f'{listing.path}: {remark}')}", file=sys.stderr)  # noqa: T201


def _coloured(terminal: Console) -> bool:
    return terminal.color_system is not None and not terminal.no_color


def _scope(*, defined: bool, undefined: bool, exports: bool) -> Scope:
    if defined + undefined + exports > 1:
        raise UsageError("--defined, --undefined and --exports exclude each other")
    return Scope.DEFINED if defined else Scope.UNDEFINED if undefined else Scope.EXPORTS if exports else Scope.ALL


def _types(text: str | None) -> frozenset[SymbolType]:
    names = SymbolType.__members__
    chosen = [part.strip().upper() for part in text.split(",")] if text else []
    for name in chosen:
        if name not in names:
            known = ", ".join(n.lower() for n in names if not n.startswith("LO"))
            raise UsageError(f"--type {name.lower()}: no such symbol type; known are {known}")
    return frozenset(names[name] for name in chosen)


def _pattern(glob: str | None, regex: str | None) -> re.Pattern[str] | None:
    if glob is not None and regex is not None:
        raise UsageError("--match and --regex exclude each other")
    if glob is not None:
        return re.compile(r"\A" + translate(glob))  # a glob must match a whole name
    if regex is None:
        return None
    try:
        return re.compile(regex)
    except re.error as error:
        raise UsageError(f"--regex {regex}: {error}") from None
