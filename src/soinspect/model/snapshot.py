"""All facts of one object, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soinspect.model.classtable import ClassTable
    from soinspect.model.dynamic import VersionFloor, VersionNeed
    from soinspect.model.golang import GoFacts
    from soinspect.model.goloading import GoHosting
    from soinspect.model.hardening import Hardening
    from soinspect.model.image import Anomaly, Header, ObjectKind
    from soinspect.model.pluginkind import PluginKind
    from soinspect.model.symbol import ExplainedSymbol, ExplainedSymbols


_NOT_READ = Absent("read for comparisons of Go programs only")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitFunction:
    """A function that the loader runs: where it is listed (``DT_INIT``, ``DT_INIT_ARRAY[1]``), address, name."""

    listed_in: str
    address: int
    name: str | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLocalStorage:
    """The size in bytes of PT_TLS, and whether it must fit into the static TLS block (DF_STATIC_TLS)."""

    size: int
    static: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicLinking:
    """What the object asks of the dynamic linker; ``rpath`` and ``runpath`` as written, colon-separated.

    ``hash_styles`` are the tables by which symbols can be looked up (``gnu``, ``sysv``), ``isa_level`` is the x86-64
    level that the processor must have.
    """

    soname: str | None
    needed: tuple[str, ...]
    rpath: str | None
    runpath: str | None
    flags: tuple[str, ...]
    version_needs: tuple[VersionNeed, ...]
    version_floors: tuple[VersionFloor, ...]
    defined_versions: tuple[str, ...]
    hash_styles: tuple[str, ...] = ()
    isa_level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What another reader says of the dynamic symbols: whether it agrees, or why it cannot say; numbers of symbols."""

    name: str
    agrees: bool | Absent
    symbols: int
    only_ours: int
    only_theirs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything known of one file, to be judged without the file; ``witnesses`` only where they were asked.

    ``read_only_sections`` are those that nothing can write to once the file is loaded. ``class_tables``, and
    ``go_host`` of a Go program, are read for comparisons only.
    """

    path: str
    size: int
    header: Header
    kind: ObjectKind
    interpreter: str | None
    producers: tuple[str, ...]
    build_id: str | Absent
    dynamic: DynamicLinking | Absent
    symbols: ExplainedSymbols | Absent
    static_symbols: int | Absent
    hardening: Hardening
    tls: ThreadLocalStorage | None
    init_functions: tuple[InitFunction, ...]
    go: GoFacts | Absent
    anomalies: tuple[Anomaly, ...]
    witnesses: tuple[Witness, ...] = ()
    read_only_sections: tuple[str, ...] = ()
    class_tables: tuple[ClassTable, ...] = ()
    plugin_kinds: tuple[PluginKind, ...] = ()
    go_host: GoHosting | Absent = _NOT_READ

    @property
    def truncated(self) -> Anomaly | None:
        """The loaded segment that lies past the end of the file, if any: loading it would only raise SIGBUS."""
        return next((a for a in self.anomalies if a.where.startswith("segment LOAD")), None)

    @property
    def exported(self) -> Sequence[ExplainedSymbol]:
        """The symbols that other objects can bind to."""
        return self.symbols.take(self.symbols.symbols.exported) if self.symbols else ()

    @property
    def offered(self) -> list[int]:
        """The rows of the symbols that others look up by name.

        A Go plugin or program exports whatever its linker made, which nobody asks for by name: of these, only what
        ``//export`` made callable from C counts. Elsewhere it is all that the programmer named, in whatever language.
        """
        if not self.symbols:
            return []
        from soinspect.model.symbol import SymbolKind

        symbols, kinds = self.symbols.symbols, self.symbols.kinds
        rows = [row for row in symbols.exported if kinds[row] is SymbolKind.C]
        if not self.go:
            return rows
        from soinspect.model.golang import GoBinaryKind

        if self.go.kind is GoBinaryKind.C_SHARED:
            return rows
        by_cgo = {export.name for export in self.go.cgo_exports}
        return [row for row in rows if symbols.names[row] in by_cgo]

    @property
    def undefined(self) -> Sequence[ExplainedSymbol]:
        """The symbols that other objects must provide."""
        return self.symbols.take(self.symbols.symbols.undefined) if self.symbols else ()
