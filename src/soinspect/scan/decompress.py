"""Compressed streams, told by their first bytes, that may not expand out of proportion."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import NoReturn, Protocol

from soinspect.errors import InputError

# Programs shrink to a third, text to a tenth: what shrinks to less than this is made to exhaust its reader.
_MAX_EXPANSION = 200
_SLACK = 64 << 20
_MAX_DICTIONARY = 256 << 20
_CHUNK = 64 << 10
# tarfile goes over a member by reading it, and does not heed the end: 2^63 bytes would take it for ever.
_MAX_ENDS = 16


class Budget:
    """How many bytes an archive of ``size`` bytes may still give; ``step`` limits the next ones further."""

    def __init__(self, path: str, size: int) -> None:
        self._path = path
        self._left = _MAX_EXPANSION * size + _SLACK
        self.step = self._left

    def spend(self, size: int) -> None:
        """Take ``size`` bytes off.

        :raises InputError: there are not so many left.
        """
        self._left -= size
        self.step -= size
        if self._left < 0:
            raise InputError(self._path, f"expands to more than {_MAX_EXPANSION} times its size: not read further")
        if self.step < 0:
            self.refuse_headers()

    def refuse_headers(self) -> NoReturn:
        """Say that what the archive says about its members is too much.

        :raises InputError: always.
        """
        raise InputError(self._path, "its headers are out of proportion: not read further")


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Metered:
    """A source of bytes that spends a budget; ``damage`` is what the source raises for what it cannot expand."""

    def __init__(self, source: _Source, budget: Budget, damage: type[Exception] = EOFError) -> None:
        self._source = source
        self._budget = budget
        self._damage = damage
        self._ends = 0

    def read(self, size: int) -> bytes:
        """The next bytes, ``size`` at most; none at the end, which who asks on and on does not see.

        :raises EOFError: the source is damaged, or its end has been met many times.
        :raises InputError: the budget is spent.
        """
        try:
            data = self._source.read(size)
        except self._damage as error:
            raise EOFError(str(error)) from None
        if not data:
            self._ends += 1
            if self._ends > _MAX_ENDS:
                raise EOFError("ends in the middle of a member")
        self._budget.spend(len(data))
        return data


def expand(path: str, file: io.BufferedReader[io.FileIO], budget: Budget) -> Metered:
    """What ``file`` expands to: itself if it is not compressed.

    :raises InputError: nothing here can expand it.
    """
    magic = file.peek(6)[:6]
    if magic.startswith(b"\x1f\x8b"):
        return Metered(gzip.GzipFile(fileobj=file), budget)
    if magic.startswith(b"BZh"):
        return Metered(bz2.BZ2File(file), budget)
    if magic.startswith(b"\xfd7zXZ\0"):
        return Metered(_Xz(file), budget)
    if not magic.startswith(b"\x28\xb5\x2f\xfd"):
        return Metered(file, budget)
    try:
        import zstandard
    except ImportError:
        raise InputError(path, "compressed with zstd: pip install 'soinspect[zstd]' to read it") from None
    expanding = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return Metered(expanding, budget, zstandard.ZstdError)


class _Xz:
    """xz with a limit on its dictionary, which :class:`lzma.LZMAFile` does not have."""

    def __init__(self, file: _Source) -> None:
        self._file = file
        self._pending = b""
        self._decoder = self._new()

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY)

    def read(self, size: int) -> bytes:
        while True:
            if self._decoder.eof:  # another stream may follow
                self._pending = self._decoder.unused_data.lstrip(b"\0") or self._file.read(_CHUNK).lstrip(b"\0")
                if not self._pending:
                    return b""
                self._decoder = self._new()
            elif self._decoder.needs_input and not self._pending:
                self._pending = self._file.read(_CHUNK)
                if not self._pending:
                    raise EOFError("ends in the middle of a compressed stream")
            data, self._pending = self._decoder.decompress(self._pending, size), b""
            if data:
                return data
