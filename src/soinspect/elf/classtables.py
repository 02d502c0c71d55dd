"""Virtual tables and type information of C++ classes, as relocations fill them (Itanium C++ ABI, 2.5 and 2.9.4).

Each word of such a table is a number, or a pointer that a relocation writes: to a symbol, or to an address in the
file. No debug information is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

from soinspect.elf.file import ElfFile
from soinspect.elf.relocs import relr_addresses
from soinspect.elf.symtab import SymbolTable
from soinspect.model.absence import Absent
from soinspect.model.classtable import ClassTable
from soinspect.model.constants import Machine, SymbolType

_PREFIXES = ("_ZTV", "_ZTI")
_MAX_WORDS = 1 << 20
_WORD = 8


def class_tables(elf: ElfFile) -> tuple[ClassTable, ...]:
    """The tables of all classes whose symbols are exported; of files for x86-64 and AArch64 only."""
    symbols = elf.dynamic_symbols
    known = elf.image.header.machine in (Machine.X86_64, Machine.AARCH64) and elf.image.header.word_size == _WORD
    extents = _extents(elf, symbols) if symbols and known else {}
    if not symbols or not extents:
        return ()
    wanted = {at for start, size in extents.values() for at in range(start, start + size, _WORD)}
    pointers = _pointers(elf, symbols, wanted)
    numbers = {at: str(number) for at, number in _numbers(elf, extents.values()) if at not in pointers}
    words = pointers | numbers
    return tuple(
        ClassTable(symbol=name, words=tuple(map(words.__getitem__, range(start, start + size, _WORD))))
        for name, (start, size) in extents.items()
    )


def _numbers(elf: ElfFile, extents: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Address and value of each word, as the file has it, as a signed number."""
    signed = Struct("<q" if elf.image.header.byteorder == "little" else ">q")
    for start, size in extents:
        for index, (number,) in enumerate(signed.iter_unpack(elf.image.read(start, size))):
            yield start + index * _WORD, number


def _extents(elf: ElfFile, symbols: SymbolTable) -> dict[str, tuple[int, int]]:
    """Address and size of each table, as far as the file holds it."""
    found: dict[str, tuple[int, int]] = {}
    budget = _MAX_WORDS * _WORD
    for index in [n for n, name in enumerate(symbols.names) if name.startswith(_PREFIXES)]:
        if symbols.section_indexes[index]:
            name, start, size = symbols.names[index], symbols.values[index], symbols.sizes[index]
            budget -= size
            if budget < 0:
                elf.image.remark("virtual tables", f"more than {_MAX_WORDS} words: the rest is not read")
                break
            if size <= elf.image.available(start):
                found[name] = (start, size - size % _WORD)
    return found


def _pointers(elf: ElfFile, symbols: SymbolTable, wanted: set[int]) -> dict[int, str | None]:
    """What the wanted words point to, by name; None where what they point to has none."""
    if not elf.pointers or isinstance(elf.dynamic, Absent):
        return {}
    shift = elf.image.layout.relocation_symbol_shift
    found: dict[int, str | None] = {}
    relative = [at for at in relr_addresses(elf.image, elf.dynamic) if at in wanted]
    addresses = dict(zip(relative, elf.pointers_at(relative), strict=True))
    for offset, info, addend in elf.pointers.records(wanted):
        symbol = (info >> shift) - 1  # the table is kept without the null symbol
        if symbol < 0:
            addresses[offset] = addend
        elif symbol < len(symbols):
            found[offset] = symbols.names[symbol]
    names = _names_by_address(elf, set(addresses.values()))
    return {offset: names.get(address) for offset, address in addresses.items()} | found


def _names_by_address(elf: ElfFile, wanted: set[int]) -> dict[int, str]:
    """The names of addresses that have one; linkers fold identical functions into one that then has many."""
    found: dict[int, str] = {}
    folded: set[int] = set()
    for table in (elf.static_symbols, elf.dynamic_symbols):
        rows = zip(table.values, table.infos, table.section_indexes, table.names, strict=True) if table else ()
        for value, info, section, name in rows:
            if value in wanted and section and info & 0xF in (SymbolType.FUNC, SymbolType.OBJECT):
                # The destructors of a complete object and of a base are one, if there are no virtual bases.
                name = name.replace("D2Ev", "D1Ev")
                if found.setdefault(value, name) != name:
                    folded.add(value)
    return {address: name for address, name in found.items() if address not in folded}
