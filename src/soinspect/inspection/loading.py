"""What the loader and Go's runtime look at in a file: read to be saved, and put to use again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.elf.standin import stand_in
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import UsageError
from soinspect.go.build import is_standard
from soinspect.go.folders import package_folders
from soinspect.go.loading import read_guest, read_host
from soinspect.loader.hints import hidden_names
from soinspect.loader.relocations import relocations_that_matter
from soinspect.model.absence import Absent
from soinspect.model.constants import SegmentType
from soinspect.model.facts import Facts
from soinspect.model.golang import GoBinaryKind
from soinspect.model.goloading import GoHost, Guest, HostPackage, Program
from soinspect.model.loading import GoLoading, LoadingFacts, VersionName
from soinspect.model.pluginkind import KindProblem, PluginKind
from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import SymbolColumns


def loading_facts(elf: ElfFile) -> LoadingFacts:
    """What decides on loading an open file, or on what it loads."""
    dynamic, symbols = elf.dynamic, elf.dynamic_symbols
    segments = {it.type: it for it in elf.image.segments}
    storage, stack = segments.get(SegmentType.TLS), segments.get(SegmentType.GNU_STACK)
    return LoadingFacts(
        flags=int(dynamic.flags) if isinstance(dynamic, DynamicSection) else 0,
        flags_1=int(dynamic.flags_1) if isinstance(dynamic, DynamicSection) else 0,
        tls_size=storage.memsz if storage else None,
        stack_flags=int(stack.flags) if stack else None,
        version_indexes=symbols.versions.indexes if isinstance(symbols, SymbolTable) else (),
        version_names=tuple(_version_names(symbols)) if isinstance(symbols, SymbolTable) else (),
        relocations=tuple(relocations_that_matter(elf)),
        hidden=tuple(hidden_names(elf)),
        go=_go_loading(elf),
    )


def _version_names(symbols: SymbolTable) -> Iterator[VersionName]:
    versions = symbols.versions
    for index, name in versions.names.items():
        yield VersionName(index=index, name=name, library=versions.needed_from.get(index))


def _go_loading(elf: ElfFile) -> GoLoading | Absent:
    host = read_host(elf)
    if isinstance(host, Absent):
        return host
    return GoLoading(
        support=host.support,
        host_shape=host.shape,
        guest_shape=read_guest(elf).shape,
        package_hashes=tuple(HostPackage(package=name, hash=value) for name, value in host.package_hashes),
        folders=package_folders(elf, _of_modules(host)),
    )


def _of_modules(host: GoHost) -> Iterator[str]:
    """The packages with a hash that are not of Go itself."""
    plugin, info = host.facts.plugin, host.facts.build_info
    names = dict.fromkeys(name for name, _ in host.package_hashes)
    names |= dict.fromkeys(it.package for it in plugin.package_hashes) if plugin else {}
    return (name for name in names if not (info and is_standard(name, info)))


def saved_program(facts: Facts) -> Program:
    """The program that saved facts are of."""
    snapshot, go = facts.snapshot, _loading(facts).go
    if isinstance(go, Absent) or isinstance(snapshot.go, Absent):
        host: GoHost | Absent = Absent("no Go program")
    else:
        host = GoHost(
            path=snapshot.path,
            facts=snapshot.go,
            support=go.support,
            static=snapshot.interpreter is None,
            shape=go.host_shape,
            package_hashes=tuple((it.package, it.hash) for it in go.package_hashes),
            needed=snapshot.dynamic.needed if snapshot.dynamic else (),
            folders=go.folders,
        )
    return Program(path=snapshot.path, go=host, producers=snapshot.producers)


def saved_guest(facts: Facts, path: str, identity: str) -> Guest:
    """The plugin that saved facts are of."""
    snapshot, go = facts.snapshot, _loading(facts).go
    is_plugin = snapshot.go and snapshot.go.kind is GoBinaryKind.PLUGIN
    return Guest(
        path=path,
        identity=identity,
        go=snapshot.go,
        shape=go if isinstance(go, Absent) else go.guest_shape,
        needed=snapshot.dynamic.needed if snapshot.dynamic else (),
        exports=_exports(snapshot) if not is_plugin else SymbolColumns.none(),
        producers=snapshot.producers,
        misfits=misfits(snapshot.plugin_kinds),
        hidden=tuple(_loading(facts).hidden),
        folders=() if isinstance(go, Absent) else go.folders,
    )


def _exports(snapshot: Snapshot) -> SymbolColumns:
    if isinstance(snapshot.symbols, Absent):
        return SymbolColumns.none()
    columns = snapshot.symbols.symbols
    return columns.take(columns.exported)


def misfits(kinds: Iterable[PluginKind]) -> tuple[KindProblem, ...]:
    """All that does not fit the kinds of plugin that a file is."""
    return tuple(problem for kind in kinds for problem in kind.problems)


def saved_elf(facts: Facts) -> ElfFile:
    """What stands in for the file that saved facts are of.

    :raises UsageError: they do not hold what the loader looks at.
    """
    return stand_in(facts.snapshot, _loading(facts))


def _loading(facts: Facts) -> LoadingFacts:
    if isinstance(facts.loading, Absent):
        raise UsageError(f"{facts.snapshot.path}: {facts.loading.reason}; soinspect snapshot FILE makes a new one")
    return facts.loading
