"""Dynamic relocations, and what they make of the pointers in the file (gABI "Relocation", x86-64 and AArch64 psABI).

In a shared object the bytes in the file are rarely the pointers that the program sees: RELATIVE relocations carry
them in their addend, symbolic ones in the symbol, RELR ones in place.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import islice
from operator import le
from struct import Struct
from typing import TYPE_CHECKING, Literal

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.image import Image
from soinspect.elf.words import words
from soinspect.model.constants import DynamicTag, ElfClass, Machine

if TYPE_CHECKING:
    from soinspect.elf.symtab import SymbolTable

# machine -> the relocation that adds the load address, those that add a symbol's (slots have an addend of zero)
_RELATIVE = {Machine.X86_64: 8, Machine.AARCH64: 1027}
_SYMBOLIC = {Machine.X86_64: frozenset({1, 6, 7}), Machine.AARCH64: frozenset({257, 1025, 1026})}
_LAST_ADDRESS = (1 << 64) - 1
# To search for one word takes as long as to look at so many rows.
_SEARCH = 16
_Columns = tuple[Sequence[int], Sequence[int], Sequence[int]]


def iter_relocations(image: Image, dynamic: DynamicSection) -> Iterator[tuple[int, int, int]]:
    """All dynamic relocations as ``(r_offset, r_info, r_addend)``, addend 0 for REL entries; RELR not included."""
    for data, is_rela in _tables(image, dynamic):
        if is_rela:
            yield from image.layout.rela.iter_unpack(data)
        else:
            for offset, info in image.layout.rel.iter_unpack(data):
                yield offset, info, 0


def relocation_infos(image: Image, dynamic: DynamicSection) -> array[int]:
    """Each ``r_info`` that a dynamic relocation has, once, in the order in which the loader meets them."""
    code: Literal["I", "Q"] = "Q" if image.header.elf_class is ElfClass.ELF64 else "I"
    found: dict[int, None] = {}
    for data, is_rela in _tables(image, dynamic):
        found.update(dict.fromkeys(words(code, data, image.header.byteorder)[1 :: 3 if is_rela else 2]))
    return array(code, found)


def _tables(image: Image, dynamic: DynamicSection) -> Iterator[tuple[bytes, bool]]:
    """The relocation tables, whole records only, and whether their records have addends."""
    plt_is_rela = dynamic.get(DynamicTag.PLTREL, int(DynamicTag.RELA)) == DynamicTag.RELA
    for start, length, is_rela in (
        (DynamicTag.RELA, DynamicTag.RELASZ, True),
        (DynamicTag.REL, DynamicTag.RELSZ, False),
        (DynamicTag.JMPREL, DynamicTag.PLTRELSZ, plt_is_rela),
    ):
        address = dynamic.get(start)
        if address is None:
            continue
        announced = dynamic.get(length, 0)
        size = min(announced, image.available(address))
        if size < announced:
            image.remark(f"DT_{start.name}", f"{announced} bytes are announced, {size} are in the file")
        record = image.layout.rela if is_rela else image.layout.rel
        yield image.read(address, size - size % record.size), is_rela


class _Table:
    """A table of relocations with addends, in which words can be found.

    Linkers sort the relative relocations by offset, which are most, and put them first: ``relative`` says how many.
    """

    def __init__(self, columns: _Columns, relative: int) -> None:
        self.offsets, self.infos, self.addends = columns
        self._relative = min(relative, len(self.offsets))

    @cached_property
    def _sorted(self) -> int:
        """How many of the first rows are sorted by offset."""
        start = self.offsets[: self._relative]
        return self._relative if all(map(le, start, islice(start, 1, None))) else 0

    @cached_property
    def _others(self) -> dict[int, int]:
        others = range(self._sorted, len(self.offsets))
        return dict(zip(self.offsets[self._sorted :], others, strict=True))

    def row(self, vaddr: int) -> int | None:
        """The row of the relocation of the word at ``vaddr``."""
        row = self._others.get(vaddr)
        if row is not None:
            return row
        row = bisect_right(self.offsets, vaddr, 0, self._sorted) - 1
        return row if row >= 0 and self.offsets[row] == vaddr else None

    def rows(self, wanted: AbstractSet[int]) -> list[int]:
        """The rows of the relocations of the wanted words, where there are any."""
        if len(wanted) * _SEARCH > len(self.offsets):
            return [row for row, offset in enumerate(self.offsets) if offset in wanted]
        return [row for row in map(self.row, wanted) if row is not None]


class Pointers:
    """The words that relocation gives a value known from the file alone.

    Symbolic relocations take the file's own definition (at run time another library may interpose). Words that
    name a symbol from outside are left out. Only x86-64 and AArch64 are known; for others there are none.
    """

    def __init__(self, image: Image, dynamic: DynamicSection, symbols: SymbolTable | None) -> None:
        machine = image.header.machine
        self._known = machine in _RELATIVE and image.header.word_size == 8
        self._image = image
        self._dynamic = dynamic
        self._relative = _RELATIVE.get(machine, 0)
        self._symbolic = _SYMBOLIC.get(machine, frozenset())
        self._values = symbols.values if symbols is not None else ()
        self._defined = symbols.section_indexes if symbols is not None else ()

    def get(self, vaddr: int) -> int | None:
        """The value of the word at ``vaddr``, or None: then the word in the file is what counts."""
        for table in self._indexed:
            row = table.row(vaddr)
            if row is not None:
                return self._value(table.infos[row], table.addends[row])
        return None

    def records(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, int, int]]:
        """The relocations of the wanted words: ``r_offset``, ``r_info``, ``r_addend`` (as an unsigned word)."""
        for table in self._indexed if wanted else ():
            for row in table.rows(wanted):
                yield table.offsets[row], table.infos[row], table.addends[row]

    def several(self, wanted: AbstractSet[int]) -> dict[int, int]:
        """The values of the wanted words, of those that have one, found in one search."""
        values = ((offset, self._value(info, addend)) for offset, info, addend in self.records(wanted))
        return {offset: value for offset, value in values if value is not None}

    @cached_property
    def _indexed(self) -> tuple[_Table, ...]:
        return tuple(_Table(columns, self._dynamic.get(DynamicTag.RELACOUNT, 0)) for columns in self._tables)

    @cached_property
    def all(self) -> dict[int, int]:
        """All of them: address to value."""
        pointers: dict[int, int] = {}
        for offsets, infos, addends in self._tables:
            bases = {info: self._base(info) for info in set(infos)}
            rows = zip(offsets, infos, addends, strict=True)
            pointers.update(
                [(offset, base + addend & _LAST_ADDRESS) for offset, info, addend in rows
                 if (base := bases[info]) is not None]
            )  # fmt: skip
        for address in relr_addresses(self._image, self._dynamic) if self._known else ():
            pointers[address] = self._image.unpack(self._image.layout.word, address)[0]
        return pointers

    @cached_property
    def _tables(self) -> tuple[_Columns, ...]:
        """The relocations with addends as columns: ``r_offset``, ``r_info``, ``r_addend`` (as an unsigned word)."""
        if not self._known:
            return ()
        found = []
        for data, is_rela in _tables(self._image, self._dynamic):
            if is_rela:  # those without addend do not occur on these machines
                column = words("Q", data, self._image.header.byteorder)
                found.append((column[::3], column[1::3], column[2::3]))
        return tuple(found)

    def _value(self, info: int, addend: int) -> int | None:
        base = self._base(info)
        return None if base is None else base + addend & _LAST_ADDRESS

    def _base(self, info: int) -> int | None:
        """What the addend is added to, if the file alone tells."""
        if info & 0xFFFFFFFF == self._relative:
            return 0
        symbol = (info >> 32) - 1  # the table is kept without the null symbol
        known = info & 0xFFFFFFFF in self._symbolic and 0 <= symbol < len(self._values) and self._defined[symbol]
        return self._values[symbol] if known else None


def relr_addresses(image: Image, dynamic: DynamicSection) -> Iterator[int]:
    """The addresses that DT_RELR names: an even word is an address, an odd one a bitmap of the 63 words after it."""
    start = dynamic.get(DynamicTag.RELR)
    if start is None:
        return
    size = min(dynamic.get(DynamicTag.RELRSZ, 0), image.available(start))
    word: Struct = image.layout.word
    where = 0
    for (entry,) in word.iter_unpack(image.read(start, size - size % word.size)):
        # Addresses that only grow, and lie in the file, are no more than the file has words.
        if entry < where and not entry & 1:
            image.remark("DT_RELR", f"the address {entry:#x} leads back: the rest is not read")
            return
        positions = [entry] if not entry & 1 else _of_bitmap(entry >> 1, where, word.size)
        if positions and image.available(positions[-1]) < word.size:
            image.remark("DT_RELR", f"{positions[-1]:#x} is not in the file: the rest is not read")
            return
        yield from positions
        where = where + (8 * word.size - 1) * word.size if entry & 1 else entry + word.size


def _of_bitmap(bits: int, where: int, size: int) -> list[int]:
    """The addresses of the words whose bits are set; the lowest one stands for the word at ``where``."""
    return [where + n * size for n in range(bits.bit_length()) if bits >> n & 1]
