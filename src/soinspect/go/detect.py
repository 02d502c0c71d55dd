"""Whether a file is Go's, and which kind of Go binary it is: cheap for all the files that are not."""

from __future__ import annotations

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.go.buildinfo import read_build_info
from soinspect.go.memory import Memory
from soinspect.go.moduledata import ModuleData, find_module_data
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag, ElfClass, Machine, ObjectType, SegmentType
from soinspect.model.golang import GoBinaryKind, GoBuildInfo, GoPlugin
from soinspect.model.note import GoNoteType

_MACHINES = (Machine.X86_64, Machine.AARCH64)
_SECTIONS = (".go.buildinfo", ".note.go.buildid", ".gopclntab", ".data.rel.ro.gopclntab", ".go.module")
_PLUGIN_MARK = b"\0runtime.lastmoduledatap\0"
_BUILD_MODES = {
    "plugin": GoBinaryKind.PLUGIN,
    "c-shared": GoBinaryKind.C_SHARED,
    "exe": GoBinaryKind.EXECUTABLE,
    "pie": GoBinaryKind.PIE,
    "shared": GoBinaryKind.SHARED,
}


def why_not_go(elf: ElfFile) -> str | None:
    """Why ``elf`` is not a Go binary that can be read; None if it is one."""
    if not _is_go(elf):
        return "not a Go binary: no Go section, note or symbol"
    header = elf.image.header
    if header.machine not in _MACHINES or header.elf_class is not ElfClass.ELF64:
        return f"a Go binary for {header.machine.name}: only x86-64 and AArch64 are read"
    return None


def _is_go(elf: ElfFile) -> bool:
    image = elf.image
    if any(section.name in _SECTIONS for section in image.sections or ()):
        return True
    if find_build_id(elf) or _has_plugin_mark(elf):
        return True
    if image.sections or image.header.machine not in _MACHINES:
        return False
    # Nothing is left but the contents: the search costs some milliseconds for each 10 MB.
    memory = Memory(elf)
    try:
        return bool(read_build_info(memory) or find_module_data(memory))
    except FormatError:
        return False


def _has_plugin_mark(elf: ElfFile) -> bool:
    dynamic = elf.dynamic
    if not dynamic:
        return False
    address = dynamic.get(DynamicTag.STRTAB, 0)
    size = min(dynamic.get(DynamicTag.STRSZ, 0), elf.image.available(address))
    return bool(size) and _PLUGIN_MARK in elf.image.read(address, size)


def find_build_id(elf: ElfFile) -> str | Absent:
    """The text of the Go build id: four parts since 1.10, 40 hex digits before."""
    for note in elf.notes:
        if note.owner == "Go" and note.type == GoNoteType.BUILD_ID:
            return note.data.decode("ascii", "replace")
    return Absent("no Go build id (-ldflags=-buildid= removes it)")


def kind_of(
    elf: ElfFile, module: ModuleData | Absent, build_info: GoBuildInfo | Absent, plugin: GoPlugin | Absent
) -> tuple[GoBinaryKind, str]:
    """The kind of the Go binary, and how it is known."""
    if plugin:
        return GoBinaryKind.PLUGIN, "the module data holds a plugin path"
    if elf.image.header.type is ObjectType.REL:
        return GoBinaryKind.C_ARCHIVE, "a relocatable object with Go sections"
    mode = build_info.setting("-buildmode") if build_info else None
    if mode in _BUILD_MODES:
        return _BUILD_MODES[mode], f"the build settings say -buildmode={mode}"
    if elf.image.header.type is ObjectType.EXEC:
        return GoBinaryKind.EXECUTABLE, "the ELF header says executable"
    if any(segment.type is SegmentType.INTERP for segment in elf.image.segments):
        return GoBinaryKind.PIE, "position-independent, and asks for an interpreter"
    if module and module.word("hasmain") & 1:
        return GoBinaryKind.PIE, "position-independent, and the module data says that it holds main"
    if module and module.word("modulename"):
        return GoBinaryKind.SHARED, "the module data holds the name of a shared Go library"
    if not module:
        return GoBinaryKind.UNKNOWN, "a shared object whose module data cannot be read: plugin or c-shared library"
    return GoBinaryKind.C_SHARED, "a shared object with a Go runtime of its own and no plugin path"
