"""Whether the loader takes a file that it finds, and what it says when it does not.

The tests and their words are those of glibc's ``elf/dl-load.c`` (``open_verify`` and ``_dl_map_object_from_fd``),
in its order. musl tests little of it (``map_library``): it may map a file that cannot work.
"""

from __future__ import annotations

from dataclasses import replace

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.loader.filesystem import FileSystem
from soinspect.model.constants import DynamicFlags1, ElfClass, Machine, ObjectType, SegmentType
from soinspect.model.image import Header
from soinspect.model.lateclass import dataclass
from soinspect.model.loadplan import Libc

_HEADER_SIZE = {ElfClass.ELF32: 52, ElfClass.ELF64: 64}
_OSABI_INVALID = "ELF file OS ABI invalid"
_ABI_VERSION_INVALID = "ELF file ABI version invalid"
_PADDING = "nonzero padding in e_ident"
_UNKNOWN_TO_MUSL = frozenset({_OSABI_INVALID, _ABI_VERSION_INVALID, _PADDING})
_SMALLEST_PAGE = 4096
_ANY_ALIGNMENT = (2, 35)  # from this glibc on, segments may ask for less alignment than a page
_OSABI_SYSTEM_V, _OSABI_GNU = 0, 3
_CANNOT_READ = "cannot read file data"
_NO_DYNAMIC = "object file has no dynamic section"
# The bits of e_flags that name the float ABI: the loader passes over files of another one. Old ARM files name none.
_FLOAT_ABI = {Machine.ARM: 0x600, Machine.RISCV: 0x6, Machine.LOONGARCH: 0x7}
NOT_TRIED = "cannot open shared object file"
_NOT_FOUND = f"{NOT_TRIED}: No such file or directory"
_DENIED = f"{NOT_TRIED}: Permission denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the loader does not take a file.

    ``said`` are glibc's words, ``detail`` what is the matter. ``passed_over`` means that it goes on searching,
    as if the file were not there. ``wrong_class`` is remembered by it, and told when nothing better is found.
    """

    said: str
    detail: str
    passed_over: bool = False
    wrong_class: bool = False


def open_candidate(files: FileSystem, path: str, expected: Header, libc: Libc) -> ElfFile | Refusal:
    """Open the file at ``path`` as the loader of a program with the header ``expected`` would."""
    try:
        start = files.read(path, _HEADER_SIZE[expected.elf_class])
    except InputError as error:
        if error.reason == "permission denied":
            return Refusal(said=_DENIED, detail=error.reason, passed_over=True)
        return Refusal(said=f"cannot read file data: {error.reason.capitalize()}", detail=error.reason)
    if start is None:
        return Refusal(said=_NOT_FOUND, detail="no such file", passed_over=True)
    refused = _verify_ident(start, expected)
    try:
        elf = files.open(path)
    except InputError as error:
        return replace(refused or Refusal(said=_CANNOT_READ, detail=""), detail=error.reason)
    refused = refused or _verify_header(elf.image.header, expected)
    if refused is None or (libc is Libc.MUSL and refused.said in _UNKNOWN_TO_MUSL):
        return elf
    files.close(elf)
    return refused


def _verify_ident(start: bytes, expected: Header) -> Refusal | None:
    """The tests on the size and on e_ident."""
    said = None
    if len(start) < _HEADER_SIZE[expected.elf_class]:
        said = "file too short"
    elif not start.startswith(b"\x7fELF"):
        said = "invalid ELF header"
    elif start[4] != expected.elf_class:
        other = "ELFCLASS32" if expected.elf_class is ElfClass.ELF64 else "ELFCLASS64"
        detail = f"a {'32' if other == 'ELFCLASS32' else '64'}-bit file"
        return Refusal(said=f"wrong ELF class: {other}", detail=detail, passed_over=True, wrong_class=True)
    elif start[5] != (1 if expected.byteorder == "little" else 2):
        said = f"ELF file data encoding not {expected.byteorder}-endian"
    elif start[6] != 1:
        said = "ELF file version ident does not match current one"
    elif start[7] not in (_OSABI_SYSTEM_V, _OSABI_GNU):
        said = _OSABI_INVALID
    elif start[8] and start[7] == _OSABI_SYSTEM_V:
        said = _ABI_VERSION_INVALID
    elif any(start[9:16]):
        said = _PADDING
    return Refusal(said=said, detail=said) if said else None


def _verify_header(header: Header, expected: Header) -> Refusal | None:
    """The tests on the rest of the header."""
    detail = None
    mask = _FLOAT_ABI.get(header.machine, 0)
    unnamed = header.machine is Machine.ARM and not (header.flags & mask and expected.flags & mask)
    if header.machine != expected.machine:
        detail = f"built for {_name(header.machine)}, not {_name(expected.machine)}"
    elif header.flags & mask != expected.flags & mask and not unnamed:
        detail = f"built for another ABI: e_flags {header.flags:#x}, not {expected.flags:#x}"
    if detail:
        return Refusal(said=_NOT_FOUND, detail=detail, passed_over=True)
    if header.type not in (ObjectType.DYN, ObjectType.EXEC):
        said = "only ET_DYN and ET_EXEC can be loaded"
        return Refusal(said=said, detail=f"a file of type ET_{header.type.name}")
    return None


def _name(machine: Machine) -> str:
    return machine.name.lower().replace("_", "-")


def refusal_to_map(elf: ElfFile, libc: Libc, version: str | None, *, dlopened: bool) -> str | None:
    """What the loader says of a file that it has opened and will not map as a library, or None.

    ``version`` is the release of the libc, if it is known; ``dlopened`` is for objects that dlopen loads, directly or
    as dependencies.
    """
    # That of a file with debug information only is announced, and empty.
    has_dynamic = any(it.type is SegmentType.DYNAMIC and it.filesz for it in elf.image.segments)
    if libc is Libc.MUSL:
        return None if has_dynamic else _NO_DYNAMIC
    return _unmappable(elf, version) or (_unusable(elf, dlopened=dlopened) if has_dynamic else _NO_DYNAMIC)


def _unmappable(elf: ElfFile, version: str | None) -> str | None:
    """The tests of glibc on the segments."""
    loads = [segment for segment in elf.image.segments if segment.type is SegmentType.LOAD]
    asks_for_pages = version is not None and tuple(map(int, version.split("."))) < _ANY_ALIGNMENT
    if asks_for_pages and any(segment.align & (_SMALLEST_PAGE - 1) for segment in loads):
        return "ELF load command alignment not page-aligned"
    if any((segment.vaddr - segment.offset) & (_SMALLEST_PAGE - 1) for segment in loads):
        return "ELF load command address/offset not page-aligned"
    if not loads:
        return "object file has no loadable segments"
    if elf.image.header.type is ObjectType.EXEC:
        return "cannot dynamically load executable"
    return None


def _unusable(elf: ElfFile, *, dlopened: bool) -> str | None:
    """The tests of glibc on the dynamic section."""
    # A dynamic section that cannot be read is cut off, which the loader finds out by dying.
    flags = elf.dynamic.flags_1 if isinstance(elf.dynamic, DynamicSection) else DynamicFlags1(0)
    if DynamicFlags1.PIE in flags:
        return "cannot dynamically load position-independent executable"
    if dlopened and DynamicFlags1.NOOPEN in flags:
        return "shared object cannot be dlopen()ed"
    return None
