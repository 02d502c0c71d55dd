"""String tables (System V gABI, "String Table")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

# Linkers share tails between names, so the decoded names of a sound file are little longer than its table (of 1,226
# tables of a machine, 1.6 times at most). A file whose names add up to more than this is made to exhaust memory.
_MAX_EXPANSION = 3
_SLACK = 1 << 20
# So many ends are searched for before the sum of the lengths is looked at: each search may run through a whole table.
_BATCH = 256


class StringTable:
    """NUL-terminated names in one block of bytes; every offset is checked.

    Names that are not UTF-8 keep their bytes as surrogate escapes (PEP 383).
    """

    __slots__ = ("_budget", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._budget = _MAX_EXPANSION * len(data) + _SLACK

    def __len__(self) -> int:
        return len(self._data)

    @property
    def exhausted(self) -> bool:
        """Whether names were left out, since they overlap out of proportion."""
        return self._budget < 0

    def get(self, offset: int) -> str:
        """The name at ``offset``; a name outside of the table, or one too many, comes as a bracketed remark."""
        data = self._data
        if offset >= len(data):
            return "" if offset == 0 else f"<name at {offset:#x} is outside of the string table>"
        if self._budget >= 0:
            end = data.find(b"\0", offset)
            if end < 0:
                end = len(data)
            self._budget -= end - offset
        if self._budget < 0:
            return f"<name at {offset:#x} not read: the names overlap out of proportion>"
        return _decoded(data[offset:end])

    def find(self, name: str, *, whole: bool = True) -> Iterator[int]:
        """All offsets at which ``name`` (or, if not ``whole``, its beginning) can be read: in longer names too."""
        needle = name.encode("utf-8", "surrogateescape") + b"\0" * whole
        place = self._data.find(needle)
        while place >= 0:
            yield place
            place = self._data.find(needle, place + 1)

    def find_tails(self, suffix: str) -> Iterator[range]:
        """For each text that ends in ``suffix`` the offsets at which a name that ends so can begin."""
        needle = suffix.encode("utf-8", "surrogateescape") + b"\0"
        place = self._data.find(needle)
        while place >= 0:
            yield range(self._data.rfind(b"\0", 0, place) + 1, place + 1)
            place = self._data.find(needle, place + 1)

    def get_all(self, offsets: Sequence[int]) -> list[str]:
        """The names at all ``offsets``, in order, and as :meth:`get` gives them."""
        text = self._data.decode("latin-1")  # a character a byte: offsets stay what they are
        names: list[str] = []
        for first in range(0, len(offsets), _BATCH):
            starts = offsets[first : first + _BATCH]
            try:
                ends = list(map(text.index, repeat("\0"), starts))
            except ValueError:  # one of them lies outside, or its name has no end
                break
            length = sum(ends) - sum(starts)
            if length > self._budget:
                break
            self._budget -= length
            names += [text[start:end] for start, end in zip(starts, ends, strict=True)]
        if not text.isascii():
            names = [name if name.isascii() else _decoded(name.encode("latin-1")) for name in names]
        names += map(self.get, offsets[len(names) :])
        return names


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
