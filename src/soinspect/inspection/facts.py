"""All that is known of one open file: a snapshot, or the symbols that somebody asks for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from soinspect.demangle.golink import GoNames, has_hashed_type_name
from soinspect.elf import describe
from soinspect.elf.classtables import class_tables
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError
from soinspect.go.binary import GoBinary
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType
from soinspect.model.golang import GoBinaryKind, GoFacts
from soinspect.model.snapshot import ExplainedSymbol, Snapshot, SymbolListing
from soinspect.model.symbolquery import SymbolQuery
from soinspect.symbolquery import explain, select

# The names of all types of a large program take less; a damaged file can make them add up to anything.
_MAX_TYPE_NAMES = 1 << 23


def list_symbols(elf: ElfFile, query: SymbolQuery, *, with_static: bool) -> SymbolListing:
    """The symbols of an open file that ``query`` asks for; ``with_static`` adds what only ``.symtab`` has."""
    go, names = _go(elf)
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
    go, names = _go(elf)
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
        read_only_sections=describe.read_only_sections(elf),
        anomalies=elf.image.anomalies,
    )


def comparable(elf: ElfFile) -> Snapshot:
    """All facts of an open file, with those that only comparisons need."""
    facts = snapshot(elf)
    binary = GoBinary.of(elf) if isinstance(facts.go, GoFacts) and facts.go.plugin else None
    if isinstance(facts.go, GoFacts) and binary:
        facts = replace(facts, go=replace(facts.go, reached_types=binary.reached_types()))
    return replace(facts, class_tables=class_tables(elf))


def _go(elf: ElfFile) -> tuple[GoFacts | Absent, GoNames | None]:
    """The Go side of a file, and what it knows about its own names; None for files that are not Go's."""
    binary = GoBinary.of(elf)
    if isinstance(binary, Absent):
        return binary, None
    facts, plugin = binary.facts, binary.plugin
    return facts, GoNames(
        plugin_path=plugin.path if plugin else "",
        exports=frozenset(export.name for export in plugin.exports) if plugin else frozenset(),
        types=_type_names(binary, elf.dynamic_symbols),
    )


def _type_names(binary: GoBinary, symbols: SymbolTable | Absent) -> dict[str, str]:
    """The types behind the hashed names of type descriptors, as the descriptors themselves name them."""
    names: dict[str, str] = {}
    budget = _MAX_TYPE_NAMES
    if not binary.types or isinstance(symbols, Absent):
        return names
    for name, address, info in zip(symbols.names, symbols.values, symbols.infos, strict=True):
        if info & 0xF != SymbolType.OBJECT or not has_hashed_type_name(name) or budget < 0:
            continue
        with suppress(FormatError):
            text = binary.types.text(address)
            budget -= len(text)
            names[name] = text
    return names


def _what(elf: ElfFile, go: GoFacts | Absent) -> str:
    """What the file is, in a few words."""
    machine = elf.image.header.machine.name.lower().replace("_", "-")
    if isinstance(go, Absent):
        return f"{describe.object_kind(elf)}, {machine}"
    if go.kind is GoBinaryKind.PLUGIN:
        return f"Go plugin, {go.version.text}, {machine}"
    return f"Go {go.kind}, {go.version.text}, {machine}"
