"""Symbol listings: a table for people, plain lines and CSV for pipes.

Rows are joined strings rather than rich tables, which cost more than half a millisecond a row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence

from soinspect.model.constants import SymbolVisibility
from soinspect.model.snapshot import ExplainedSymbol, SymbolListing
from soinspect.model.symbol import SymbolKind
from soinspect.render.text import count, cut, printable

# heading, text of a cell, whether it is a number
_Column = tuple[str, Callable[[ExplainedSymbol], str], bool]

COLUMNS = ("value", "size", "type", "binding", "visibility", "section", "kind", "name", "readable")
_MIN_NAME = 24
_CHUNK = 512


def readable_name(row: ExplainedSymbol) -> str:
    """The readable name with its version, safe to print."""
    symbol = row.symbol
    version = "" if symbol.version is None else f"{'@@' if symbol.default_version else '@'}{symbol.version}"
    return printable(row.explained.text + version)


def answer(listing: SymbolListing) -> str:
    """The first line of a listing, and a line for each thing that could not be listed."""
    rows = listing.rows
    exported = sum(row.explained.kind is SymbolKind.EXPORT for row in rows)
    own = f", {count(exported, 'plugin export')} first" if exported else ""
    lines = [f"{listing.path}: {listing.what}; {count(len(rows), 'symbol')}{own}", *listing.remarks]
    return "".join(printable(line) + "\n" for line in lines)


def closing(listing: SymbolListing) -> str:
    """The last line of a listing longer than the screen: what scrolled away at its top."""
    own = [printable(row.explained.text) for row in listing.rows if row.explained.kind is SymbolKind.EXPORT]
    if not own:
        return ""
    return f"{count(len(listing.rows), 'symbol')}; the plugin exports {', '.join(own)} (at the top; --kind export)\n"


def plain_lines(rows: Sequence[ExplainedSymbol], path: str | None) -> Iterator[str]:
    """One line a symbol, tab-separated in the order of ``COLUMNS``, nothing cut; ``path`` comes first if given."""
    prefix = "" if path is None else printable(path) + "\t"
    for row in rows:
        yield prefix + "\t".join(_cells(row)) + "\n"


def csv_lines(rows: Sequence[ExplainedSymbol], path: str | None) -> Iterator[str]:
    """The rows as CSV (RFC 4180) without heading; ``path`` becomes the first column unless it is None."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow((*(() if path is None else (path,)), *_cells(row)))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cells(row: ExplainedSymbol) -> tuple[str, ...]:
    symbol = row.symbol
    return (
        f"{symbol.value:#018x}",
        str(symbol.size),
        symbol.type.name,
        symbol.binding.name,
        symbol.visibility.name,
        printable(symbol.section),
        row.explained.kind.value,
        printable(symbol.versioned_name),
        readable_name(row),
    )


def table_lines(rows: Sequence[ExplainedSymbol], width: int, *, colour: bool, readable: bool) -> Iterator[str]:
    """An aligned table that fits ``width`` columns, in chunks of lines; only the name column is ever cut.

    Columns that say nothing (all visibilities DEFAULT, all kinds C) are left out. Without ``readable`` the raw
    name is shown.
    """
    from rich.style import Style

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
