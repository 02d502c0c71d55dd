"""The pclntab: every function of a Go program with its entry, file and lines; it survives strip.

Sources: src/debug/gosym/pclntab.go, src/runtime/symtab.go, src/cmd/link/internal/ld/pcln.go.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from struct import Struct

from soinspect.go.memory import WORD
from soinspect.go.moduledata import ModuleData
from soinspect.model.golang import GoFunction

_MAGIC_1_2 = 0xFFFFFFFB  # up to 1.15: offsets are relative to the header, entries are addresses
_MAGIC_1_16 = 0xFFFFFFFA  # 1.16 and 1.17: separate tables, entries are addresses
_HEADER_SIZE = 8
_NO_FILE = 0xFFFFFFFF
_MAX_FUNCTIONS = 4_000_000
_MAX_PAIRS = 100_000


class FunctionTable:
    """The functions of a module in the order of their addresses.

    A damaged entry raises :class:`~soinspect.errors.FormatError` when it is read, and not before.
    """

    def __init__(self, module: ModuleData) -> None:
        """Locate the tables.

        :raises FormatError: the header or a table lies outside of the file.
        """
        memory = module.memory
        self._memory = memory
        self._header = header = module.pclntab
        image = memory.image
        magic = memory.uint32(header)
        self._quantum, pointer_size = memory.block(header + 6, 2)
        if pointer_size != WORD or self._quantum not in (1, 2, 4):
            raise image.error(
                image.offset_of(header) or 0,
                "pclntab",
                pointer_size,
                "is not of a 64-bit program: pointer size",
            )
        words = [memory.word(header + _HEADER_SIZE + WORD * i) for i in range(8)]
        self.count = words[0]
        if self.count > _MAX_FUNCTIONS:
            raise image.error(image.offset_of(header) or 0, "pclntab", self.count, "an impossible number of functions")
        self._whole_entries = magic in (_MAGIC_1_2, _MAGIC_1_16)
        self._old = magic == _MAGIC_1_2
        if self._old:
            self._functions = self._names = self._pcvalues = header
            self._table = header + _HEADER_SIZE + WORD
            self._files = header + memory.uint32(self._table + (2 * self.count + 1) * WORD)
            self._units = 0
        else:
            names, units, files, pcvalues, functions = words[2:7] if self._whole_entries else words[3:8]
            self._names, self._units, self._files = header + names, header + units, header + files
            self._pcvalues, self._functions = header + pcvalues, header + functions
            self._table = self._functions
        self._module = module

    # -- entries -------------------------------------------------------------------------------------------

    @cached_property
    def entries(self) -> tuple[int, ...]:
        """The address of each function's first instruction."""
        if self._whole_entries:
            word = self._memory.word
            return tuple(word(self._table + 2 * WORD * i) for i in range(self.count))
        address = self._module.text_address
        if self._module.slice("textsectmap").length == 1:
            text = address(0)
            return tuple(text + row[0] for row in self._rows)
        return tuple(address(row[0]) for row in self._rows)

    @cached_property
    def _rows(self) -> tuple[tuple[int, int], ...]:
        """The rows of functab: entry (before relocation), offset of the function's record."""
        record = Struct("<QQ" if self._whole_entries else "<II")
        return tuple(record.iter_unpack(self._memory.block(self._table, self.count * record.size)))

    @cached_property
    def end(self) -> int:
        """The address after the last function."""
        if self._whole_entries:
            return self._memory.word(self._table + 2 * WORD * self.count)
        return self._module.text_address(self._memory.uint32(self._table + WORD * self.count))

    # -- functions -----------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[GoFunction]:
        return map(self.function, range(self.count))

    def at(self, address: int) -> GoFunction | None:
        """The function whose code contains ``address``, or None."""
        index = self._index(address)
        return None if index is None else self.function(index)

    def _index(self, address: int) -> int | None:
        index = bisect_right(self.entries, address) - 1
        return index if index >= 0 and address < self.end else None

    def line_of(self, address: int) -> GoFunction | None:
        """The function that contains ``address``, with file and line of that very address; None outside of all."""
        index = self._index(address)
        return None if index is None else self._read(index, address)

    def function(self, index: int) -> GoFunction:
        """The function at ``index``, with the file and line of its entry.

        :raises FormatError: its record points outside of the file.
        """
        return self._read(index, self.entries[index])

    def _read(self, index: int, address: int) -> GoFunction:
        entry = self.entries[index]
        record = self._functions + self._rows[index][1] + (8 if self._whole_entries else 4)
        name_offset, _, _, _, files, lines = _RECORD.unpack(self._memory.block(record, _RECORD.size))
        name = self._name(name_offset)
        file = self._file(self._pcvalue(files, entry, address), record)
        line = self._pcvalue(lines, entry, address)
        return GoFunction(
            name=name,
            package=package_of(name),
            entry=entry,
            file=file,
            line=line if file and line > 0 else 0,
        )

    @cached_property
    def _name_block(self) -> bytes:
        return self._memory.block(self._names, self._memory.image.available(self._names))

    def _name(self, offset: int) -> str:
        return _c_string(self._name_block, offset)

    @cached_property
    def _file_block(self) -> bytes:
        return self._memory.block(self._files, self._memory.image.available(self._files))

    def _file(self, number: int, record: int) -> str:
        if self._old:
            if number < 1:
                return ""
            return _c_string(self._name_block, self._memory.uint32(self._files + 4 * number))
        if number < 0:
            return ""
        unit = self._memory.uint32(record + _RECORD.size + 4)
        offset = self._memory.uint32(self._units + 4 * (unit + number))
        return "" if offset == _NO_FILE else _c_string(self._file_block, offset)

    @cached_property
    def _pcvalue_block(self) -> bytes:
        return self._memory.block(self._pcvalues, self._memory.image.available(self._pcvalues))

    def _pcvalue(self, offset: int, entry: int, target: int) -> int:
        """The value of a table of (value change, length) pairs at ``target``; -1 without one."""
        if not offset:
            return -1
        data, quantum = self._pcvalue_block, self._quantum
        value, address = -1, entry
        for _ in range(_MAX_PAIRS):
            change, offset = _uvarint(data, offset)
            if not change and address != entry:
                break
            value += -(change >> 1) - 1 if change & 1 else change >> 1
            length, offset = _uvarint(data, offset)
            address += length * quantum
            if target < address:
                return value
        return -1


# nameoff, args, deferreturn, pcsp, pcfile, pcln; npcdata and (1.16 and later) cuOffset follow.
_RECORD = Struct("<IIIIII")


def _uvarint(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position`` and the position after it; past the end, zeros."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 or shift > 28:  # the runtime's tables hold 32-bit numbers
            break
        shift += 7
    return value, position


def _c_string(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset)
    return data[offset:end].decode("utf-8", "surrogateescape") if end >= 0 else ""


def package_of(name: str) -> str:
    """The import path that a linker name begins with, or "" (dots after its last slash are escaped as %2e)."""
    head = name.partition("[")[0]  # type arguments may hold paths of their own
    dot = head.find(".", head.rfind("/") + 1)
    return head[:dot].replace("%2e", ".") if dot > 0 else ""
