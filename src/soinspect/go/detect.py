"""Whether a file is Go's: cheap for all the files that are not, so that they load nothing else of this package."""

from __future__ import annotations

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag, ElfClass, Machine
from soinspect.model.note import GoNoteType

_MACHINES = (Machine.X86_64, Machine.AARCH64)
_SECTIONS = (".go.buildinfo", ".note.go.buildid", ".gopclntab", ".data.rel.ro.gopclntab", ".go.module")
_PLUGIN_MARK = b"\0runtime.lastmoduledatap\0"


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
    if find_build_id(elf):
        return True
    if any(section.name for section in image.sections or ()):
        return False
    if _has_plugin_mark(elf):
        return True
    if image.header.machine not in _MACHINES:
        return False
    # Nothing is left but the contents: the search costs some milliseconds for each 10 MB.
    from soinspect.go.buildinfo import read_build_info
    from soinspect.go.memory import Memory
    from soinspect.go.moduledata import find_module_data

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
    start = elf.image.offset_of(address)
    return start is not None and elf.image.data.find(_PLUGIN_MARK, start, start + size) >= 0


def find_build_id(elf: ElfFile) -> str | Absent:
    """The text of the Go build id: four parts since 1.10, 40 hex digits before."""
    for note in elf.notes:
        if note.owner == "Go" and note.type == GoNoteType.BUILD_ID:
            return note.data.decode("ascii", "replace")
    return Absent("no Go build id (-ldflags=-buildid= removes it)")
