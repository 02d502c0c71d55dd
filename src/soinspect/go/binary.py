"""A Go binary with its tables, each read when it is asked for: the way into :mod:`soinspect.go`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.go.buildinfo import read_build_info
from soinspect.go.detect import find_build_id, why_not_go
from soinspect.go.layouts import NEWEST_KNOWN, minor_of
from soinspect.go.memory import Memory
from soinspect.go.moduledata import ModuleData, find_module_data
from soinspect.go.pclntab import FunctionTable
from soinspect.model.absence import Absent
from soinspect.model.constants import ObjectType
from soinspect.model.golang import (
    CgoExport,
    GoBinaryKind,
    GoBuildInfo,
    GoFacts,
    GoFunction,
    GoFunctions,
    GoItab,
    GoPackageSize,
    GoPlugin,
    GoType,
    GoVersion,
)

# Each question loads the readers that answer it: a list of functions needs neither types nor clues to the release.
if TYPE_CHECKING:
    from soinspect.go.rtype import Types

_DAMAGED = Absent("damaged")
TYPES_REACH = 4  # layers of named types: enough for what a host can touch without knowing a package's inside


class GoBinary:
    """The Go side of an :class:`ElfFile`.

    Damage never raises: what cannot be read is Absent or left out, and told in :attr:`problems`.
    """

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self._memory = Memory(elf)
        self._problems: dict[str, None] = {}

    @classmethod
    def of(cls, elf: ElfFile) -> GoBinary | Absent:
        """The Go side of ``elf``, or why it has none."""
        reason = why_not_go(elf)
        return cls(elf) if reason is None else Absent(reason)

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read so far, and why, in the order it was met; that the file is cut short comes first."""
        cut = [f"{a.where} {a.what}" for a in self._elf.image.anomalies if a.where.startswith("segment LOAD")]
        return (*cut[:1], *self._problems)

    def _problem(self, what: str, error: FormatError) -> None:
        self._problems[f"{what} cannot be read: {error.reason}"] = None

    @cached_property
    def facts(self) -> GoFacts:
        """What describes the file as a whole."""
        from soinspect.go.cgo import c_functions

        kind, kind_evidence = self.kind
        return GoFacts(
            kind=kind,
            kind_evidence=kind_evidence,
            version=self.version,
            build_id=find_build_id(self._elf),
            build_info=self.build_info,
            module_data=self.module.facts if self.module else self.module,
            plugin=self.plugin,
            cgo_exports=self._cgo_exports(),
            c_imports=c_functions(self.functions),
            problems=self.problems,
        )

    @cached_property
    def kind(self) -> tuple[GoBinaryKind, str]:
        """Which kind of Go binary it is, and how that is known."""
        from soinspect.go.kind import kind_of

        return kind_of(self._elf, self.module, self.build_info, self.plugin)

    @cached_property
    def version(self) -> GoVersion:
        """The Go release that built it."""
        from soinspect.go.version import read_version

        try:
            return read_version(self._memory, self.module or None, self.build_info or None, self.plugin or None)
        except FormatError as error:
            self._problem("the version", error)
            return GoVersion(text="unknown", exact=False, evidence=())

    # -- tables --------------------------------------------------------------------------------------------

    @cached_property
    def build_info(self) -> GoBuildInfo | Absent:
        """The build information."""
        try:
            return read_build_info(self._memory)
        except FormatError as error:
            self._problem("the build information", error)
            return _DAMAGED

    @cached_property
    def module(self) -> ModuleData | Absent:
        """The module data, which leads to all tables below."""
        if self._elf.image.header.type is ObjectType.REL:
            return Absent("not linked yet: its tables have no addresses")
        minor = minor_of(self.build_info.go_version) if self.build_info else None
        if minor is not None and minor > NEWEST_KNOWN:
            return Absent(f"newer than go1.{NEWEST_KNOWN}: layout unknown")
        try:
            return find_module_data(self._memory, minor)
        except FormatError as error:
            self._problem("the module data", error)
            return _DAMAGED

    @cached_property
    def functions(self) -> FunctionTable | Absent:
        """The table of functions."""
        if not self.module:
            return self.module
        try:
            return FunctionTable(self.module)
        except FormatError as error:
            self._problem("the table of functions", error)
            return _DAMAGED

    @property
    def types(self) -> Types | Absent:
        """The type descriptors, to be read for one answer: how much is read for one is bounded."""
        from soinspect.go.rtype import Types

        if not self.module:
            return self.module
        try:
            return Types(self.module)
        except FormatError as error:
            self._problem("the types", error)
            return _DAMAGED

    @cached_property
    def plugin(self) -> GoPlugin | Absent:
        """What plugin.Open reads."""
        from soinspect.go.plugin import read_plugin

        if not self.module:
            return self.module
        try:
            return read_plugin(self.module, self.functions, self._problem)
        except FormatError as error:
            self._problem("the plugin path", error)
            return _DAMAGED

    def _cgo_exports(self) -> tuple[CgoExport, ...]:
        from soinspect.go.cgo import cgo_exports

        try:
            return tuple(cgo_exports(self._elf.dynamic_symbols, self.functions))
        except FormatError as error:
            self._problem("the Go side of the cgo exports", error)
            return tuple(cgo_exports(self._elf.dynamic_symbols, _DAMAGED))

    # -- listings ------------------------------------------------------------------------------------------

    def list_functions(self, pattern: str = "*") -> GoFunctions:
        """The functions whose name matches a shell pattern, in the order of their addresses."""
        if not self.functions:
            return GoFunctions()
        listed = self.functions.columns(self._problem)
        if pattern == "*":
            return listed
        return listed.take([i for i, name in enumerate(listed.names) if fnmatchcase(name, pattern)])

    def package_sizes(self) -> tuple[GoPackageSize, ...]:
        """How much code each package has, the largest first."""
        try:
            return self.functions.sizes() if self.functions else ()
        except FormatError as error:
            self._problem("the sizes of packages", error)
            return ()

    def function_at(self, address: int) -> GoFunction | None:
        """The function whose code contains ``address``, with the file and line of that address."""
        try:
            return self.functions.line_at(address) if self.functions else None
        except FormatError as error:
            self._problem(f"the function at {address:#x}", error)
            return None

    def list_types(self, pattern: str = "*") -> Iterator[GoType]:
        """The types whose text matches a shell pattern, in the order of their addresses."""
        types = self.types
        if types:
            yield from self._read_types(types, self._addresses(types), pattern)

    def _addresses(self, types: Types) -> Iterator[int]:
        try:
            yield from types.all()
        except FormatError as error:
            self._problem("the list of types", error)

    def exported_types(self, depth: int = 1) -> Iterator[GoType]:
        """The named types that the exports mention, and with more ``depth`` what these mention, and so on.

        A pointer comes along only if it has methods that what it points to has not.
        """
        from soinspect.go.plugin import export_types

        types = self.types
        if not (types and self.module):
            return
        try:
            addresses = _mentioned(types, export_types(self.module), depth)
        except FormatError as error:
            self._problem("the types of the exports", error)
            return
        found = {
            (it.text, it.package): replace(it, distance=addresses[it.address])
            for it in self._read_types(types, addresses, "*")
            if it.package
        }
        for (text, package), described in found.items():
            if described.named:
                yield described
                pointer = found.get((f"*{text}", package))
                if pointer is not None and len(pointer.methods) > len(described.methods):
                    yield pointer

    def _read_types(self, types: Types, addresses: Iterable[int], pattern: str) -> Iterator[GoType]:
        from soinspect.go.typeinfo import read_type

        for address in addresses:
            try:
                if pattern == "*" or fnmatchcase(types.text(address), pattern):
                    yield read_type(types, address)
            except FormatError as error:
                self._problem(f"the type at {address:#x}", error)

    def reached_types(self) -> tuple[GoType, ...]:
        """The named types that the exports reach in a few steps, and the interfaces these are known to implement."""
        reached = tuple(self.exported_types(TYPES_REACH))
        names = {it.text for it in reached}
        # An itab begins with the address of its interface.
        implemented = {
            self._memory.word(itab.address) for itab in self.list_itabs() if itab.type.removeprefix("*") in names
        }
        types = self.types
        more = sorted(implemented.difference(it.address for it in reached))
        return (*reached, *self._read_types(types, more, "*")) if types else reached

    def list_itabs(self) -> Iterator[GoItab]:
        """Which types implement which interfaces, as far as the compiler converted one to the other."""
        from soinspect.go.itab import read_itabs

        types = self.types
        if not (types and self.module):
            return
        try:
            yield from read_itabs(self.module, types)
        except FormatError as error:
            self._problem("the itabs", error)


def _mentioned(types: Types, start: Iterator[int], depth: int) -> dict[int, int]:
    """The types reached from ``start`` through at most ``depth`` layers of named types, in the order met, with the
    number of the layer.
    """
    found: dict[int, int] = {}
    layer = list(start)
    for distance in range(1, depth + 1):
        named: list[int] = []
        for address in layer:  # which grows meanwhile
            if address in found:
                continue
            found[address] = distance
            # What an unnamed type is made of belongs to the layer of whoever mentions it.
            if types.descriptor(address).named:
                named.append(address)
            else:
                layer.extend(types.components(address))
        layer = [part for address in named for part in (*types.components(address), *types.signatures(address))]
    return found
