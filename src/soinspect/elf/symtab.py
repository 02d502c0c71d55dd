"""Symbol tables, decoded in bulk: a table is columns, :class:`Symbol` values are built when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.hashes import symbol_count
from soinspect.elf.image import Image
from soinspect.elf.relocs import iter_relocations
from soinspect.elf.strings import StringTable
from soinspect.elf.versions import Versions, read_versions
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
from soinspect.model.symbol import Symbol

_NO_VERSIONS = Versions(indexes=(), names={}, needed_from={}, defined=(), needed=())
_VISIBILITY = 0x3
_FIELDS = 6  # of a symbol table entry


class SymbolTable:
    """The symbols of ``.dynsym`` or ``.symtab``, without the null symbol at index 0.

    Columns are tuples of the same length: ``names``, ``values``, ``sizes``, ``infos`` (``st_info``), ``others``
    (``st_other``), ``section_indexes`` (``st_shndx``).
    """

    def __init__(self, image: Image, data: bytes, strings: StringTable, versions: Versions = _NO_VERSIONS) -> None:
        record = image.layout.symbol
        # One flat tuple, then strides: several times as fast as turning rows into columns.
        fields = tuple(chain.from_iterable(record.iter_unpack(data[: len(data) - len(data) % record.size])))
        columns = tuple(fields[_FIELDS + i :: _FIELDS] for i in range(_FIELDS))
        if image.header.elf_class is ElfClass.ELF64:
            name_offsets, infos, others, indexes, values, sizes = columns
        else:
            name_offsets, values, sizes, infos, others, indexes = columns
        self._image = image
        self._name_offsets: tuple[int, ...] = name_offsets
        self._strings = strings
        self.infos: tuple[int, ...] = infos
        self.others: tuple[int, ...] = others
        self.section_indexes: tuple[int, ...] = indexes
        self.values: tuple[int, ...] = values
        self.sizes: tuple[int, ...] = sizes
        self.versions = versions

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Symbol]:
        return self.select(range(len(self)))

    @cached_property
    def names(self) -> list[str]:
        """The raw names, in table order."""
        return self._strings.get_all(self._name_offsets)

    @cached_property
    def _by_name(self) -> dict[str, int]:
        # Several versions of a name: the default one wins, then the first that is defined, then any.
        index: dict[str, int] = {}
        for i, name in enumerate(self.names):
            if name not in index or self._preference(i) > self._preference(index[name]):
                index[name] = i
        return index

    def _preference(self, index: int) -> tuple[bool, bool]:
        return (self.section_indexes[index] != SectionIndex.UNDEF, self.versions.of(index + 1)[1])

    def get(self, name: str) -> Symbol | None:
        """The symbol of this raw name: the default version where there are several, or None."""
        index = self._by_name.get(name)
        return None if index is None else self.symbol(index)

    def symbol(self, index: int) -> Symbol:
        """The symbol at ``index``, counted without the null symbol."""
        return next(self.select((index,)))

    def select(self, indexes: Iterable[int]) -> Iterator[Symbol]:
        """The symbols at ``indexes``, counted without the null symbol."""
        names, values, sizes = self.names, self.values, self.sizes
        infos, others, sections = self.infos, self.others, self.section_indexes
        version_of = self.versions.of
        types = [SymbolType(n) for n in range(16)]
        bindings = [SymbolBinding(n) for n in range(16)]
        visibilities = [SymbolVisibility(n) for n in range(4)]
        section_names: dict[int, str] = {}
        for i in indexes:
            index = sections[i]
            section = section_names.get(index)
            if section is None:
                section = section_names[index] = self._section_name(index)
            version, default = version_of(i + 1)
            info = infos[i]
            yield Symbol(
                name=names[i],
                version=version,
                default_version=default and section != "UND",
                value=values[i],
                size=sizes[i],
                type=types[info & 0xF],
                binding=bindings[info >> 4],
                visibility=visibilities[others[i] & _VISIBILITY],
                section=section,
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
    if count > readable:
        image.remark("dynamic symbols", f"{count} are announced, only {readable} fit into their segment")
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
    strings = dynamic.get(DynamicTag.STRTAB, 0)
    # Every linker in use places .dynstr after .dynsym: more symbols than fit between them are an error.
    limit = (strings - address) // size if strings > address else referred + 1
    return max(hashed, min(referred + 1, limit))


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
