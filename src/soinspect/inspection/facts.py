"""All that is known of one open file: a snapshot, or the symbols that somebody asks for."""

from __future__ import annotations

from soinspect.demangle.golink import GoNames
from soinspect.elf import describe
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.symtab import SymbolTable
from soinspect.go.facts import read_go
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBinaryKind, GoFacts
from soinspect.model.snapshot import ExplainedSymbol, Snapshot, SymbolListing
from soinspect.model.symbolquery import SymbolQuery
from soinspect.symbolquery import explain, select


def list_symbols(elf: ElfFile, query: SymbolQuery, *, with_static: bool) -> SymbolListing:
    """The symbols of an open file that ``query`` asks for; ``with_static`` adds what only ``.symtab`` has."""
    go = read_go(elf)
    names = go_names(go)
    remarks: list[str] = []
    rows: list[ExplainedSymbol] = []
    if isinstance(elf.dynamic_symbols, Absent):
        hint = "; --all lists .symtab" if elf.static_symbols and not with_static else ""
        remarks.append(f"no dynamic symbols: {elf.dynamic_symbols.reason}{hint}")
    else:
        rows = select(elf.dynamic_symbols, query, names)
    if with_static:
        if isinstance(elf.static_symbols, Absent):
            remarks.append(elf.static_symbols.reason)
        else:
            known = {(row.symbol.name, row.symbol.value, row.symbol.section) for row in rows}
            rows += (
                row
                for row in select(elf.static_symbols, query, names)
                if (row.symbol.name, row.symbol.value, row.symbol.section) not in known
            )
    remarks += (f"{anomaly.where}: {anomaly.what}" for anomaly in elf.image.anomalies)
    return SymbolListing(
        path=elf.path,
        what=_what(elf, go),
        plugin_path=names.plugin_path or None if names else None,
        rows=tuple(rows),
        remarks=tuple(remarks),
    )


def snapshot(elf: ElfFile) -> Snapshot:
    """All facts of an open file."""
    go = read_go(elf)
    names = go_names(go)
    symbols: tuple[ExplainedSymbol, ...] | Absent = (
        elf.dynamic_symbols
        if isinstance(elf.dynamic_symbols, Absent)
        else tuple(ExplainedSymbol(symbol=s, explained=explain(s, names)) for s in elf.dynamic_symbols)
    )
    return Snapshot(
        path=elf.path,
        size=elf.image.size,
        header=elf.image.header,
        kind=describe.object_kind(elf),
        interpreter=describe.interpreter(elf),
        producers=describe.producers(elf),
        build_id=describe.gnu_build_id(elf),
        dynamic=describe.dynamic_linking(elf),
        symbols=symbols,
        static_symbols=len(elf.static_symbols) if isinstance(elf.static_symbols, SymbolTable) else elf.static_symbols,
        hardening=read_hardening(elf, is_go=isinstance(go, GoFacts)),
        tls=describe.thread_local_storage(elf),
        init_functions=describe.init_functions(elf),
        go=go,
        anomalies=elf.image.anomalies,
    )


def go_names(go: GoFacts | Absent) -> GoNames | None:
    """What a Go file knows about its own names; None for files that are not Go's."""
    if isinstance(go, Absent):
        return None
    if isinstance(go.plugin, Absent):
        return GoNames()
    return GoNames(plugin_path=go.plugin.path, exports=frozenset(export.name for export in go.plugin.exports))


def _what(elf: ElfFile, go: GoFacts | Absent) -> str:
    """What the file is, in a few words."""
    machine = elf.image.header.machine.name.lower().replace("_", "-")
    if isinstance(go, Absent):
        return f"{describe.object_kind(elf)}, {machine}"
    if go.kind is GoBinaryKind.PLUGIN:
        return f"Go plugin, {go.version.text}, {machine}"
    return f"Go {go.kind}, {go.version.text}, {machine}"
