"""Symbol listings: a table for people, plain lines and CSV for pipes.

Rows are joined strings rather than rich tables, which cost more than half a millisecond a row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import add

from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.symbol import ExplainedSymbol, ExplainedSymbols, SymbolColumns, SymbolKind
from soinspect.model.symbolquery import SymbolListing
from soinspect.render.text import all_printable, count, cut, printable, utf8

# heading, text of a cell, whether it is a number
_Column = tuple[str, Callable[[ExplainedSymbol], str], bool]

COLUMNS = ("value", "size", "type", "binding", "visibility", "section", "kind", "name", "readable")
_MIN_NAME = 24
_CHUNK = 4096


def readable_name(row: ExplainedSymbol) -> str:
    """The readable name with its version, safe to print."""
    symbol = row.symbol
    version = "" if symbol.version is None else f"{'@@' if symbol.default_version else '@'}{symbol.version}"
    return printable(row.explained.text + version)


def answer(listing: SymbolListing) -> str:
    """The first line of a listing, and a line for each thing that could not be listed."""
    rows = listing.rows
    exported = sum(kind is SymbolKind.EXPORT for kind in rows.kinds)
    own = f", {count(exported, 'plugin export')} first" if exported else ""
    lines = [f"{listing.path}: {listing.what}; {count(len(rows), 'symbol')}{own}", *listing.remarks]
    return "".join(printable(line) + "\n" for line in lines)


def closing(listing: SymbolListing) -> str:
    """The last line of a listing longer than the screen: what scrolled away at its top."""
    rows = zip(listing.rows.kinds, listing.rows.texts, strict=True)
    own = [printable(text) for kind, text in rows if kind is SymbolKind.EXPORT]
    if not own:
        return ""
    return f"{count(len(listing.rows), 'symbol')}; the plugin exports {', '.join(own)} (at the top; --kind export)\n"


def plain_lines(rows: ExplainedSymbols, path: str | None) -> Iterator[str]:
    """One line a symbol, tab-separated in the order of ``COLUMNS``, nothing cut; ``path`` comes first if given."""
    prefix = "" if path is None else printable(path) + "\t"
    lines = map("\t".join, _cells(rows))
    while chunk := list(islice(lines, _CHUNK)):
        yield prefix + f"\n{prefix}".join(chunk) + "\n"


def csv_lines(rows: ExplainedSymbols, path: str) -> Iterator[str]:
    """The rows as CSV (RFC 4180) without heading; ``path`` is the first column."""
    cells = _cells(rows)
    while chunk := [(path, *row) for row in islice(cells, _CHUNK)]:
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(chunk)
        yield buffer.getvalue()


def json_lines(rows: ExplainedSymbols, path: str) -> Iterator[str]:
    """One JSON object a line and symbol, each with the file it is from (JSON lines)."""
    from json.encoder import encode_basestring

    from soinspect.render.symboljson import symbol_texts

    start = f'{{"file": {encode_basestring(utf8(path))}, '
    lines = (start + text[1:] for text in symbol_texts(rows))
    while chunk := list(islice(lines, _CHUNK)):
        yield "\n".join(chunk) + "\n"


def _cells(rows: ExplainedSymbols) -> Iterator[tuple[str, ...]]:
    """The cells of each row as ``COLUMNS`` has them, column by column: large tables are listed in no time."""
    symbols = rows.symbols
    types, bindings = ([kind(number).name for number in range(16)] for kind in (SymbolType, SymbolBinding))
    visibilities = [visibility.name for visibility in SymbolVisibility]
    versions = _version_suffixes(symbols)
    names = list(map(add, all_printable(symbols.names), versions))
    return zip(
        map("0x%016x".__mod__, symbols.values),
        map(str, symbols.sizes),
        [types[info & 0xF] for info in symbols.infos],
        [bindings[info >> 4] for info in symbols.infos],
        [visibilities[other & 3] for other in symbols.others],
        all_printable(symbols.sections),
        rows.kinds,
        names,
        names if rows.texts is symbols.names else map(add, all_printable(rows.texts), versions),
        strict=True,
    )


def _version_suffixes(symbols: SymbolColumns) -> Sequence[str]:
    """``""``, ``"@VERSION"`` or ``"@@VERSION"`` for each symbol, safe to print."""
    versions = zip(symbols.versions, symbols.default_versions, strict=True)
    return all_printable(["" if name is None else f"{'@@' if default else '@'}{name}" for name, default in versions])


def table_lines(listed: ExplainedSymbols, width: int, *, colour: bool, readable: bool) -> Iterator[str]:
    """An aligned table that fits ``width`` columns, in chunks of lines; only the name column is ever cut.

    Columns that say nothing (all visibilities DEFAULT, all kinds C) are left out. Without ``readable`` the raw
    name is shown.
    """
    from rich.style import Style

    rows = list(listed)
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
