"""Protections, from program headers, the dynamic section, imports and GNU properties.

Each is read from what enforces it, not from what usually goes with it: full RELRO needs both PT_GNU_RELRO and
binding at load time, and a fortified function counts only when it is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicFlags, DynamicFlags1, Machine, SegmentFlags, SegmentType
from soinspect.model.hardening import Hardening, Relro
from soinspect.model.note import GnuNoteType, Note

# Functions that glibc fortifies (bits/*2.h); each has a twin named __NAME_chk.
_FORTIFIABLE = frozenset(
    (
        "asprintf confstr dprintf explicit_bzero fdelt fgets fgetws fprintf fread fwprintf getcwd "
        "getdomainname getgroups gethostname getlogin_r gets getwd longjmp mbsnrtowcs mbsrtowcs mbstowcs "
        "memcpy memmove mempcpy memset obstack_printf poll ppoll pread pread64 printf ptsname_r read readlink "
        "readlinkat realpath recv recvfrom snprintf sprintf stpcpy stpncpy strcat strcpy strlcat strlcpy "
        "strncat strncpy swprintf syslog ttyname_r vasprintf vdprintf vfprintf vfwprintf vprintf vsnprintf "
        "vsprintf vswprintf vsyslog vwprintf wcpcpy wcpncpy wcrtomb wcscat wcscpy wcsncat wcsncpy wcsnrtombs "
        "wcsrtombs wcstombs wctomb wmemcpy wmemmove wmempcpy wmemset wprintf "
    ).split()
)
_STACK_PROTECTORS = frozenset({"__stack_chk_fail", "__stack_chk_guard", "__stack_chk_fail_local"})
_GO = Absent("Go code: its compiler does not use this")

_ISA = 0xC0008002  # GNU_PROPERTY_X86_ISA_1_NEEDED: a bit a level, the baseline first

# pr_type -> the machines it belongs to, and the names of its bits (x86-64 psABI, AArch64 ELF supplement)
_FEATURES: dict[int, tuple[frozenset[int], tuple[str, ...]]] = {
    0xC0000002: (frozenset({Machine.X86_64, Machine.I386}), ("IBT", "SHSTK")),
    0xC0000000: (frozenset({Machine.AARCH64}), ("BTI", "PAC")),
}


def read_hardening(elf: ElfFile, *, is_go: bool) -> Hardening:
    """The protections of a file; ``is_go`` makes those that only C compilers give Absent."""
    dynamic = elf.dynamic if isinstance(elf.dynamic, DynamicSection) else None
    flags = dynamic.flags if dynamic else DynamicFlags(0)
    bind_now = DynamicFlags.BIND_NOW in flags or (dynamic is not None and DynamicFlags1.NOW in dynamic.flags_1)
    relro = Relro.NONE
    if any(s.type is SegmentType.GNU_RELRO for s in elf.image.segments):
        relro = Relro.FULL if bind_now else Relro.PARTIAL
    imports = _imports(elf)
    fortified = sorted(n for n in imports if n.startswith("__") and n.endswith("_chk") and n[2:-4] in _FORTIFIABLE)
    return Hardening(
        relro=relro,
        bind_now=bind_now,
        executable_stack=_executable_stack(elf),
        text_relocations=DynamicFlags.TEXTREL in flags,
        stack_protector=_GO if is_go else not _STACK_PROTECTORS.isdisjoint(imports),
        fortified=_GO if is_go else tuple(fortified),
        fortify_missed=_GO if is_go else tuple(sorted(imports & _FORTIFIABLE)),
        control_flow=tuple(control_flow_protections(elf.image.header.machine, elf.notes, elf.image.layout.long)),
    )


def _imports(elf: ElfFile) -> frozenset[str]:
    table = elf.dynamic_symbols
    return frozenset() if isinstance(table, Absent) else frozenset(table.undefined_names)


def _executable_stack(elf: ElfFile) -> bool | Absent:
    for segment in elf.image.segments:
        if segment.type is SegmentType.GNU_STACK:
            return SegmentFlags.X in segment.flags
    return Absent("no PT_GNU_STACK: the loader assumes that an executable stack is wanted")


def control_flow_protections(machine: Machine, notes: Iterable[Note], long: Struct) -> Iterator[str]:
    """The names of the control-flow protections that every part of the file was built for."""
    for kind, bits in _gnu_properties(notes, long):
        machines, names = _FEATURES.get(kind, (frozenset[int](), ()))
        if machine in machines:
            yield from (name for n, name in enumerate(names) if bits >> n & 1)


def isa_level(elf: ElfFile) -> int | None:
    """The x86-64 microarchitecture level (1 to 4) that the loader must find, None if the file names none."""
    if elf.image.header.machine is not Machine.X86_64:
        return None
    levels = [bits.bit_length() for kind, bits in _gnu_properties(elf.notes, elf.image.layout.long) if kind == _ISA]
    return max(levels, default=0) or None


def _gnu_properties(notes: Iterable[Note], long: Struct) -> Iterator[tuple[int, int]]:
    """The type and the bits of each GNU property that has bits."""
    for note in notes:
        if note.owner != "GNU" or note.type != GnuNoteType.PROPERTY_TYPE_0:
            continue
        data, position = note.data, 0
        align = 8 if len(data) % 8 == 0 else 4
        while position + 8 <= len(data):
            kind, size = long.unpack_from(data, position)[0], long.unpack_from(data, position + 4)[0]
            if size >= 4 and position + 12 <= len(data):
                yield kind, long.unpack_from(data, position + 8)[0]
            position += 8 + size + -size % align
