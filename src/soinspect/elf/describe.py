"""Facts that take more than one table: constructors, producers, the newest versions needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import isa_level
from soinspect.elf.symtab import SymbolTable
from soinspect.model.absence import Absent
from soinspect.model.constants import (
    DynamicFlags,
    DynamicTag,
    SectionFlags,
    SectionIndex,
    SegmentType,
    SymbolType,
)
from soinspect.model.dynamic import VersionFloor, VersionNeed
from soinspect.model.note import GnuNoteType
from soinspect.model.snapshot import DynamicLinking, InitFunction, ThreadLocalStorage

_MAX_PRODUCERS = 20
_MAX_PRODUCER_LENGTH = 300
_MAX_INIT_FUNCTIONS = 10_000
_HASH_STYLES = (("gnu", DynamicTag.GNU_HASH), ("sysv", DynamicTag.HASH))
_DT_RELR = "GLIBC_ABI_DT_RELR"
_NUMBERED_VERSION = re.compile(r"(?P<family>.+)_(?P<number>\d+(?:\.\d+)*)")


def gnu_build_id(elf: ElfFile) -> str | Absent:
    """The GNU build id in hex."""
    for note in elf.notes:
        if note.owner == "GNU" and note.type == GnuNoteType.BUILD_ID:
            return note.data.hex()
    return Absent("no GNU build id (linked without --build-id)")


def producers(elf: ElfFile) -> tuple[str, ...]:
    """The compilers and linkers that left their mark in ``.comment``, without repeats."""
    section = elf.image.section(".comment")
    if section is None:
        return ()
    found: dict[str, None] = {}
    for raw in elf.image.section_data(section)[: 1 << 20].split(b"\0"):
        if raw:
            found[raw[:_MAX_PRODUCER_LENGTH].decode("utf-8", "replace")] = None
        if len(found) == _MAX_PRODUCERS:
            break
    return tuple(found)


def thread_local_storage(elf: ElfFile) -> ThreadLocalStorage | None:
    """The thread-local storage the object brings or reaches statically, or None."""
    static = isinstance(elf.dynamic, DynamicSection) and DynamicFlags.STATIC_TLS in elf.dynamic.flags
    for segment in elf.image.segments:
        if segment.type is SegmentType.TLS:
            return ThreadLocalStorage(size=segment.memsz, static=static)
    return ThreadLocalStorage(size=0, static=True) if static else None


def read_only_sections(elf: ElfFile) -> tuple[str, ...]:
    """The names of the loaded sections that nothing can write to once relocation is done."""
    protected = [s for s in elf.image.segments if s.type is SegmentType.GNU_RELRO]
    return tuple(
        section.name
        for section in elf.image.sections or ()
        if SectionFlags.ALLOC in section.flags
        and (
            SectionFlags.WRITE not in section.flags
            or any(s.vaddr <= section.addr and section.addr + section.size <= s.vaddr + s.memsz for s in protected)
        )
    )


def init_functions(elf: ElfFile) -> tuple[InitFunction, ...]:
    """What runs when the object is loaded, in order: DT_PREINIT_ARRAY (programs only), DT_INIT, DT_INIT_ARRAY."""
    if isinstance(elf.dynamic, Absent):
        return ()
    listed = list(_init_addresses(elf, elf.dynamic))
    wanted = {address for _, address in listed}
    names: dict[int, str] = {}
    for table in (elf.static_symbols, elf.dynamic_symbols):
        if wanted and isinstance(table, SymbolTable):
            names |= _function_names(table, wanted)
    found: list[InitFunction] = []
    for listed_in, address in listed:
        name: str | Absent = names.get(address) or Absent("no symbol has this address")
        found.append(InitFunction(listed_in=listed_in, address=address, name=name))
    return tuple(found)


def _init_addresses(elf: ElfFile, dynamic: DynamicSection) -> Iterator[tuple[str, int]]:
    image = elf.image
    for single, array, size in (
        (None, DynamicTag.PREINIT_ARRAY, DynamicTag.PREINIT_ARRAYSZ),
        (DynamicTag.INIT, DynamicTag.INIT_ARRAY, DynamicTag.INIT_ARRAYSZ),
    ):
        if single is not None and dynamic.get(single):
            yield f"DT_{single.name}", dynamic.get(single, 0)
        start = dynamic.get(array)
        if start is None:
            continue
        word = image.header.word_size
        count = min(dynamic.get(size, 0), image.available(start)) // word
        if count > _MAX_INIT_FUNCTIONS:
            image.remark(f"DT_{array.name}", f"{count} entries: only the first {_MAX_INIT_FUNCTIONS} are read")
            count = _MAX_INIT_FUNCTIONS
        for index, address in enumerate(elf.pointers_at([start + index * word for index in range(count)])):
            if address not in (0, 2 ** (8 * word) - 1):  # 0 and -1 are skipped by convention
                yield f"DT_{array.name}[{index}]", address


def _function_names(table: SymbolTable, wanted: set[int]) -> dict[int, str]:
    """The names of the functions at these addresses; of several names at one address the last in the table."""
    there = [index for index, value in enumerate(table.values) if value in wanted]
    symbols = [table.symbol(i) for i in there if table.infos[i] & 0xF == SymbolType.FUNC and table.section_indexes[i]]
    return {symbol.value: symbol.name for symbol in symbols if symbol.name}


def dynamic_linking(elf: ElfFile) -> DynamicLinking | Absent:
    """What the object asks of the dynamic linker."""
    dynamic, table = elf.dynamic, elf.dynamic_symbols
    if isinstance(dynamic, Absent):
        return dynamic
    versions = table.versions if isinstance(table, SymbolTable) else None
    flags = [*dynamic.flags, *dynamic.flags_1]
    return DynamicLinking(
        soname=next(iter(dynamic.strings_of(DynamicTag.SONAME)), None),
        needed=dynamic.strings_of(DynamicTag.NEEDED),
        rpath=next(iter(dynamic.strings_of(DynamicTag.RPATH)), None),
        runpath=next(iter(dynamic.strings_of(DynamicTag.RUNPATH)), None),
        flags=tuple(flag.name for flag in flags if flag.name),
        version_needs=versions.needed if versions else (),
        version_floors=tuple(_explained_floors(table)) if isinstance(table, SymbolTable) else (),
        defined_versions=versions.defined if versions else (),
        hash_styles=tuple(name for name, tag in _HASH_STYLES if dynamic.get(tag) is not None),
        isa_level=isa_level(elf),
    )


def version_floors(needed: Iterable[VersionNeed]) -> list[VersionFloor]:
    """For each family of numbered versions the newest one that is needed; which symbols force it is left out."""
    newest: dict[tuple[str, str], tuple[tuple[int, ...], VersionFloor]] = {}
    for need in needed:
        # GLIBC_ABI_DT_RELR has no number; the first glibc to define it is 2.36.
        match = _NUMBERED_VERSION.fullmatch("GLIBC_2.36" if need.version == _DT_RELR else need.version)
        if match is None:
            continue
        number = tuple(int(part[:9]) for part in match["number"].split("."))
        floor = VersionFloor(family=match["family"], version=need.version, library=need.library, symbols=())
        if floor.key not in newest or number > newest[floor.key][0]:
            newest[floor.key] = (number, floor)
    return [floor for _, floor in newest.values()]


def _explained_floors(table: SymbolTable) -> Iterator[VersionFloor]:
    """The newest version of each family, with the symbols that force it."""
    forced = _symbols_by_need(table)
    for floor in version_floors(table.versions.needed):
        yield replace(floor, symbols=tuple(forced.get((floor.library, floor.version), ())))


def _symbols_by_need(table: SymbolTable) -> dict[tuple[str, str], list[str]]:
    """The undefined symbols of each (library, version)."""
    found: dict[tuple[str, str], list[str]] = {}
    undefined = [index for index, section in enumerate(table.section_indexes) if section == SectionIndex.UNDEF]
    for index, name in zip(undefined, table.undefined_names, strict=True):
        need = table.versions.need_of(index + 1)
        if need is not None:
            found.setdefault(need, []).append(name)
    return found
