"""Symbol tables, decoded in bulk: a table is columns, :class:`Symbol` values are built when asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import TypeVar

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.hashes import symbol_count
from soinspect.elf.image import Image
from soinspect.elf.relocs import iter_relocations
from soinspect.elf.strings import StringTable
from soinspect.elf.versions import Versions, read_versions
from soinspect.elf.words import words
from soinspect.model.absence import Absent
from soinspect.model.constants import (
    DynamicTag,
    ElfClass,
    SectionIndex,
    SectionType,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from soinspect.model.symbol import Symbol, SymbolColumns

_NO_VERSIONS = Versions(indexes=(), names={}, needed_from={}, defined=(), needed=())
_VISIBILITY = 0x3
# So many names are searched for in the string table; for more, all names are decoded once.
_FEW_SEARCHES = 8

_Key = TypeVar("_Key", int, str)


class SymbolTable:
    """The symbols of ``.dynsym`` or ``.symtab``, without the null symbol at index 0.

    Columns are sequences of the same length: ``names``, ``values``, ``sizes``, ``infos`` (``st_info``), ``others``
    (``st_other``), ``section_indexes`` (``st_shndx``).
    """

    def __init__(self, image: Image, data: bytes, strings: StringTable, versions: Versions = _NO_VERSIONS) -> None:
        record = image.layout.symbol.size
        table = memoryview(data)[record : len(data) - len(data) % record]
        order = image.header.byteorder
        # A field of all records is a slice with a stride of the table seen as an array of words: no loop runs here.
        self._image = image
        self._name_offsets = words("I", table, order)[:: record // 4]
        self._strings = strings
        if image.header.elf_class is ElfClass.ELF64:  # name, info, other, shndx, value, size
            self.infos, self.others = bytes(table[4::24]), bytes(table[5::24])
            self.section_indexes = words("H", table, order)[3::12]
            quads = words("Q", table, order)
            self.values, self.sizes = quads[1::3], quads[2::3]
        else:  # name, value, size, info, other, shndx
            self.infos, self.others = bytes(table[12::16]), bytes(table[13::16])
            self.section_indexes = words("H", table, order)[7::8]
            longs = words("I", table, order)
            self.values, self.sizes = longs[1::4], longs[2::4]
        self.versions = versions
        self._searches = 0

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Symbol]:
        return iter(self.columns)

    @cached_property
    def names(self) -> list[str]:
        """The raw names, in table order."""
        return self._strings.get_all(self._name_offsets)

    @property
    def is_whole(self) -> bool:
        """Whether all names could be read: those of a table that is made to exhaust memory are not."""
        return len(self.names) == len(self) and not self._strings.exhausted

    @cached_property
    def undefined_names(self) -> list[str]:
        """The raw names of what other objects must provide, in table order; no other name is decoded."""
        rows = zip(self._name_offsets, self.section_indexes, strict=True)
        return self._strings.get_all([offset for offset, index in rows if index == SectionIndex.UNDEF])

    @cached_property
    def _by_name(self) -> dict[str, int]:
        # Several versions of a name: the default one wins, then the first that is defined, then any.
        index = dict(zip(self.names, range(len(self)), strict=True))
        return index if len(index) == len(self) else self._preferred(enumerate(self.names))

    def _named_at(self, places: Collection[int]) -> dict[int, int]:
        """The symbols whose names lie at these offsets: an index of all names would outweigh a few searches."""
        return self._preferred((i, place) for i, place in enumerate(self._name_offsets) if place in places)

    def _preferred(self, rows: Iterable[tuple[int, _Key]]) -> dict[_Key, int]:
        """From each key of a column to the symbol that stands for all that share it."""
        index: dict[_Key, int] = {}
        for i, key in rows:
            if key not in index or self._preference(i) > self._preference(index[key]):
                index[key] = i
        return index

    def _preference(self, index: int) -> tuple[bool, bool]:
        return (self.section_indexes[index] != SectionIndex.UNDEF, self.versions.of(index + 1)[1])

    def get(self, name: str) -> Symbol | None:
        """The symbol of this raw name: the default version where there are several, or None."""
        self._searches += 1
        if self._searches > _FEW_SEARCHES:  # from here on it pays to decode all names
            index = self._by_name.get(name)
        else:
            places = set(self._strings.find(name))
            found = self._named_at(places).values() if places else ()
            index = max(found, key=self._preference, default=None)
        return None if index is None else self.symbol(index)

    def starting_with(self, prefix: str) -> Iterator[Symbol]:
        """The symbols whose names begin so, without reading the names of all others; one a name."""
        places = set(self._strings.find(prefix, whole=False))
        yield from map(self.symbol, self._named_at(places).values() if places else ())

    def ending_with(self, suffix: str) -> Iterator[Symbol]:
        """The symbols whose names end so, as :meth:`starting_with`."""
        tails = list(self._strings.find_tails(suffix))
        starts = [tail.start for tail in tails]
        places = {o for o in self._name_offsets if tails and o in tails[bisect_right(starts, o) - 1]}
        yield from map(self.symbol, self._named_at(places).values() if places else ())

    def symbol(self, index: int) -> Symbol:
        """The symbol at ``index``, counted without the null symbol."""
        version, default = self.versions.of(index + 1)
        section = self.section_indexes[index]
        info = self.infos[index]
        return Symbol(
            name=self._strings.get(self._name_offsets[index]),
            version=version,
            default_version=default and section != SectionIndex.UNDEF,
            value=self.values[index],
            size=self.sizes[index],
            type=SymbolType(info & 0xF),
            binding=SymbolBinding(info >> 4),
            visibility=SymbolVisibility(self.others[index] & _VISIBILITY),
            section=self._section_name(section),
        )

    @cached_property
    def columns(self) -> SymbolColumns:
        """All symbols as a value of the model."""
        count = len(self)
        sections = {index: self._section_name(index) for index in set(self.section_indexes)}
        known = {number: self.versions.named(number) for number in set(self.versions.indexes)}
        versions = [known[number] for number in self.versions.indexes[1 : count + 1]]
        versions += [(None, False)] * (count - len(versions))
        return SymbolColumns(
            names=self.names,
            versions=[name for name, _ in versions],
            default_versions=[d and i != 0 for (_, d), i in zip(versions, self.section_indexes, strict=True)],
            values=self.values,
            sizes=self.sizes,
            infos=self.infos,
            others=self.others,
            sections=list(map(sections.__getitem__, self.section_indexes)),
        )

    def _section_name(self, index: int) -> str:
        if index == SectionIndex.UNDEF:
            return "UND"
        if index >= SectionIndex.LORESERVE:
            return SectionIndex(index).name
        sections = self._image.sections or ()
        name = sections[index].name if index < len(sections) else ""
        return name or f"[{index}]"


def read_dynamic_symbols(image: Image, dynamic: DynamicSection | Absent) -> SymbolTable | Absent:
    """The dynamic symbols with their versions, through DT_SYMTAB (what the loader uses)."""
    if isinstance(dynamic, Absent):
        return dynamic
    address = dynamic.get(DynamicTag.SYMTAB)
    if address is None:
        return Absent("the dynamic section has no DT_SYMTAB")
    size = image.layout.symbol.size
    readable = image.available(address) // size
    if not readable:
        return Absent(f"DT_SYMTAB ({address:#x}) points outside of the file's loaded segments")
    count = _count(image, dynamic, address)
    strings = dynamic.get(DynamicTag.STRTAB, 0)
    if strings > address:  # every linker in use places .dynstr after .dynsym, and nothing overlaps
        readable = min(readable, (strings - address) // size)
    if count > readable:
        image.remark("dynamic symbols", f"{count} are announced, only {readable} fit before what follows them")
        count = readable
    versions = read_versions(image, dynamic, count)
    return SymbolTable(image, image.read(address, count * size), dynamic.strings, versions)


def _count(image: Image, dynamic: DynamicSection, address: int) -> int:
    """How many dynamic symbols there are, the null symbol included: no field of the dynamic section says it."""
    size = image.layout.symbol.size
    for section in image.sections or ():
        if section.type is SectionType.DYNSYM and section.addr == address:
            return section.size // size
    # Without section headers: what is hashed (definitions), and what relocations refer to (the undefined ones).
    hashed = symbol_count(image, dynamic) or 1
    shift = image.layout.relocation_symbol_shift
    referred = max((info >> shift for _, info, _ in iter_relocations(image, dynamic)), default=0)
    return max(hashed, referred + 1)


def read_static_symbols(image: Image) -> SymbolTable | Absent:
    """The symbols of ``.symtab``."""
    for section in image.sections or ():
        if section.type is SectionType.SYMTAB:
            sections = image.sections or ()
            if section.link >= len(sections):
                image.remark(".symtab", f"sh_link {section.link} names no section: its names cannot be read")
                strings = StringTable(b"")
            else:
                strings = StringTable(image.section_data(sections[section.link]))
            return SymbolTable(image, image.section_data(section), strings)
    if isinstance(image.sections, Absent):
        return Absent(f"no .symtab: {image.sections.reason}")
    return Absent("stripped: no .symtab")
