"""What was read before, in a file: an interrupted scan goes on from there, a repeated one reads what changed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, replace
from typing import Self, cast

from soinspect import __version__
from soinspect.errors import UsageError
from soinspect.model.scan import Candidate, Scanned, ScanRow
from soinspect.saved.forms import Mismatch, form_of

# Another release, or other columns: what was read before no longer counts.
_READER = " ".join((__version__, *(field.name for field in fields(ScanRow))))
_SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS reader (name TEXT);
    CREATE TABLE IF NOT EXISTS scanned (file TEXT PRIMARY KEY, state TEXT, rows TEXT) WITHOUT ROWID;
"""


class Cache:
    """Rows by the device, inode, size and time of change of their file. Errors are not kept: they may be mended.

    Use it as a context manager; whatever ends it, the database holds all that was stored before.
    """

    def __init__(self, path: str) -> None:
        """Open the cache at ``path``, or create it.

        :raises UsageError: there is something else, or it cannot be written.
        """
        self._states: dict[str, tuple[str, str]] = {}
        self._path = path
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            raise UsageError(f"--cache {path}: is not a regular file")  # SQLite would wait for a FIFO or a device
        try:
            self._database = sqlite3.connect(path)
            self._database.executescript(_SCHEMA)
            if self._database.execute("SELECT name FROM reader").fetchall() != [(_READER,)]:
                with self._database:
                    self._database.execute("DELETE FROM scanned")
                    self._database.execute("DELETE FROM reader")
                    self._database.execute("INSERT INTO reader VALUES (?)", (_READER,))
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _unusable(self, error: sqlite3.Error) -> UsageError:
        return UsageError(f"--cache {self._path}: {error}")

    def lookup(self, candidate: Candidate) -> Scanned | None:
        """What the file gave when it was read, if it has not changed since; else its state is kept for ``store``."""
        with suppress(OSError, ValueError):
            status = os.lstat(candidate.path)
            file, state = f"{status.st_dev}:{status.st_ino}", f"{status.st_size}:{status.st_mtime_ns}"
            query = "SELECT rows FROM scanned WHERE file = ? AND state = ?"
            try:
                found = self._database.execute(query, (file, state)).fetchone()
            except sqlite3.Error as error:
                raise self._unusable(error) from None
            try:
                rows = _read(found[0], candidate.shown) if found else ()
            except (Mismatch, ValueError, TypeError, RecursionError):
                raise UsageError(f"--cache {self._path}: holds what no scan wrote; remove it") from None
            if found and (rows or not candidate.named):  # a named file is always answered by a row
                return Scanned(rows=rows)
            self._states[candidate.path] = (file, state)
        return None

    def store(self, answers: Iterable[tuple[Candidate, Scanned]]) -> None:
        """Keep what files gave that ``lookup`` did not find, as of then."""
        entries = []
        for candidate, scanned in answers:
            state = self._states.pop(candidate.path, None)
            if state and not any(row.error for row in scanned.rows):
                entries.append((*state, _written(scanned.rows, candidate.shown)))
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO scanned VALUES (?, ?, ?)", entries)
        except sqlite3.Error as error:
            raise self._unusable(error) from None


def _written(rows: Iterable[ScanRow], shown: str) -> str:
    """The rows, their paths without that of the file, which may be another one next time."""
    placeless = (
        replace(row, path=row.path.removeprefix(shown), same_as=row.same_as and row.same_as.removeprefix(shown))
        for row in rows
    )
    return json.dumps([form_of(ScanRow).encode(row) for row in placeless])


def _read(text: str, shown: str) -> tuple[ScanRow, ...]:
    """The rows of the file that is called ``shown`` now.

    :raises Mismatch, ValueError, RecursionError: they are not what was written.
    """
    rows = form_of(tuple[ScanRow, ...]).decode(json.loads(text))
    return tuple(
        replace(row, path=shown + row.path, same_as=None if row.same_as is None else shown + row.same_as)
        for row in cast(tuple[ScanRow, ...], rows)
    )
