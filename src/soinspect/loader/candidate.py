"""Whether the loader takes a file that it finds, and what it says when it does not.

The tests and their words are those of glibc's ``elf/dl-load.c`` (``open_verify`` and ``_dl_map_object_from_fd``),
in its order. musl tests less, and reports what open(2), read(2) and mmap(2) say.
"""

from __future__ import annotations

from dataclasses import dataclass

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.loader.filesystem import FileSystem
from soinspect.model.constants import DynamicFlags1, ElfClass, Machine, ObjectType, SegmentType
from soinspect.model.image import Header

_HEADER_SIZE = {ElfClass.ELF32: 52, ElfClass.ELF64: 64}
_SMALLEST_PAGE = 4096
# Where the two 64-bit ARM float ABIs or the RISC-V ones differ in e_flags, the loader passes the file over.
_ABI_FLAGS = {Machine.ARM: 0x600, Machine.RISCV: 0x6, Machine.LOONGARCH: 0x7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the loader does not take a file.

    ``passed_over`` means that it goes on searching, as if the file were not there; otherwise it gives up, and says
    ``reason``. ``wrong_class`` is remembered by the loader, and told when nothing better is found.
    """

    reason: str
    passed_over: bool
    wrong_class: bool = False


def open_candidate(files: FileSystem, path: str, expected: Header | None) -> ElfFile | Refusal:
    """Open the file at ``path`` as the loader of a program with the header ``expected`` would."""
    try:
        start = files.read(path, 64)
    except InputError as error:
        denied = error.reason == "permission denied"
        said = "cannot read file data: Is a directory" if error.reason == "is a directory" else error.reason
        return Refusal(reason=said, passed_over=denied)
    if start is None:
        return Refusal(reason="no such file", passed_over=True)
    if expected is not None:
        refused = _verify(start, expected)
        if refused is not None:
            return refused
    place = files.outside(path)
    assert place is not None  # noqa: S101  (it has just been read)
    try:
        elf = ElfFile.open(place)
    except InputError as error:
        return Refusal(reason=f"cannot read file data ({error.reason})", passed_over=False)
    refused = _verify_header(elf.image.header, expected) if expected is not None else None
    if refused is not None:
        elf.image.close()
        return refused
    return elf


def _verify(start: bytes, expected: Header) -> Refusal | None:
    """The tests on e_ident, from the first 64 bytes of the file."""
    if len(start) < _HEADER_SIZE[expected.elf_class]:
        return Refusal(reason="file too short", passed_over=False)
    order = 1 if expected.byteorder == "little" else 2
    reason = None
    if not start.startswith(b"\x7fELF"):
        reason = "invalid ELF header"
    elif start[4] != expected.elf_class:
        return Refusal(reason=_wrong_class(expected.elf_class), passed_over=True, wrong_class=True)
    elif start[5] != order:
        reason = f"ELF file data encoding not {expected.byteorder}-endian"
    elif start[6] != 1:
        reason = "ELF file version ident does not match current one"
    elif start[7] not in (0, 3):  # System V and GNU
        reason = "ELF file OS ABI invalid"
    elif start[8] and start[7] == 0:
        reason = "ELF file ABI version invalid"
    elif any(start[9:16]):
        reason = "nonzero padding in e_ident"
    return Refusal(reason=reason, passed_over=False) if reason else None


def _wrong_class(expected: ElfClass) -> str:
    return f"wrong ELF class: {'ELFCLASS32' if expected is ElfClass.ELF64 else 'ELFCLASS64'}"


def _verify_header(header: Header, expected: Header) -> Refusal | None:
    if header.machine != expected.machine:
        return Refusal(reason=f"built for {header.machine.name}, not {expected.machine.name}", passed_over=True)
    mask = _ABI_FLAGS.get(header.machine, 0)
    if header.flags & mask != expected.flags & mask:
        flags = f"e_flags {header.flags:#x}, not {expected.flags:#x}"
        return Refusal(reason=f"built for another ABI ({flags})", passed_over=True)
    if header.type not in (ObjectType.DYN, ObjectType.EXEC):
        return Refusal(reason="only ET_DYN and ET_EXEC can be loaded", passed_over=False)
    return None


def refusal_to_map(elf: ElfFile, *, dlopened: bool) -> str | None:
    """What the loader says of a file that it has opened and will not map as a library, or None.

    ``dlopened`` is for objects that dlopen loads, directly or as dependencies.
    """
    loads = [segment for segment in elf.image.segments if segment.type is SegmentType.LOAD]
    if any(segment.align & (_SMALLEST_PAGE - 1) for segment in loads):
        return "ELF load command alignment not page-aligned"
    if any((segment.vaddr - segment.offset) & (_SMALLEST_PAGE - 1) for segment in loads):
        return "ELF load command address/offset not page-aligned"
    if not loads:
        return "object file has no loadable segments"
    if elf.image.header.type is ObjectType.EXEC:
        return "cannot dynamically load executable"
    dynamic = elf.dynamic
    if not isinstance(dynamic, DynamicSection):
        return "object file has no dynamic section"
    if DynamicFlags1.PIE in dynamic.flags_1:
        return "cannot dynamically load position-independent executable"
    if dlopened and DynamicFlags1.NOOPEN in dynamic.flags_1:
        return "shared object cannot be dlopen()ed"
    return None
