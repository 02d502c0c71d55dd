"""What an ELF file is for: a library, a program, a part of one."""

from __future__ import annotations

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.model.constants import DynamicFlags1, DynamicTag, ObjectType, SectionType, SegmentType
from soinspect.model.image import ObjectKind


def interpreter(elf: ElfFile) -> str | None:
    """The path in PT_INTERP: the program that loads this one."""
    for segment in elf.image.segments:
        if segment.type is SegmentType.INTERP and segment.offset + segment.filesz <= elf.image.size:
            raw = elf.image.at(segment.offset, min(segment.filesz, 4096))
            return raw.split(b"\0")[0].decode("utf-8", "surrogateescape")
    return None


def object_kind(elf: ElfFile) -> ObjectKind:
    """What the file is for; a shared object and a PIE have the same ``e_type`` and are told apart here."""
    header, dynamic = elf.image.header, elf.dynamic
    if header.type is ObjectType.REL:
        return ObjectKind.RELOCATABLE
    if header.type is ObjectType.CORE:
        return ObjectKind.CORE
    if header.type not in (ObjectType.EXEC, ObjectType.DYN):
        return ObjectKind.UNKNOWN
    text = next((s for s in elf.image.sections or () if s.name == ".text"), None)
    if text is not None and text.type is SectionType.NOBITS:
        return ObjectKind.DEBUG
    loaded = any(s.type is SegmentType.INTERP for s in elf.image.segments)
    if header.type is ObjectType.EXEC:
        return ObjectKind.EXECUTABLE if loaded else ObjectKind.STATIC_EXECUTABLE
    if isinstance(dynamic, DynamicSection) and DynamicFlags1.PIE in dynamic.flags_1:
        return ObjectKind.PIE if loaded else ObjectKind.STATIC_PIE
    # libc.so.6 has an interpreter and is a library all the same: a SONAME decides. Older linkers set no PIE flag.
    if loaded and isinstance(dynamic, DynamicSection) and dynamic.get(DynamicTag.SONAME) is None:
        return ObjectKind.PIE
    return ObjectKind.SHARED_LIBRARY
