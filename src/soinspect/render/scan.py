"""The rows of a scan for pipes and files: tab-separated, CSV, JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from json.encoder import encode_basestring as quoted
from operator import attrgetter

from soinspect.model.scan import ScanRow, SymbolRows
from soinspect.render.document import jsonable
from soinspect.render.text import all_printable, inert, printable, utf8

FILE_COLUMNS = tuple(field.name for field in fields(ScanRow))
SYMBOL_COLUMNS = tuple(field.name for field in fields(SymbolRows))
_row_values = attrgetter(*FILE_COLUMNS)


def plain_rows(rows: Iterable[ScanRow]) -> str:
    """One line a row, tab-separated in the order of ``FILE_COLUMNS``, nothing cut."""
    return "".join("\t".join(map(_cell, _row_values(row))) + "\n" for row in rows)


def csv_rows(rows: Iterable[ScanRow]) -> str:
    """The rows as CSV (RFC 4180) without heading; lists are joined by ``;``."""
    return _csv(map(_cell, _row_values(row)) for row in rows)


def json_rows(rows: Iterable[ScanRow]) -> str:
    """One JSON object a line and row (JSON lines)."""
    return inert("".join(json.dumps(jsonable(row), ensure_ascii=False) + "\n" for row in rows))


def plain_symbols(table: SymbolRows) -> str:
    """One line a symbol, tab-separated in the order of ``SYMBOL_COLUMNS``, nothing cut."""
    return "".join(map("%s\t%s\t%s\t%s\t%s\t%s\t%d\n".__mod__, _symbol_cells(table)))


def csv_symbols(table: SymbolRows) -> str:
    """The symbols as CSV (RFC 4180) without heading."""
    return _csv(_symbol_cells(table))


def json_symbols(table: SymbolRows) -> str:
    """One JSON object a line and symbol (JSON lines)."""
    path = quoted(utf8(table.path))
    names = table.name if "".join(table.name).isascii() else map(utf8, table.name)
    versions = {version: "null" if version is None else quoted(utf8(version)) for version in set(table.version)}
    cells = zip(
        map(quoted, names),
        map(versions.__getitem__, table.version),
        table.type,
        table.binding,
        map(_cell, table.defined),
        table.size,
        strict=True,
    )
    template = f'{{"path": {path.replace("%", "%%")}, "name": %s, "version": %s, "type": "%s", "binding": "%s", '
    return inert("".join(map((template + '"defined": %s, "size": %d}\n').__mod__, cells)))


def heading(columns: Sequence[str]) -> str:
    """The heading of a CSV table."""
    return _csv([columns])


def _csv(rows: Iterable[Iterable[object]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _symbol_cells(table: SymbolRows) -> Iterator[tuple[object, ...]]:
    path = [printable(table.path)] * len(table.name)
    versions = {version: _cell(version) for version in set(table.version)}
    shown = map(versions.__getitem__, table.version)
    names, defined = all_printable(table.name), map(_cell, table.defined)
    return zip(path, names, shown, table.type, table.binding, defined, table.size, strict=True)


def _cell(value: object) -> str:
    """A cell as text: nothing for None, lists joined by ``;``."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return printable(";".join(value))
    return printable(str(value))
