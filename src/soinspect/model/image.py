"""The headers of an ELF file as values (System V gABI, chapters 4 and 5)."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from soinspect.model.constants import (
    DynamicTag,
    ElfClass,
    Machine,
    ObjectType,
    SectionFlags,
    SectionType,
    SegmentFlags,
    SegmentType,
)
from soinspect.model.lateclass import dataclass


class ObjectKind(StrEnum):
    """What an ELF file is for its user."""

    SHARED_LIBRARY = "shared library"
    PIE = "position-independent executable"
    STATIC_PIE = "static position-independent executable"
    EXECUTABLE = "executable"
    STATIC_EXECUTABLE = "static executable"
    RELOCATABLE = "relocatable object"
    CORE = "core dump"
    DEBUG = "separate debug file"
    UNKNOWN = "ELF file of unknown type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The ELF header: what kind of object this is and where its tables lie (offsets in bytes)."""

    elf_class: ElfClass
    byteorder: Literal["little", "big"]
    osabi: int
    type: ObjectType
    machine: Machine
    entry: int
    flags: int
    phoff: int
    shoff: int
    phnum: int
    shnum: int
    shstrndx: int

    @property
    def word_size(self) -> int:
        """Size of an address in bytes."""
        return 8 if self.elf_class is ElfClass.ELF64 else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A program header; addresses and sizes in bytes."""

    type: SegmentType
    flags: SegmentFlags
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section header; addresses and sizes in bytes."""

    name: str
    type: SectionType
    flags: SectionFlags
    addr: int
    offset: int
    size: int
    link: int
    info: int
    entsize: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicEntry:
    """One entry of the dynamic section; ``string`` is the text that ``value`` names, for tags that name one."""

    tag: DynamicTag
    value: int
    string: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something odd in a file that is readable all the same: where, and what."""

    where: str
    what: str
