"""What a Go binary says about itself, as values."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import overload

from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass


class GoBinaryKind(StrEnum):
    """What ``go build -buildmode=`` made."""

    PLUGIN = "plugin"
    C_SHARED = "c-shared"
    C_ARCHIVE = "c-archive member"
    EXECUTABLE = "executable"
    PIE = "pie"
    SHARED = "shared"
    UNKNOWN = "binary of unknown kind"

    @property
    def is_program(self) -> bool:
        """Whether it is run, and may open plugins."""
        return self in (GoBinaryKind.EXECUTABLE, GoBinaryKind.PIE)


class GoExportKind(StrEnum):
    """What ``plugin.Lookup`` returns for a name: a func value, or a pointer to the variable."""

    FUNCTION = "func"
    VARIABLE = "var"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModule:
    """A module of the build: path, version (``""`` when unknown) and checksum, and what replaces it."""

    path: str
    version: str
    sum: str
    replacement: GoModule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoBuildInfo:
    """The build information that Go embeds (``debug/buildinfo``); ``settings`` in file order."""

    go_version: str
    path: str
    main: GoModule | None
    dependencies: tuple[GoModule, ...]
    settings: tuple[GoBuildSetting, ...]

    def setting(self, key: str) -> str | None:
        """The value of a build setting such as ``-trimpath``, or None."""
        return next((s.value for s in self.settings if s.key == key), None)

    @property
    def experiments(self) -> str | None:
        """The value of GOEXPERIMENT: of the build, else what the toolchain itself was built with."""
        return self.setting("GOEXPERIMENT") or self.go_version.partition("X:")[2] or None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoBuildSetting:
    """One ``build KEY=VALUE`` line of the build information."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoVersion:
    """The Go release that built a file.

    ``text`` is exact (``"go1.27.3"``) or the narrowest range the evidence allows (``"go1.19"``,
    ``"go1.18 to go1.19"``), ``"unknown"`` without any; ``exact`` tells which; ``evidence`` lists what was read to
    know. ``corroboration`` is what else dates the file; what contradicts the text says so.
    """

    text: str
    exact: bool
    evidence: tuple[str, ...]
    corroboration: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoExport:
    """An entry of the plugin's table of exports (``ptab``): what ``plugin.Lookup`` finds.

    ``type`` is the Go type as ``reflect`` prints it (for a variable: its own type, not the pointer to it).
    ``full_type`` is the same with the import paths of packages, ``""`` where it could not be read.
    ``address`` and ``size`` are those of the dynamic symbol, Absent when it is missing (``plugin.Open`` fails).
    ``initial`` is the value of a variable before any initialiser has run, in Go's syntax; None for functions.
    """

    name: str
    kind: GoExportKind
    type: str
    address: int | Absent
    size: int
    initial: str | Absent | None = None
    full_type: str = ""

    @property
    def declaration(self) -> str:
        """How Go source declares it: ``func Run(name string) error``, ``var I int``."""
        if self.kind is GoExportKind.FUNCTION:
            return f"func {self.name}{self.type.removeprefix('func')}"
        return f"var {self.name} {self.type}"

    @property
    def looked_up_type(self) -> str:
        """The type of what ``plugin.Lookup`` returns: of a variable a pointer to it."""
        return self.type if self.kind is GoExportKind.FUNCTION else f"*{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoPackageHash:
    """The fingerprints of a package's export data that ``plugin.Open`` compares (hex), and its import path.

    ``hash`` is what the plugin was linked against. ``runtime_hash`` is what the file itself brings: the host's
    takes its place where the host has the package.
    """

    package: str
    hash: str
    runtime_hash: str | Absent = Absent("not in the file")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoFunction:
    """A function of the pclntab: where its code begins, and the source line of that first instruction.

    ``name`` is the linker's (``"encoding/json.(*Decoder).Decode"``), ``package`` the import path it begins with.
    ``file`` is ``""`` and ``line`` 0 for code that has no source.
    """

    name: str
    package: str
    entry: int
    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GoFunctions(Sequence[GoFunction]):
    """Functions as columns, one sequence a field of :class:`GoFunction`; each is made when it is asked for."""

    names: Sequence[str] = ()
    packages: Sequence[str] = ()
    entries: Sequence[int] = ()
    files: Sequence[str] = ()
    lines: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> GoFunction: ...
    @overload
    def __getitem__(self, index: slice) -> GoFunctions: ...
    def __getitem__(self, index: int | slice) -> GoFunction | GoFunctions:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return GoFunction(
            name=self.names[index],
            package=self.packages[index],
            entry=self.entries[index],
            file=self.files[index],
            line=self.lines[index],
        )

    def take(self, indexes: Sequence[int]) -> GoFunctions:
        """The functions at ``indexes``, in this order."""
        return GoFunctions(
            names=list(map(self.names.__getitem__, indexes)),
            packages=list(map(self.packages.__getitem__, indexes)),
            entries=list(map(self.entries.__getitem__, indexes)),
            files=list(map(self.files.__getitem__, indexes)),
            lines=list(map(self.lines.__getitem__, indexes)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoInitTask:
    """The initialisation record of a package; ``functions`` run in this order when it is initialised."""

    package: str
    functions: tuple[GoFunction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoPlugin:
    """What makes a Go binary a plugin."""

    path: str
    exports: tuple[GoExport, ...]
    package_hashes: tuple[GoPackageHash, ...]
    init_tasks: tuple[GoInitTask, ...] | Absent


class GoKind(IntEnum):
    """``reflect.Kind``."""

    INVALID = 0
    BOOL = 1
    INT = 2
    INT8 = 3
    INT16 = 4
    INT32 = 5
    INT64 = 6
    UINT = 7
    UINT8 = 8
    UINT16 = 9
    UINT32 = 10
    UINT64 = 11
    UINTPTR = 12
    FLOAT32 = 13
    FLOAT64 = 14
    COMPLEX64 = 15
    COMPLEX128 = 16
    ARRAY = 17
    CHAN = 18
    FUNC = 19
    INTERFACE = 20
    MAP = 21
    POINTER = 22
    SLICE = 23
    STRING = 24
    STRUCT = 25
    UNSAFE_POINTER = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class GoField:
    """A field of a struct: ``offset`` in bytes, ``tag`` without its quotes."""

    name: str
    type: str
    offset: int
    tag: str
    embedded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GoMethod:
    """A method: its signature as a func type without receiver.

    ``address`` is that of its code; Absent for methods of interfaces, and for those that the linker dropped because
    nothing can call them.
    """

    name: str
    signature: str
    address: int | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class GoType:
    """A type descriptor, as ``reflect.Type`` shows it.

    ``text`` qualifies names with the package's name, ``package`` is the import path of a named type (``""`` for
    most others). ``underlying`` is the type without its own name. ``size`` in bytes is that of a value. ``fields``
    are those of a struct, ``methods`` the method set: of an interface, what it asks for. ``distance`` counts the
    layers of named types from a plugin's exports to it: 1 where they mention it themselves, None where it was not
    reached from them.
    """

    address: int
    text: str
    underlying: str
    kind: GoKind
    size: int
    package: str
    named: bool
    fields: tuple[GoField, ...]
    methods: tuple[GoMethod, ...]
    distance: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoItab:
    """The record that a concrete ``type`` implements an ``interface``, both as ``reflect`` prints them."""

    address: int
    type: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoPackageFolder:
    """The folder from which a package was compiled, as the compiler recorded it: with -trimpath, none of a machine."""

    package: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoPackageSize:
    """The code of a package: bytes between the entries of its functions, and how many functions."""

    package: str
    code: int
    functions: int


_NOT_READ = Absent("debug information was not read")


@dataclass(frozen=True, slots=True, kw_only=True)
class CgoExport:
    """A Go function that ``//export`` made callable from C.

    ``function`` is the Go side, ``prototype`` the C side as C declares it, each if it could be found.
    """

    name: str
    address: int
    function: GoFunction | Absent
    prototype: str | Absent = _NOT_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class GoSourceProof:
    """Whether a plugin was built from exactly these source files: yes, no, or why it cannot be told."""

    built_from: bool | Absent
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModuleData:
    """The linker's table of contents (``runtime.moduledata``): its address, and the releases that lay it out so.

    ``found_by`` names the ways that led to this address.
    """

    address: int
    layout: str
    found_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoFacts:
    """Everything that describes a Go binary as a whole; ``problems`` says what could not be read, and why.

    ``reached_types`` are the named types that a plugin's exports reach, with the interfaces that they implement, and
    are read for comparisons and snapshots only; for a verdict two layers of them.
    """

    kind: GoBinaryKind
    kind_evidence: str
    version: GoVersion
    build_id: str | Absent
    build_info: GoBuildInfo | Absent
    module_data: GoModuleData | Absent
    plugin: GoPlugin | Absent
    problems: tuple[str, ...]
    cgo_exports: tuple[CgoExport, ...] = ()
    c_imports: tuple[str, ...] = ()
    reached_types: tuple[GoType, ...] = ()
