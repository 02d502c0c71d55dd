"""The answer to a query: rows of values under names that only the query knows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from math import isfinite

from soinspect.render.document import Json
from soinspect.render.text import inert, printable, utf8

_Rows = Iterable[Sequence[object]]


def table_lines(columns: Sequence[str], rows: _Rows) -> Iterator[str]:
    """An aligned table, numbers to the right, nothing cut."""
    values = list(rows)
    cells = [list(map(printable, columns)), *([_cell(value) for value in row] for row in values)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [bool(values) and all(isinstance(v, int | float) for v in column) for column in zip(*values, strict=True)]
    numeric += [False] * (len(columns) - len(numeric))
    for row in cells:
        aligned = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numeric, strict=True)
        )
        yield "  ".join(aligned).rstrip() + "\n"


def plain_lines(columns: Sequence[str], rows: _Rows) -> Iterator[str]:  # noqa: ARG001  (only the values are shown)
    """One line a row, tab-separated."""
    for row in rows:
        yield "\t".join(map(_cell, row)) + "\n"


def csv_lines(columns: Sequence[str], rows: _Rows) -> Iterator[str]:
    """CSV (RFC 4180), with heading."""
    for row in chain([columns], rows):
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerow(map(_cell, row))
        yield buffer.getvalue()


def json_lines(columns: Sequence[str], rows: _Rows) -> Iterator[str]:
    """One JSON object a line and row (JSON lines)."""
    for row in objects(columns, rows):
        yield inert(json.dumps(row, ensure_ascii=False)) + "\n"


def objects(columns: Sequence[str], rows: _Rows) -> Iterator[dict[str, Json]]:
    """The rows as JSON objects; values of types that JSON does not have are text."""
    for row in rows:
        yield {utf8(name): _json(value) for name, value in zip(columns, row, strict=True)}


def _json(value: object) -> Json:
    match value:
        case None | bool() | int():
            return value
        case float() if isfinite(value):
            return value
        case list():
            return [_json(item) for item in value]
        case dict():
            return {utf8(str(key)): _json(item) for key, item in value.items()}
    return utf8(str(value))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ";".join(map(_cell, value))
    return printable(str(value))
