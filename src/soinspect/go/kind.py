"""Which kind of Go binary a file is."""

from __future__ import annotations

from soinspect.elf.file import ElfFile
from soinspect.go.moduledata import ModuleData
from soinspect.model.absence import Absent
from soinspect.model.constants import ObjectType, SegmentType
from soinspect.model.golang import GoBinaryKind, GoBuildInfo, GoPlugin
from soinspect.model.note import GoNoteType

_BUILD_MODES = {
    "plugin": GoBinaryKind.PLUGIN,
    "c-shared": GoBinaryKind.C_SHARED,
    "exe": GoBinaryKind.EXECUTABLE,
    "pie": GoBinaryKind.PIE,
    "shared": GoBinaryKind.SHARED,
}


def kind_of(
    elf: ElfFile, module: ModuleData | Absent, build_info: GoBuildInfo | Absent, plugin: GoPlugin | Absent
) -> tuple[GoBinaryKind, str]:
    """The kind of the Go binary, and how it is known."""
    if plugin:
        return GoBinaryKind.PLUGIN, "the module data holds a plugin path"
    if elf.image.header.type is ObjectType.REL:
        return GoBinaryKind.C_ARCHIVE, "a relocatable object with Go sections"
    if any(note.owner == "Go" and note.type == GoNoteType.PKG_LIST for note in elf.notes):
        return GoBinaryKind.SHARED, "a note lists the packages of a shared Go library"
    mode = build_info.setting("-buildmode") if build_info else None
    if mode in _BUILD_MODES:
        return _BUILD_MODES[mode], f"the build settings say -buildmode={mode}"
    if elf.image.header.type is ObjectType.EXEC:
        return GoBinaryKind.EXECUTABLE, "the ELF header says executable"
    if any(segment.type is SegmentType.INTERP for segment in elf.image.segments):
        return GoBinaryKind.PIE, "position-independent, and asks for an interpreter"
    if module and module.word("hasmain") & 1:
        return GoBinaryKind.PIE, "position-independent, and the module data says that it holds main"
    if not module:
        return GoBinaryKind.UNKNOWN, "a shared object whose module data cannot be read: plugin or c-shared library"
    return GoBinaryKind.C_SHARED, "a shared object with a Go runtime of its own and no plugin path"
