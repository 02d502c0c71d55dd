"""SQL over the result of a scan, through DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from soinspect.errors import CannotRun, UsageError
from soinspect.model.scan import ScanRow, SymbolRows, column_types

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TYPES = {str: "VARCHAR", int: "BIGINT", bool: "BOOLEAN", tuple: "VARCHAR[]"}
_AT_ONCE = 4096
# Who may ask need not be who may read and write files: the statement sees the tables, and nothing else. It reads them:
# a SELECT can hold a DELETE (WITH ... AS (DELETE ... RETURNING ...)).
_TABLES_ALONE = """
    SET python_enable_replacements = false;
    SET enable_external_access = false;
    SET lock_configuration = true;
    BEGIN TRANSACTION READ ONLY;
"""
# A PIVOT is several statements to DuckDB.
_READING = frozenset({"SELECT", "MULTI"})


class Query:
    """One statement, checked before the scan begins, which may take long.

    The tables are ``files``, with a row a file, and ``symbols``, with a row a symbol.
    """

    def __init__(self, sql: str) -> None:
        """Check the statement.

        :raises CannotRun: DuckDB is not installed.
        :raises UsageError: the statement is wrong, or does more than read the tables.
        """
        try:
            import duckdb
        except ImportError:
            raise CannotRun("--query needs DuckDB, which is not installed", "pip install 'soinspect[sql]'") from None
        try:
            sql.encode()
        except UnicodeEncodeError:
            raise UsageError("--query: not UTF-8 text") from None
        self._error = duckdb.Error
        self._sql = sql
        self._database = _empty_tables(duckdb.connect())
        self._check_kind()
        self._run(_empty_tables(duckdb.connect()), f"EXPLAIN {sql}")

    def _check_kind(self) -> None:
        try:
            kinds = [statement.type.name for statement in self._database.extract_statements(self._sql)]
        except self._error as error:
            raise UsageError(f"--query: {_first_line(error)}") from None
        if len(kinds) != 1:
            raise UsageError(f"--query: one statement is asked for, and these are {len(kinds)}")
        if kinds[0] not in _READING:
            raise UsageError(f"--query: only reads the tables (SELECT ...), and this is {kinds[0]}")

    def load(self, table: str, path: str) -> None:
        """Fill ``files`` or ``symbols`` with the JSON lines in the file at ``path``.

        :raises CannotRun: there is too little memory for it.
        """
        record = {"files": ScanRow, "symbols": SymbolRows}[table]
        columns = {name: _TYPES[kind] for name, kind in column_types(record).items()}
        try:
            self._database.read_json(path, columns=columns, format="newline_delimited").insert_into(table)
        except self._error as error:
            raise CannotRun(f"--query: {_first_line(error)}", "give it more memory, or scan less at once") from None

    def answer(self) -> tuple[tuple[str, ...], Iterator[Sequence[object]]]:
        """The names of the answer's columns, and its rows.

        :raises UsageError: the statement cannot be carried out.
        """
        self._run(self._database, self._sql)
        return tuple(column[0] for column in self._database.description or ()), self._rows()

    def _rows(self) -> Iterator[Sequence[object]]:
        while rows := self._database.fetchmany(_AT_ONCE):
            yield from rows

    def _run(self, database: DuckDBPyConnection, sql: str) -> None:
        database.execute(_TABLES_ALONE)
        try:
            database.execute(sql)
        except self._error as error:
            raise UsageError(f"--query: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _empty_tables(database: DuckDBPyConnection) -> DuckDBPyConnection:
    for table, record in (("files", ScanRow), ("symbols", SymbolRows)):
        columns = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in column_types(record).items())
        database.execute(f"CREATE TABLE {table} ({columns})")
    return database
