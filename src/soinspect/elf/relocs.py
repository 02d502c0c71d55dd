"""Dynamic relocations, and what they make of the pointers in the file (gABI "Relocation", x86-64 and AArch64 psABI).

In a shared object the bytes in the file are rarely the pointers that the program sees: RELATIVE relocations carry
them in their addend, symbolic ones in the symbol, RELR ones in place.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from functools import cached_property
from struct import Struct
from typing import TYPE_CHECKING

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.image import Image
from soinspect.elf.words import words
from soinspect.model.constants import DynamicTag, Machine

if TYPE_CHECKING:
    from soinspect.elf.symtab import SymbolTable

# machine -> (relative, symbolic words: the value is symbol + addend, slots: the value is the symbol)
_RELATIVE = {Machine.X86_64: 8, Machine.AARCH64: 1027}
_SYMBOLIC = {Machine.X86_64: frozenset({1}), Machine.AARCH64: frozenset({257, 1025, 1026})}
_SLOTS = {Machine.X86_64: frozenset({6, 7}), Machine.AARCH64: frozenset[int]()}
_LAST_ADDRESS = (1 << 64) - 1
# So many words are searched for in the tables; for more, a dictionary is made once.
_FEW_SEARCHES = 16


def iter_relocations(image: Image, dynamic: DynamicSection) -> Iterator[tuple[int, int, int]]:
    """All dynamic relocations as ``(r_offset, r_info, r_addend)``, addend 0 for REL entries; RELR not included."""
    for data, is_rela in _tables(image, dynamic):
        if is_rela:
            yield from image.layout.rela.iter_unpack(data)
        else:
            for offset, info in image.layout.rel.iter_unpack(data):
                yield offset, info, 0


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
        self._slots = _SLOTS.get(machine, frozenset())
        self._values = symbols.values if symbols is not None else ()
        self._defined = symbols.section_indexes if symbols is not None else ()
        self._searches = 0

    def get(self, vaddr: int) -> int | None:
        """The value of the word at ``vaddr``, or None: then the word in the file is what counts."""
        self._searches += 1
        if self._searches > _FEW_SEARCHES:  # from here on it pays to have all in a dictionary
            return self.all.get(vaddr)
        for offsets, infos, addends in self._tables:
            if vaddr in offsets:
                row = offsets.index(vaddr)
                return self._value(infos[row], addends[row])
        return None

    def records(self, wanted: Container[int]) -> Iterator[tuple[int, int, int]]:
        """The relocations of the wanted words: ``r_offset``, ``r_info``, ``r_addend`` (as an unsigned word)."""
        for offsets, infos, addends in self._tables:
            for row in [n for n, offset in enumerate(offsets) if offset in wanted]:
                yield offsets[row], infos[row], addends[row]

    def several(self, wanted: Container[int]) -> dict[int, int]:
        """The values of the wanted words, of those that have one, found in one search."""
        values = ((offset, self._value(info, addend)) for offset, info, addend in self.records(wanted))
        return {offset: value for offset, value in values if value is not None}

    @cached_property
    def all(self) -> dict[int, int]:
        """All of them: address to value."""
        pointers: dict[int, int] = {}
        relative = self._relative
        for offsets, infos, addends in self._tables:
            rows = zip(offsets, infos, addends, strict=True)
            pointers.update([(offset, addend) for offset, info, addend in rows if info == relative])
            rows = zip(offsets, infos, addends, strict=True)
            for offset, info, addend in [row for row in rows if row[1] != relative]:
                value = self._value(info, addend)
                if value is not None:
                    pointers[offset] = value
        for address in relr_addresses(self._image, self._dynamic) if self._known else ():
            if self._image.available(address) >= 8:
                pointers[address] = self._image.unpack(self._image.layout.word, address)[0]
        return pointers

    @cached_property
    def _tables(self) -> tuple[tuple[Sequence[int], Sequence[int], Sequence[int]], ...]:
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
        kind = info & 0xFFFFFFFF
        if kind == self._relative:
            return addend
        symbol = (info >> 32) - 1  # the table is kept without the null symbol
        if not 0 <= symbol < len(self._values) or not self._defined[symbol]:
            return None
        if kind in self._slots:
            return self._values[symbol]
        return self._values[symbol] + addend & _LAST_ADDRESS if kind in self._symbolic else None


def relr_addresses(image: Image, dynamic: DynamicSection) -> Iterator[int]:
    """The addresses that DT_RELR names: an even word is an address, an odd one a bitmap of the 63 words after it."""
    start = dynamic.get(DynamicTag.RELR)
    if start is None:
        return
    size = min(dynamic.get(DynamicTag.RELRSZ, 0), image.available(start))
    word: Struct = image.layout.word
    where = 0
    for (entry,) in word.iter_unpack(image.read(start, size - size % word.size)):
        if not entry & 1:
            yield entry
            where = entry + word.size
            continue
        bits, position = entry >> 1, where
        while bits:
            if bits & 1:
                yield position
            bits >>= 1
            position += word.size
        where += (8 * word.size - 1) * word.size
