"""Tables as Parquet files, through pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from soinspect.errors import CannotRun
from soinspect.model.scan import ScanRow, SymbolRows, column_types
from soinspect.render.document import jsonable
from soinspect.render.text import utf8

_ROWS_A_GROUP = 1 << 17


class ParquetFile:
    """A table of rows or symbols, written in groups, so that no more than one of them is in memory.

    Use it as a context manager: a Parquet file without its end cannot be read.
    """

    def __init__(self, path: str, record: type[ScanRow | SymbolRows]) -> None:
        """Create the file.

        :raises CannotRun: pyarrow is not installed.
        """
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise CannotRun(
                "Parquet needs pyarrow, which is not installed", "pip install 'soinspect[parquet]'"
            ) from None
        text = pa.string()
        types = {str: text, int: pa.int64(), bool: pa.bool_(), tuple: pa.list_(text)}
        self._arrow = pa
        self._schema = pa.schema([(name, types[kind]) for name, kind in column_types(record).items()])
        self._pending: list[Any] = []
        self._writer = parquet.ParquetWriter(path, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write_group()
        self._writer.close()

    def add_rows(self, rows: Sequence[ScanRow]) -> None:
        """Add the rows of a file or an archive."""
        self._add({name: [jsonable(getattr(row, name)) for row in rows] for name in self._schema.names})

    def add_symbols(self, table: SymbolRows) -> None:
        """Add the symbols of a file."""
        columns = {name: getattr(table, name) for name in self._schema.names}
        texts = {name: _all_utf8(columns[name]) for name in ("name", "version")}
        self._add({**columns, **texts, "path": [utf8(table.path)] * len(table.name)})

    def _add(self, columns: Mapping[str, Sequence[object]]) -> None:
        self._pending.append(self._arrow.Table.from_pydict(columns, schema=self._schema))
        if sum(map(len, self._pending)) >= _ROWS_A_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        if self._pending:
            self._writer.write_table(self._arrow.concat_tables(self._pending))
            self._pending.clear()


def _all_utf8(texts: Sequence[str | None]) -> list[str | None]:
    return [None if text is None else utf8(text) for text in texts]
