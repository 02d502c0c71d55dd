"""Numbers of the System V gABI and its processor supplements, under their own names without the C prefix.

Source: System V gABI (https://www.sco.com/developers/gabi/latest/contents.html) and glibc's ``elf.h`` for
the GNU extensions.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Self


class OpenEnum(IntEnum):
    """An enumeration of a field that may hold numbers nobody has named yet.

    An unknown number becomes a member with a name made of the nearest reserved range (``LOOS+1``), so that it
    can be shown and compared; it is never an error and never rounded to something known.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._value_ = value
        member._name_ = cls._unknown_name(value)
        return member

    @classmethod
    def _unknown_name(cls, value: int) -> str:
        for base in ("LOPROC", "LOOS"):
            start = cls.__members__.get(base)
            if start is not None and value > start:
                return f"{base}+{value - start:#x}"
        return f"{value:#x}"


class ElfClass(IntEnum):
    """``e_ident[EI_CLASS]``."""

    ELF32 = 1
    ELF64 = 2


class ObjectType(OpenEnum):
    """``e_type``."""

    NONE = 0
    REL = 1
    EXEC = 2
    DYN = 3
    CORE = 4
    LOOS = 0xFE00
    LOPROC = 0xFF00


class Machine(OpenEnum):
    """``e_machine``; the ones that Linux runs on."""

    NONE = 0
    SPARC = 2
    I386 = 3
    M68K = 4
    MIPS = 8
    PARISC = 15
    SPARC32PLUS = 18
    PPC = 20
    PPC64 = 21
    S390 = 22
    ARM = 40
    ALPHA = 0x9026
    SH = 42
    SPARCV9 = 43
    IA_64 = 50
    X86_64 = 62
    AARCH64 = 183
    RISCV = 243
    BPF = 247
    LOONGARCH = 258


class SegmentType(OpenEnum):
    """``p_type``."""

    NULL = 0
    LOAD = 1
    DYNAMIC = 2
    INTERP = 3
    NOTE = 4
    SHLIB = 5
    PHDR = 6
    TLS = 7
    LOOS = 0x60000000
    GNU_EH_FRAME = 0x6474E550
    GNU_STACK = 0x6474E551
    GNU_RELRO = 0x6474E552
    GNU_PROPERTY = 0x6474E553
    LOPROC = 0x70000000


class SegmentFlags(IntFlag):
    """``p_flags``."""

    X = 1
    W = 2
    R = 4


class SectionType(OpenEnum):
    """``sh_type``."""

    NULL = 0
    PROGBITS = 1
    SYMTAB = 2
    STRTAB = 3
    RELA = 4
    HASH = 5
    DYNAMIC = 6
    NOTE = 7
    NOBITS = 8
    REL = 9
    SHLIB = 10
    DYNSYM = 11
    INIT_ARRAY = 14
    FINI_ARRAY = 15
    PREINIT_ARRAY = 16
    GROUP = 17
    SYMTAB_SHNDX = 18
    RELR = 19
    LOOS = 0x60000000
    GNU_ATTRIBUTES = 0x6FFFFFF5
    GNU_HASH = 0x6FFFFFF6
    GNU_VERDEF = 0x6FFFFFFD
    GNU_VERNEED = 0x6FFFFFFE
    GNU_VERSYM = 0x6FFFFFFF
    LOPROC = 0x70000000


class SectionFlags(IntFlag):
    """``sh_flags``."""

    WRITE = 0x1
    ALLOC = 0x2
    EXECINSTR = 0x4
    MERGE = 0x10
    STRINGS = 0x20
    INFO_LINK = 0x40
    LINK_ORDER = 0x80
    GROUP = 0x200
    TLS = 0x400
    COMPRESSED = 0x800


class SectionIndex(OpenEnum):
    """Reserved ``st_shndx`` values; any other number is the index of a section header."""

    UNDEF = 0
    LORESERVE = 0xFF00
    ABS = 0xFFF1
    COMMON = 0xFFF2
    XINDEX = 0xFFFF


class SymbolType(OpenEnum):
    """``ELF_ST_TYPE(st_info)``."""

    NOTYPE = 0
    OBJECT = 1
    FUNC = 2
    SECTION = 3
    FILE = 4
    COMMON = 5
    TLS = 6
    IFUNC = 10
    LOOS = 10
    LOPROC = 13


class SymbolBinding(OpenEnum):
    """``ELF_ST_BIND(st_info)``."""

    LOCAL = 0
    GLOBAL = 1
    WEAK = 2
    UNIQUE = 10
    LOOS = 10
    LOPROC = 13


class SymbolVisibility(IntEnum):
    """``ELF_ST_VISIBILITY(st_other)``."""

    DEFAULT = 0
    INTERNAL = 1
    HIDDEN = 2
    PROTECTED = 3


class DynamicTag(OpenEnum):
    """``d_tag`` of the dynamic section."""

    NULL = 0
    NEEDED = 1
    PLTRELSZ = 2
    PLTGOT = 3
    HASH = 4
    STRTAB = 5
    SYMTAB = 6
    RELA = 7
    RELASZ = 8
    RELAENT = 9
    STRSZ = 10
    SYMENT = 11
    INIT = 12
    FINI = 13
    SONAME = 14
    RPATH = 15
    SYMBOLIC = 16
    REL = 17
    RELSZ = 18
    RELENT = 19
    PLTREL = 20
    DEBUG = 21
    TEXTREL = 22
    JMPREL = 23
    BIND_NOW = 24
    INIT_ARRAY = 25
    FINI_ARRAY = 26
    INIT_ARRAYSZ = 27
    FINI_ARRAYSZ = 28
    RUNPATH = 29
    FLAGS = 30
    PREINIT_ARRAY = 32
    PREINIT_ARRAYSZ = 33
    SYMTAB_SHNDX = 34
    RELRSZ = 35
    RELR = 36
    RELRENT = 37
    LOOS = 0x6000000D
    GNU_HASH = 0x6FFFFEF5
    VERSYM = 0x6FFFFFF0
    RELACOUNT = 0x6FFFFFF9
    RELCOUNT = 0x6FFFFFFA
    FLAGS_1 = 0x6FFFFFFB
    VERDEF = 0x6FFFFFFC
    VERDEFNUM = 0x6FFFFFFD
    VERNEED = 0x6FFFFFFE
    VERNEEDNUM = 0x6FFFFFFF
    LOPROC = 0x70000000


class DynamicFlags(IntFlag):
    """``DT_FLAGS``."""

    ORIGIN = 0x1
    SYMBOLIC = 0x2
    TEXTREL = 0x4
    BIND_NOW = 0x8
    STATIC_TLS = 0x10


class DynamicFlags1(IntFlag):
    """``DT_FLAGS_1``."""

    NOW = 0x1
    GLOBAL = 0x2
    GROUP = 0x4
    NODELETE = 0x8
    LOADFLTR = 0x10
    INITFIRST = 0x20
    NOOPEN = 0x40
    ORIGIN = 0x80
    INTERPOSE = 0x400
    NODEFLIB = 0x800
    NODUMP = 0x1000
    PIE = 0x08000000
