"""Writes what a scan finds: as it passes where the format allows, and never more of it at once than it must."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from soinspect.regularfile import open_to_write
from soinspect.render import scan as view

if TYPE_CHECKING:
    from soinspect.cli.scanwatch import Watch
    from soinspect.model.scan import Scanned
    from soinspect.scan.query import Query

_ROWS = {"plain": view.plain_rows, "csv": view.csv_rows, "jsonl": view.json_rows}
_SYMBOLS = {"plain": view.plain_symbols, "csv": view.csv_symbols, "jsonl": view.json_symbols}


def scan_texts(
    answers: Iterator[Scanned], watch: Watch, chosen: str, *, with_symbols: bool, verbose: bool
) -> Iterator[str]:
    """The rows of a scan, or with ``with_symbols`` the symbols, in a format of text."""
    if chosen == "table":
        from soinspect.render.scantable import answer, table_lines

        rows = [row for scanned in answers for row in scanned.rows]
        yield answer(watch.totals)
        yield from table_lines(rows, shutil.get_terminal_size().columns, verbose=verbose)
    elif chosen == "json":
        from soinspect.render.document import document

        yield document("scan", files=[row for scanned in answers for row in scanned.rows])
    else:
        if chosen == "csv":
            yield view.heading(view.SYMBOL_COLUMNS if with_symbols else view.FILE_COLUMNS)
        for scanned in answers:
            if with_symbols:
                yield from map(_SYMBOLS[chosen], scanned.symbols)
            elif scanned.rows:
                yield _ROWS[chosen](scanned.rows)


def query_texts(columns: Sequence[str], rows: Iterator[Sequence[object]], chosen: str) -> Iterator[str]:
    """The answer to a query, in a format of text."""
    from soinspect.render import records

    if chosen == "json":
        from soinspect.render.document import document

        yield document("scan", files=(), rows=list(records.objects(columns, rows)))
    else:
        write: Callable[[Sequence[str], Iterable[Sequence[object]]], Iterator[str]] = {
            "table": records.table_lines,
            "plain": records.plain_lines,
            "csv": records.csv_lines,
            "jsonl": records.json_lines,
        }[chosen]
        yield from write(columns, rows)


def load(asked: Query, answers: Iterator[Scanned], *, with_symbols: bool) -> None:
    """Fill the tables of a query, by way of temporary files, which have no names: nothing is left, whatever happens."""
    with TemporaryFile("w+", encoding="utf-8") as rows, TemporaryFile("w+", encoding="utf-8") as tables:
        for scanned in answers:
            rows.write(view.json_rows(scanned.rows))
            tables.writelines(map(view.json_symbols, scanned.symbols))
        for table, file in (("files", rows), ("symbols", tables))[: 1 + with_symbols]:
            file.flush()
            asked.load(table, f"/proc/self/fd/{file.fileno()}")


def write_parquet(path: str, answers: Iterator[Scanned], *, with_symbols: bool) -> None:
    """Write the rows, or the symbols, as a Parquet file.

    :raises UsageError: the file cannot be written.
    """
    from soinspect.model.scan import ScanRow, SymbolRows
    from soinspect.render.parquet import ParquetFile

    # pyarrow opens the path itself, and would wait for the reader of a FIFO: here it is known to have one.
    with open_to_write(path), ParquetFile(path, SymbolRows if with_symbols else ScanRow) as file:
        for scanned in answers:
            if not with_symbols:
                file.add_rows(scanned.rows)
            for table in scanned.symbols:
                file.add_symbols(table)
