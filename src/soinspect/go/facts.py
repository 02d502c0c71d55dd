"""Everything that a Go binary says about itself as a whole, composed from its tables."""

from __future__ import annotations

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.go.buildinfo import read_build_info
from soinspect.go.layouts import NEWEST_KNOWN
from soinspect.go.memory import Memory
from soinspect.go.moduledata import ModuleData, find_module_data
from soinspect.go.pclntab import FunctionTable
from soinspect.go.plugin import read_plugin
from soinspect.go.version import minor_of, read_version
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag, ElfClass, Machine, ObjectType, SegmentType
from soinspect.model.golang import GoBinaryKind, GoBuildInfo, GoFacts, GoPlugin, GoVersion
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


def read_go(elf: ElfFile) -> GoFacts | Absent:
    """What ``elf`` says about itself as a Go binary; Absent if it is none.

    Damage never raises: what cannot be read is Absent, or told in ``problems``.
    """
    if not _is_go(elf):
        return Absent("not a Go binary: no Go section, note or symbol")
    header = elf.image.header
    if header.machine not in _MACHINES or header.elf_class is not ElfClass.ELF64:
        return Absent(f"a Go binary for {header.machine.name}: only x86-64 and AArch64 are read")
    return _Composer(elf).compose()


def _is_go(elf: ElfFile) -> bool:
    image = elf.image
    if any(section.name in _SECTIONS for section in image.sections or ()):
        return True
    if _build_id(elf) is not None or _has_plugin_mark(elf):
        return True
    if image.sections:
        return False
    # Nothing is left but the contents: the search costs about a millisecond for each 10 MB.
    memory = Memory(elf)
    return bool(image.header.machine in _MACHINES and (read_build_info(memory) or find_module_data(memory)))


def _has_plugin_mark(elf: ElfFile) -> bool:
    dynamic = elf.dynamic
    if not dynamic:
        return False
    address = dynamic.get(DynamicTag.STRTAB, 0)
    size = min(dynamic.get(DynamicTag.STRSZ, 0), elf.image.available(address))
    return bool(size) and _PLUGIN_MARK in elf.image.read(address, size)


def _build_id(elf: ElfFile) -> str | None:
    for note in elf.notes:
        if note.owner == "Go" and note.type == GoNoteType.BUILD_ID:
            return note.data.decode("ascii", "replace")
    return None


class _Composer:
    """Reads table after table, and keeps what went wrong beside what went well."""

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._memory = Memory(elf)
        self._problems: list[str] = []

    def _problem(self, what: str, error: FormatError) -> None:
        self._problems.append(f"{what} cannot be read: {error.reason}")

    def compose(self) -> GoFacts:
        build_info = self._build_info()
        module = self._module(build_info)
        plugin = self._plugin(module)
        kind, kind_evidence = self._kind(module, build_info, plugin)
        return GoFacts(
            kind=kind,
            kind_evidence=kind_evidence,
            version=self._version(module, build_info, plugin),
            build_id=_build_id(self._elf) or Absent("no Go build id"),
            build_info=build_info,
            module_data=module.facts if module else module,
            plugin=plugin,
            problems=tuple(self._problems),
        )

    def _build_info(self) -> GoBuildInfo | Absent:
        try:
            return read_build_info(self._memory)
        except FormatError as error:
            self._problem("the build information", error)
            return Absent("damaged")

    def _module(self, build_info: GoBuildInfo | Absent) -> ModuleData | Absent:
        minor = minor_of(build_info.go_version) if build_info else None
        if minor is not None and minor > NEWEST_KNOWN:
            return Absent(f"newer than go1.{NEWEST_KNOWN}: layout unknown")
        try:
            return find_module_data(self._memory)
        except FormatError as error:
            self._problem("the module data", error)
            return Absent("damaged")

    def _plugin(self, module: ModuleData | Absent) -> GoPlugin | Absent:
        if not module:
            return Absent(module.reason)
        try:
            return read_plugin(module, self._functions(module), self._problem)
        except FormatError as error:
            self._problem("the plugin path", error)
            return Absent("damaged")

    def _functions(self, module: ModuleData) -> FunctionTable | Absent:
        try:
            return FunctionTable(module)
        except FormatError as error:
            self._problem("the table of functions", error)
            return Absent("damaged")

    def _version(
        self, module: ModuleData | Absent, build_info: GoBuildInfo | Absent, plugin: GoPlugin | Absent
    ) -> GoVersion:
        packages = tuple(h.package for h in plugin.package_hashes) if plugin else ()
        try:
            return read_version(self._memory, module or None, build_info or None, packages)
        except FormatError as error:
            self._problem("the version", error)
            return GoVersion(text="unknown", exact=False, evidence=())

    def _kind(
        self, module: ModuleData | Absent, build_info: GoBuildInfo | Absent, plugin: GoPlugin | Absent
    ) -> tuple[GoBinaryKind, str]:
        if plugin:
            return GoBinaryKind.PLUGIN, "the module data holds a plugin path"
        mode = build_info.setting("-buildmode") if build_info else None
        if mode in _BUILD_MODES:
            return _BUILD_MODES[mode], f"the build settings say -buildmode={mode}"
        image = self._elf.image
        if image.header.type is ObjectType.EXEC:
            return GoBinaryKind.EXECUTABLE, "the ELF header says executable"
        if any(segment.type is SegmentType.INTERP for segment in image.segments):
            return GoBinaryKind.PIE, "it is position-independent and asks for an interpreter"
        if module and module.string("modulename"):
            return GoBinaryKind.SHARED, "the module data holds the name of a shared Go library"
        if module and module.word("hasmain") & 1:
            return GoBinaryKind.PIE, "the module data says that it holds main"
        return GoBinaryKind.C_SHARED, "a shared object with a Go runtime of its own and no plugin path"
