"""Reads one file of a scan, or a batch of them: what a worker process does, wherever it runs."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import replace
from io import BufferedReader, FileIO

from soinspect.elf.identify import what_is
from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.scan import Candidate, Scanned, ScanRow, SymbolRows
from soinspect.scan.archive import elf_members, is_archive
from soinspect.scan.row import read_object

_MAGIC = b"\x7fELF"
_SAMPLE = 8192
# Nothing waits for a writer or a terminal, and a file that became a link since it was found is not followed.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def read_batch(candidates: Sequence[Candidate], *, with_symbols: bool) -> list[Scanned]:
    """What each file gave, in this order."""
    return [read_file(candidate, with_symbols=with_symbols) for candidate in candidates]


def read_file(candidate: Candidate, *, with_symbols: bool) -> Scanned:
    """What one file gave; whatever is wrong with it is told in a row."""
    path = candidate.shown
    try:
        descriptor = os.open(candidate.path, _FLAGS)
    except (OSError, ValueError) as error:
        return _unreadable(path, error)
    try:
        if os.read(descriptor, len(_MAGIC)) == _MAGIC:
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
                return read_object(path, data, with_symbols=with_symbols)
        if is_archive(candidate.path):
            return _read_archive(path, descriptor, with_symbols=with_symbols)
        if candidate.named:
            sample = os.pread(descriptor, _SAMPLE, 0)
            return Scanned(rows=(ScanRow(path=path, error=what_is(sample) if sample else "is empty (0 bytes)"),))
        return Scanned()
    except (OSError, ValueError, MemoryError) as error:
        return _unreadable(path, error)
    finally:
        os.close(descriptor)


def _read_archive(path: str, descriptor: int, *, with_symbols: bool) -> Scanned:
    rows: list[ScanRow] = []
    symbols: list[SymbolRows] = []
    file = BufferedReader(FileIO(descriptor, closefd=False))
    file.seek(0)
    try:
        for member in elf_members(path, file, os.fstat(descriptor).st_size):
            name = f"{path}!{member.name}"
            if isinstance(member.data, Absent):
                rows.append(ScanRow(path=name, error=member.data.reason))
            elif member.same_as is not None:
                original = f"{path}!{member.same_as}"
                row = next(row for row in rows if row.path == original)
                rows.append(replace(row, path=name, same_as=original))
            else:
                scanned = read_object(name, member.data, with_symbols=with_symbols)
                rows += scanned.rows
                symbols += scanned.symbols
    except InputError as error:
        rows.append(ScanRow(path=path, error=error.reason))
    return Scanned(rows=tuple(rows), symbols=tuple(symbols))


def _unreadable(path: str, error: Exception) -> Scanned:
    reason = error.strerror if isinstance(error, OSError) else None
    return Scanned(rows=(ScanRow(path=path, error=(reason or str(error) or type(error).__name__).lower()),))
