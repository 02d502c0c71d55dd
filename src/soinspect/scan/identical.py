"""Files that are the same: links of one file, and copies."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from soinspect.model.scan import Candidate, Scanned, ScanRow

_MAX_COMPARED = 16 << 30  # a sparse file costs nothing, and may have terabytes
_CHUNK = 1 << 20


class Identical:
    """Remembers the files that gave rows.

    Links are known by device and inode. Copies have all facts of their row in common, and either the build id among
    them, or the same contents byte by byte.
    """

    def __init__(self) -> None:
        self._links: dict[tuple[int, int], tuple[Candidate, tuple[ScanRow, ...]]] = {}
        self._copies: dict[int, tuple[str, Candidate]] = {}

    def lookup(self, candidate: Candidate) -> Scanned | None:
        """What the file gave under the path by which it was met before."""
        known, rows = self._links.get((candidate.device, candidate.inode), (None, ()))
        # On stacked file systems two files of a folder can have the same number there.
        with suppress(OSError, ValueError):
            if known is not None and Path(known.path).samefile(candidate.path):
                return Scanned(rows=tuple(_renamed(row, known.shown, candidate.shown) for row in rows))
        return None

    def mark(self, candidate: Candidate, scanned: Scanned) -> Scanned:
        """The answer of a file, each row that repeats an earlier one marked, and its symbols left out."""
        if not scanned.rows:
            return scanned
        key = (candidate.device, candidate.inode)
        if key in self._links and self._links[key][0].shown == candidate.shown:
            return Scanned()  # named, and below a folder that is named too
        rows = tuple(self._marked(candidate, row) for row in scanned.rows)
        repeated = {row.path for row in rows if row.same_as is not None}
        self._links.setdefault(key, (candidate, rows))
        return Scanned(rows=rows, symbols=tuple(table for table in scanned.symbols if table.path not in repeated))

    def _marked(self, candidate: Candidate, row: ScanRow) -> ScanRow:
        if row.error is not None or row.same_as is not None:
            return row
        first, where = self._copies.setdefault(hash(replace(row, path="")), (row.path, candidate))
        if first == row.path or not (row.build_id or _same_contents(where, candidate, first, row.path)):
            return row
        return replace(row, same_as=first)


def _renamed(row: ScanRow, old: str, new: str) -> ScanRow:
    return replace(row, path=new + row.path.removeprefix(old), same_as=row.same_as or row.path)


def _same_contents(one: Candidate, other: Candidate, *names: str) -> bool:
    """Whether two files hold the same bytes; what lies in archives is not compared."""
    if names != (one.shown, other.shown):
        return False
    with suppress(OSError, ValueError), Path(one.path).open("rb") as first, Path(other.path).open("rb") as second:
        if os.fstat(first.fileno()).st_size > _MAX_COMPARED:
            return False
        while (data := first.read(_CHUNK)) == second.read(_CHUNK):
            if not data:
                return True
    return False
