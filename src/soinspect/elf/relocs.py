"""Dynamic relocations, and what they make of the pointers in the file (gABI "Relocation", x86-64 and AArch64 psABI).

In a shared object the bytes in the file are rarely the pointers that the program sees: RELATIVE relocations carry
them in their addend, symbolic ones in the symbol, RELR ones in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.image import Image
from soinspect.model.constants import DynamicTag, Machine

if TYPE_CHECKING:
    from soinspect.elf.symtab import SymbolTable

# machine -> (relative, symbolic words: the value is symbol + addend, slots: the value is the symbol)
_RELATIVE = {Machine.X86_64: 8, Machine.AARCH64: 1027}
_SYMBOLIC = {Machine.X86_64: frozenset({1}), Machine.AARCH64: frozenset({257, 1025, 1026})}
_SLOTS = {Machine.X86_64: frozenset({6, 7}), Machine.AARCH64: frozenset[int]()}


def iter_relocations(image: Image, dynamic: DynamicSection) -> Iterator[tuple[int, int, int]]:
    """All dynamic relocations as ``(r_offset, r_info, r_addend)``, addend 0 for REL entries; RELR not included."""
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
        data = image.read(address, size - size % record.size)
        if is_rela:
            yield from record.iter_unpack(data)
        else:
            for offset, info in record.iter_unpack(data):
                yield offset, info, 0


def read_pointers(image: Image, dynamic: DynamicSection, symbols: SymbolTable | None) -> dict[int, int]:
    """The words that relocation gives a value known from the file alone: address to value.

    Symbolic relocations take the file's own definition (at run time another library may interpose). Words that
    name a symbol from outside are left out. Only x86-64 and AArch64 are known; for others the result is empty.
    """
    machine = image.header.machine
    if machine not in _RELATIVE or image.header.word_size != 8:
        return {}
    relative, symbolic, slots = _RELATIVE[machine], _SYMBOLIC[machine], _SLOTS[machine]
    pointers: dict[int, int] = {}
    values = symbols.values if symbols is not None else ()
    indexes = symbols.section_indexes if symbols is not None else ()
    count = len(values)
    for offset, info, addend in iter_relocations(image, dynamic):
        kind = info & 0xFFFFFFFF
        if kind == relative:
            pointers[offset] = addend & 0xFFFFFFFFFFFFFFFF
            continue
        symbol = (info >> 32) - 1  # the table is kept without the null symbol
        if (kind in symbolic or kind in slots) and 0 <= symbol < count and indexes[symbol]:
            pointers[offset] = values[symbol] + (addend if kind in symbolic else 0)
    for address in relr_addresses(image, dynamic):
        if image.available(address) >= 8:
            pointers[address] = image.unpack(image.layout.word, address)[0]
    return pointers


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
