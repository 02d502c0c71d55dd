"""The pclntab: every function of a Go program with its entry, file and lines; it survives strip.

Sources: src/debug/gosym/pclntab.go, src/runtime/symtab.go, src/cmd/link/internal/ld/pcln.go.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from struct import Struct
from typing import final

from soinspect.errors import FormatError
from soinspect.go.memory import WORD
from soinspect.go.moduledata import ModuleData
from soinspect.model.golang import GoFunction, GoFunctions, GoPackageSize
from soinspect.model.texts import LazyTexts

_MAGIC_1_2 = 0xFFFFFFFB  # up to 1.15: entries are addresses, all tables are one
_MAGIC_1_16 = 0xFFFFFFFA  # 1.16 and 1.17: entries are addresses
_HEADER_SIZE = 8
_NO_FILE = 0xFFFFFFFF
_MAX_PAIRS = 100_000
_MAX_NAME = 1 << 16
_FEW_NAMES = 64
# The names and files of all functions are a third of a sound table; those of a hostile one overlap.
_TEXT_EXPANSION = 4
_UINT32 = Struct("<I")
# nameoff, args, deferreturn, pcsp, pcfile, pcln, npcdata, and since 1.16 cuOffset; the entry precedes them.
_RECORD = Struct("<8I")


@final
class FunctionTable:
    """The functions of a module in the order of their addresses.

    A damaged function raises :class:`~soinspect.errors.FormatError` when it is read, and hides no other.
    """

    def __init__(self, module: ModuleData) -> None:
        """Locate the tables.

        :raises FormatError: the header lies outside of the file, or contradicts it.
        """
        memory = module.memory
        self._module = module
        self._memory = memory
        self._header = module.pclntab
        magic = memory.uint32(self._header)
        self._quantum, pointer_size = memory.block(self._header + 6, 2)
        if pointer_size != WORD or self._quantum not in (1, 2, 4):
            raise self._error("size of a pointer", pointer_size, "the table is not of a 64-bit program")
        self._old = magic == _MAGIC_1_2
        self._entries_are_addresses = magic in (_MAGIC_1_2, _MAGIC_1_16)
        # All offsets below are relative to the header, as is this block of bytes.
        self._data = memory.block(self._header, self._size())
        words = [memory.word(self._header + _HEADER_SIZE + WORD * i) for i in range(8)]
        self.count = words[0]
        if self._old:
            self._names = self._units = self._files = self._pcvalues = self._records = 0
            self._table = _HEADER_SIZE + WORD
        elif self._entries_are_addresses:
            self._names, self._units, self._files, self._pcvalues, self._records = words[2:7]
            self._table = self._records
        else:
            self._names, self._units, self._files, self._pcvalues, self._records = words[3:8]
            self._table = self._records
        offset = max(self._names, self._units, self._files, self._pcvalues, self._records)
        if offset > len(self._data):
            raise self._error("offset of a table", offset, "is outside of the table")
        self._row = Struct("<QQ" if self._entries_are_addresses else "<II")
        end = self._table + self.count * self._row.size
        if end + self._row.size > len(self._data):
            raise self._error("number of functions", self.count, "so many do not fit into the file")
        if self._old:  # after the last row and the end of text
            self._files = self._uint32(end + WORD)

    def _size(self) -> int:
        if self._module.has("epclntab"):
            return self._module.word("epclntab") - self._header
        return self._memory.image.available(self._header)

    def _error(self, field: str, value: int, why: str) -> FormatError:
        image = self._memory.image
        return image.error(image.offset_of(self._header) or 0, f"pclntab: {field}", value, why)

    # -- entries -------------------------------------------------------------------------------------------

    @cached_property
    def entries(self) -> tuple[int, ...]:
        """The address of each function's first instruction."""
        if self._entries_are_addresses:  # through relocations
            word = self._memory.word
            return tuple(word(self._header + self._table + self._row.size * i) for i in range(self.count))
        address = self._module.text_address
        if self._module.slice("textsectmap").length == 1:
            text = address(0)
            return tuple([text + entry for entry in self._columns[0]])
        return tuple(address(entry) for entry in self._columns[0])

    @cached_property
    def _columns(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Entries (before relocation) and the offsets of the functions' records."""
        letter = "Q" if self._entries_are_addresses else "I"
        flat = Struct(f"<{2 * self.count}{letter}").unpack_from(self._data, self._table)
        return flat[::2], flat[1::2]

    @cached_property
    def end(self) -> int:
        """The address after the last function."""
        position = self._table + self.count * self._row.size
        if self._entries_are_addresses:
            return self._memory.word(self._header + position)
        return self._module.text_address(self._uint32(position))

    # -- functions -----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        """A table without functions is a table all the same."""
        return True

    def __iter__(self) -> Iterator[GoFunction]:
        return map(self.function, range(self.count))

    def columns(self, problem: Callable[[str, FormatError], None]) -> GoFunctions:
        """All functions, with file and line of their entries; those that cannot be read go to ``problem``."""
        names: list[str] = []
        entries: list[int] = []
        files: list[str] = []
        lines: list[int] = []
        known: dict[tuple[int, int], str] = {}
        left = _TEXT_EXPANSION * len(self._data)
        for index, entry in enumerate(self.entries):
            try:
                record = self._record(index)
                name = self._string(self._names + record[0])
                number = self._first_value(record[4])
                file = known.get((number, record[7]))
                if file is None:
                    file = known[number, record[7]] = self._file(number, record[7])
                line = self._first_value(record[5]) if file else 0
            except FormatError as error:
                problem(f"function {index}", error)
                continue
            left -= len(name) + len(file)
            if left < 0:
                problem(f"function {index}, and what follows,", self._out_of_proportion(index))
                break
            names.append(name)
            entries.append(entry)
            files.append(file)
            lines.append(max(line, 0))
        return GoFunctions(
            names=names, packages=LazyTexts(package_of, names), entries=entries, files=files, lines=lines
        )

    def function(self, index: int) -> GoFunction:
        """The function at ``index``, with the file and line of its entry.

        :raises FormatError: its record points outside of the table.
        """
        return self._read(index, self.entries[index])

    def name(self, index: int) -> str:
        """The name of the function at ``index``.

        :raises FormatError: as :meth:`function`.
        """
        return self._string(self._names + self._record(index)[0])

    def names(self) -> Iterator[str]:
        """The names of all functions.

        :raises FormatError: one cannot be read, or they overlap.
        """
        left = _TEXT_EXPANSION * len(self._data)
        for index in range(self.count):
            name = self.name(index)
            left -= len(name)
            if left < 0:
                raise self._out_of_proportion(index)
            yield name

    def _out_of_proportion(self, index: int) -> FormatError:
        return self._error("names", index, "those of the functions before overlap out of proportion")

    def search(self, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """Where ``pattern`` occurs in the names (each ends with a NUL): quicker than to decode them all."""
        return pattern.finditer(self._data, self._names)

    def functions_of(self, package: str) -> Iterator[GoFunction]:
        """Some functions of the package with this import path: there may be many more.

        :raises FormatError: as :meth:`function`.
        """
        head, slash, last = package.rpartition("/")
        start = f"{head}{slash}{last.replace('.', '%2e')}.".encode("utf-8", "surrogateescape")
        names = self.search(re.compile(rb"\0" + re.escape(start)))
        wanted = {match.start() + 1 - self._names for match in islice(names, _FEW_NAMES)}
        if not wanted:
            return
        for index in range(self.count):
            if self._record(index)[0] in wanted:
                yield self.function(index)

    def at(self, address: int) -> GoFunction | None:
        """The function whose code contains ``address``, with file and line of its entry; None outside of all."""
        index = self._index(address)
        return None if index is None else self.function(index)

    def line_at(self, address: int) -> GoFunction | None:
        """The function whose code contains ``address``, with the file and line of that address."""
        index = self._index(address)
        return None if index is None else self._read(index, address)

    def _index(self, address: int) -> int | None:
        index = bisect_right(self.entries, address) - 1
        return index if index >= 0 and address < self.end else None

    def _read(self, index: int, address: int) -> GoFunction:
        entry = self.entries[index]
        record = self._record(index)
        name = self._string(self._names + record[0])
        file = self._file(self._pcvalue(record[4], entry, address), record[7])
        line = self._pcvalue(record[5], entry, address) if file else 0
        return GoFunction(name=name, package=package_of(name), entry=entry, file=file, line=max(line, 0))

    def _record(self, index: int) -> tuple[int, ...]:
        position = self._records + self._columns[1][index] + (8 if self._entries_are_addresses else 4)
        if position + _RECORD.size > len(self._data):
            raise self._error("offset of a function", position, "is outside of the table")
        return _RECORD.unpack_from(self._data, position)

    def sizes(self) -> tuple[GoPackageSize, ...]:
        """How much code each package has, the largest first; functions without a package count as ``""``."""
        code: dict[str, int] = {}
        functions: dict[str, int] = {}
        ends = (*self.entries[1:], self.end)
        for name, entry, end in zip(self.names(), self.entries, ends, strict=False):
            package = package_of(name)
            code[package] = code.get(package, 0) + max(end - entry, 0)
            functions[package] = functions.get(package, 0) + 1
        return tuple(
            GoPackageSize(package=package, code=code[package], functions=functions[package])
            for package in sorted(code, key=lambda package: (-code[package], package))
        )

    # -- what their records point to -----------------------------------------------------------------------

    def _file(self, number: int, unit: int) -> str:
        """The name of the file with this number in its compilation unit."""
        if self._old:
            return self._string(self._uint32(self._files + 4 * number)) if number > 0 else ""
        if number < 0:
            return ""
        offset = self._uint32(self._units + 4 * (unit + number))
        return "" if offset == _NO_FILE else self._string(self._files + offset)

    def _pcvalue(self, table: int, entry: int, target: int) -> int:
        """What a table of (change of the value, length of code) pairs says of ``target``; -1 without one."""
        if not table:
            return -1
        position = self._pcvalues + table
        value, address = -1, entry
        for _ in range(_MAX_PAIRS):
            change, position = self._uvarint(position)
            if not change and address != entry:
                break
            value += -(change >> 1) - 1 if change & 1 else change >> 1
            length, position = self._uvarint(position)
            if not length:
                raise self._error("line table", position, "a step over no code")
            address += length * self._quantum
            if target < address:
                return value
        return -1

    def _first_value(self, table: int) -> int:
        """What a table says of the first instruction of its function: the first change, mostly one byte."""
        if not table:
            return -1
        position = self._pcvalues + table
        change = self._data[position] if position < len(self._data) else 0x80
        if change >= 0x80:
            change, _ = self._uvarint(position)
        return -(change >> 1) - 2 if change & 1 else (change >> 1) - 1

    def _uvarint(self, position: int) -> tuple[int, int]:
        """The number at ``position``, and the position after it."""
        data = self._data
        value = shift = 0
        while position < len(data):
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # the last byte of a uvarint
                return value, position
            if shift > 28:  # the numbers have 32 bits
                break
            shift += 7
        raise self._error("line table", position, "a number without end")

    def _uint32(self, position: int) -> int:
        if position + _UINT32.size > len(self._data):
            raise self._error("offset", position, "is outside of the table")
        (value,) = _UINT32.unpack_from(self._data, position)
        return int(value)

    def _string(self, position: int) -> str:
        end = self._data.find(b"\0", position, position + _MAX_NAME)
        if end < 0:
            raise self._error("offset of a name", position, "is outside of the table, or the name has no end")
        return self._data[position:end].decode("utf-8", "surrogateescape")


def package_of(name: str) -> str:
    """The import path that a linker name begins with, or ``""``; the linker escapes dots in its last element."""
    head = name.partition("[")[0]  # type arguments may hold paths of their own
    dot = head.find(".", head.rfind("/") + 1)
    return head[:dot].replace("%2e", ".") if dot > 0 else ""
