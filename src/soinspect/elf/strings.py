"""String tables (System V gABI, "String Table")."""

from __future__ import annotations

# Linkers share tails between names, so the decoded names of a sound file are little longer than its table.
# A file whose names add up to more than this many times the table is made to exhaust memory.
_MAX_EXPANSION = 8
_SLACK = 1 << 20


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

    def get(self, offset: int) -> str:
        """The name at ``offset``; a name outside of the table, or one too many, comes as a bracketed remark."""
        data = self._data
        if offset >= len(data):
            return "" if offset == 0 else f"<name at {offset:#x} is outside of the string table>"
        end = data.find(b"\0", offset)
        if end < 0:
            end = len(data)
        self._budget -= end - offset
        if self._budget < 0:
            return f"<name at {offset:#x} not read: the names overlap out of proportion>"
        return data[offset:end].decode("utf-8", "surrogateescape")

    def get_all(self, offsets: tuple[int, ...]) -> list[str]:
        """The names at all ``offsets``, in order; one decode for a whole symbol table."""
        data = self._data
        size = len(data)
        # One byte of slack lets find() always succeed; the total is bounded as in get().
        padded = data + b"\0"
        find = padded.index
        names: list[str] = []
        total = 0
        for offset in offsets:
            if offset >= size:
                names.append(self.get(offset))
                continue
            end = find(0, offset)
            total += end - offset
            if total > self._budget:
                names.append(self.get(size) if size else "")
                names[-1] = f"<name at {offset:#x} not read: the names overlap out of proportion>"
                continue
            names.append(padded[offset:end].decode("utf-8", "surrogateescape"))
        return names
