"""Symbol listings: a table for people, plain lines and CSV for pipes.

Rows are joined strings rather than rich tables, which cost more than half a millisecond a row.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.symbol import ExplainedSymbol, ExplainedSymbols, SymbolColumns, SymbolKind
from soinspect.model.symbolquery import SymbolListing
from soinspect.model.texts import count
from soinspect.render.text import all_printable, cut, each_once, inert, printable, utf8

# heading, text of a cell, whether it is a number
_Column = tuple[str, Callable[[ExplainedSymbol], str], bool]

COLUMNS = ("value", "size", "type", "binding", "visibility", "section", "kind", "name", "readable")
_MIN_NAME = 24
_CHUNK = 512  # rows: their text is small enough to use the same memory again


def readable_name(row: ExplainedSymbol) -> str:
    """The readable name with its version, safe to print."""
    symbol = row.symbol
    version = "" if symbol.version is None else f"{'@@' if symbol.default_version else '@'}{symbol.version}"
    return printable(row.explained.text + version)


def answer(listing: SymbolListing) -> str:
    """The first line of a listing, and a line for each thing that could not be listed."""
    exported = len(_exports(listing))
    own = f", {count(exported, 'plugin export')} first" if exported else ""
    lines = [f"{listing.path}: {listing.what}; {count(len(listing.order), 'symbol')}{own}", *listing.remarks]
    return "".join(printable(line) + "\n" for line in lines)


def closing(listing: SymbolListing) -> str:
    """The last line of a listing longer than the screen: what scrolled away at its top."""
    own = [printable(listing.table.texts[index]) for index in _exports(listing)]
    if not own:
        return ""
    symbols = count(len(listing.order), "symbol")
    return f"{symbols}; the plugin exports {', '.join(own)} (at the top; --kind export)\n"


def _exports(listing: SymbolListing) -> list[int]:
    kinds = listing.table.kinds
    return [index for index in listing.order if kinds[index] is SymbolKind.EXPORT]


def plain_lines(listing: SymbolListing, *, titled: bool) -> Iterator[str]:
    """One line a symbol, tab-separated in the order of ``COLUMNS``, nothing cut; ``titled`` puts the path first."""
    title = printable(listing.path) + "\t" if titled else ""
    lines = [
        f"{title}0x{value}\t{size}\t{middle}\t{name}{version}\t{text}{version}\n"
        for value, size, middle, name, text, version in zip(*_columns(listing.table), strict=True)
    ]
    yield from _in_order(lines, listing.order)


def csv_lines(listing: SymbolListing) -> Iterator[str]:
    """The rows as CSV (RFC 4180) without heading; the path is the first column."""
    import csv
    import io

    buffer = io.StringIO(newline="")
    path = printable(listing.path)
    csv.writer(buffer).writerows(
        (path, f"0x{value}", size, *middle.split("\t"), name + version, text + version)
        for value, size, middle, name, text, version in zip(*_columns(listing.rows), strict=True)
    )
    yield buffer.getvalue()


def json_lines(listing: SymbolListing) -> Iterator[str]:
    """One JSON object a line and symbol, each with the file it is from (JSON lines)."""
    from json.encoder import encode_basestring

    from soinspect.render.symboljson import symbol_texts

    start = f'{{"file": {encode_basestring(utf8(listing.path))}, '
    lines = [f"{start}{text[1:]}\n" for text in symbol_texts(listing.table)]
    yield from map(inert, _in_order(lines, listing.order))


def _in_order(lines: Sequence[str], order: Sequence[int]) -> Iterator[str]:
    """The lines at the indexes in ``order``, some thousands at a time.

    Names lie in memory in the order of their table: making all lines in that order and sorting those is twice as fast
    as making them in the order in which they are shown.
    """
    for start in range(0, len(order), _CHUNK):
        yield "".join(map(lines.__getitem__, order[start : start + _CHUNK]))


def _columns(rows: ExplainedSymbols) -> tuple[Iterable[Any], ...]:
    """Values as digits, sizes, the middle of each line, raw names, readable names, and what follows both of them."""
    symbols = rows.symbols
    names = all_printable(symbols.names)
    texts = names if rows.texts is symbols.names else all_printable(rows.texts)
    return _hexadecimal(symbols.values), symbols.sizes, _middles(rows), names, texts, _versions(symbols)


def _hexadecimal(values: Sequence[int]) -> Iterator[str]:
    """Sixteen digits for each value, thousands in one go: a format of its own for each takes a third of a listing."""
    words = array("Q", values)
    if sys.byteorder == "little":
        words.byteswap()
    chunks = (words[first : first + _CHUNK].tobytes() for first in range(0, len(words), _CHUNK))
    return chain.from_iterable(chunk.hex("\n", words.itemsize).splitlines() for chunk in chunks)


def _middles(rows: ExplainedSymbols) -> list[str]:
    """Type, binding, visibility, section and kind, tab-separated: few combinations, each written once."""
    symbols = rows.symbols
    return each_once(_middle, symbols.infos, symbols.others, symbols.sections, rows.kinds)


def _middle(info: int, other: int, section: str, kind: SymbolKind) -> str:
    visibility = SymbolVisibility(other & 3).name
    parts = (SymbolType(info & 0xF).name, SymbolBinding(info >> 4).name, visibility, printable(section), kind)
    return "\t".join(parts)


def _versions(symbols: SymbolColumns) -> list[str]:
    """What follows the names: ``@VERSION``, ``@@VERSION`` for the default one, or nothing."""
    return each_once(_version, symbols.versions, symbols.default_versions)


def _version(version: str | None, default: bool) -> str:  # noqa: FBT001  (called by position)
    return "" if version is None else printable(f"{'@@' if default else '@'}{version}")


def table_lines(listing: SymbolListing, width: int, *, colour: bool, readable: bool) -> Iterator[str]:
    """An aligned table that fits ``width`` columns, in chunks of lines; only the name column is ever cut.

    Columns that say nothing (all visibilities DEFAULT, all kinds C) are left out. Without ``readable`` the raw
    name is shown.
    """
    from rich.style import Style

    rows = list(listing.rows)
    styles = {
        SymbolKind.EXPORT: Style(bold=True, color="green"),
        SymbolKind.INIT: Style(color="yellow"),
        SymbolKind.IMPORT: Style(dim=True),
    }
    columns = _choose_columns(rows, width)
    widths = [max(len(head), *(len(text(row)) for row in rows)) for head, text, _ in columns]
    used = sum(widths) + 2 * len(widths)
    name_width = max(width - used, _MIN_NAME)
    heading = "  ".join([*(_align(h, w, right=r) for (h, _, r), w in zip(columns, widths, strict=True)), "NAME"])
    yield (Style(bold=True).render(heading) if colour else heading) + "\n"
    chunk: list[str] = []
    for row in rows:
        name = readable_name(row) if readable else printable(row.symbol.versioned_name)
        cells = [_align(text(row), w, right=right) for (_, text, right), w in zip(columns, widths, strict=True)]
        shown = cut(name, name_width)
        style = styles.get(row.explained.kind) if colour else None
        chunk.append("  ".join([*cells, style.render(shown) if style else shown]).rstrip() + "\n")
        if len(chunk) == _CHUNK:
            yield "".join(chunk)
            chunk.clear()
    yield "".join(chunk)


def _choose_columns(rows: Sequence[ExplainedSymbol], width: int) -> list[_Column]:
    columns: list[_Column] = [
        ("VALUE", lambda row: f"{row.symbol.value:x}" if row.symbol.defined else "", True),
        ("SIZE", lambda row: str(row.symbol.size) if row.symbol.size else "", True),
        ("TYPE", lambda row: row.symbol.type.name, False),
        ("BIND", lambda row: row.symbol.binding.name, False),
    ]
    if any(row.symbol.visibility is not SymbolVisibility.DEFAULT for row in rows):
        columns.append(("VISIBILITY", lambda row: row.symbol.visibility.name, False))
    columns.append(("SECTION", lambda row: cut(printable(row.symbol.section), 18), False))
    if any(row.explained.kind not in (SymbolKind.C, SymbolKind.IMPORT) for row in rows):
        columns.append(("KIND", lambda row: row.explained.kind.value, False))
    # On a narrow terminal the name matters most: what can be had from a wider one goes first.
    for expendable in ("SECTION", "BIND", "VISIBILITY", "SIZE"):
        taken = sum(max(len(head), *(len(text(row)) for row in rows[:_CHUNK])) + 2 for head, text, _ in columns)
        if width - taken >= _MIN_NAME:
            break
        columns = [column for column in columns if column[0] != expendable]
    return columns


def _align(text: str, width: int, *, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
