"""The facts of host and plugin that ``plugin.Open`` depends on.

Sources: src/plugin/plugin_dlopen.go and plugin_stubs.go, src/runtime/plugin.go, and for what a host exports
symtab in src/cmd/link/internal/ld/symtab.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from soinspect.elf.describe import producers
from soinspect.elf.file import ElfFile
from soinspect.elf.kind import interpreter
from soinspect.errors import FormatError
from soinspect.go.binary import GoBinary
from soinspect.go.layouts import minor_of
from soinspect.go.memory import Memory
from soinspect.go.moduledata import ModuleData
from soinspect.go.startcode import known_next_offsets, stored_next_offsets
from soinspect.go.typetext import as_name
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag
from soinspect.model.golang import GoBinaryKind, GoFacts, GoType, GoVersion
from soinspect.model.goloading import GoHost, GoHosting, Guest, HostPackage, ModuleShape, PluginSupport
from soinspect.model.symbol import SymbolColumns

_TYPES_REACH = 2  # layers of named types: those that exports mention, and what their methods mention
_HASH_SIZE = 8  # bytes, since Go 1.16
_HASH_PREFIXES = ("go:link.pkghashbytes.", "go.link.pkghashbytes.")  # the latter up to Go 1.19
_ABI_HASHES = ("go:link.abihash.", "go.link.abihash.")  # of the libraries of -linkshared
_OLDEST_HOST = 10  # older ones throw where newer ones return an error
_OPEN_FOR_REAL = b"plugin.lastmoduleinit\0"  # a function of the runtime that only the real plugin.Open calls
_OPEN_STUB = b"plugin: not implemented"


def read_host(elf: ElfFile) -> GoHost | Absent:
    """A Go program as the host of plugins; Absent if the file is none."""
    binary = GoBinary.of(elf)
    if isinstance(binary, Absent):
        return binary
    hosting = read_hosting(elf, binary)
    return GoHost(
        path=elf.path,
        facts=binary.facts,
        support=hosting.support,
        static=interpreter(elf) is None,
        shape=hosting.shape,
        package_hashes=tuple((it.package, it.hash) for it in hosting.packages),
        needed=_needed(elf),
    )


def asserted_types(elf: ElfFile, texts: Iterable[str]) -> Iterator[tuple[str, GoType]]:
    """Those of the asserted types ``texts`` that are names, with the one type of the program by that name."""
    binary = GoBinary(elf)
    for text in texts:
        name = as_name(text)
        if name is None:
            continue
        listed = binary.list_types(f"*.{name.name}" if name.has_path else name.text)
        found = [it for it in listed if it.named and (it.package == name.package or not name.has_path)]
        if len(found) == 1:
            yield text, found[0]


def read_hosting(elf: ElfFile, binary: GoBinary) -> GoHosting:
    """What a Go program offers to plugins.

    :raises FormatError: a fingerprint lies outside of the file.
    """
    hashes = package_hashes(elf)
    packages = tuple(HostPackage(package=name, hash=value) for name, value in sorted(hashes.items()))
    return GoHosting(support=_support(elf, hashes), shape=_host_shape(binary), packages=packages)


def read_guest(elf: ElfFile) -> Guest:
    """Any ELF file as a plugin-to-be."""
    binary = GoBinary.of(elf)
    facts: GoFacts | Absent = binary if isinstance(binary, Absent) else binary.facts
    is_plugin = facts and facts.kind is GoBinaryKind.PLUGIN
    if binary and facts and is_plugin:
        facts = replace(facts, reached_types=tuple(binary.exported_types(_TYPES_REACH)))
    return Guest(
        path=elf.path,
        identity=str(Path(elf.path).resolve()),
        go=facts,
        shape=binary if isinstance(binary, Absent) else _guest_shape(elf, binary),
        needed=_needed(elf),
        exports=SymbolColumns.none() if is_plugin else _exports(elf),
        producers=producers(elf),
    )


def package_hashes(elf: ElfFile) -> dict[str, str]:
    """The fingerprints (hexadecimal) of the packages that a Go program exports to plugins, by package.

    Empty for programs that cannot open plugins.

    :raises FormatError: a fingerprint lies outside of the file.
    """
    symbols = elf.dynamic_symbols
    if isinstance(symbols, Absent):
        return {}
    return {
        symbol.name.removeprefix(prefix): elf.image.read(symbol.value, min(symbol.size, _HASH_SIZE)).hex()
        for prefix in _HASH_PREFIXES
        for symbol in symbols.starting_with(prefix)
        if symbol.value
    }


def _support(elf: ElfFile, hashes: dict[str, str]) -> PluginSupport:
    if hashes:
        return PluginSupport.WORKING
    if elf.dynamic_symbols and any(True for it in _ABI_HASHES for _ in elf.dynamic_symbols.starting_with(it)):
        return PluginSupport.SHARED
    if elf.image.data.find(_OPEN_FOR_REAL) >= 0:
        return PluginSupport.NOTHING_EXPORTED
    return PluginSupport.STUB if elf.image.data.find(_OPEN_STUB) >= 0 else PluginSupport.NONE


def _shape(module: ModuleData | Absent, next_offsets: set[int]) -> ModuleShape | Absent:
    if isinstance(module, Absent):
        return module
    if len(next_offsets) != 1:
        return Absent(f"where moduledata links to the next module is not known ({module.layout.text})")
    return ModuleShape(next_offset=next_offsets.pop(), fields=module.layout.text)


def _host_shape(binary: GoBinary) -> ModuleShape | Absent:
    minor = minor_of(binary.facts.version.text)
    if minor is not None and minor < _OLDEST_HOST:
        return Absent(f"plugin.Open of go1.{minor} is not modelled, only from go1.{_OLDEST_HOST} on")
    return _shape(binary.module, _next_offsets(binary.module, binary.facts.version))


def _next_offsets(module: ModuleData | Absent, version: GoVersion) -> set[int]:
    """Where the releases that can have built a file have the link: of its version, else of its layout."""
    minor = minor_of(version.text) if version.exact else None
    if minor is not None:
        return known_next_offsets(minor, minor)
    return known_next_offsets(module.layout.first, module.layout.last) if module else set()


def _guest_shape(elf: ElfFile, binary: GoBinary) -> ModuleShape | Absent:
    try:
        stored = set(stored_next_offsets(Memory(elf)))
    except FormatError as error:
        return Absent(f"the start-up code cannot be read: {error.reason}")
    return _shape(binary.module, stored or _next_offsets(binary.module, binary.facts.version))


def _exports(elf: ElfFile) -> SymbolColumns:
    if isinstance(elf.dynamic_symbols, Absent):
        return SymbolColumns.none()
    columns = elf.dynamic_symbols.columns
    return columns.take(columns.exported)


def _needed(elf: ElfFile) -> tuple[str, ...]:
    return elf.dynamic.strings_of(DynamicTag.NEEDED) if elf.dynamic else ()
