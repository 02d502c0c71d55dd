"""All that is known of one open file: a snapshot, or the symbols that somebody asks for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from soinspect.demangle.golink import GoNames, has_hashed_type_name
from soinspect.elf import describe
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError
from soinspect.go.binary import GoBinary
from soinspect.model.absence import Absent
from soinspect.model.constants import Machine, SymbolType
from soinspect.model.golang import GoBinaryKind, GoFacts
from soinspect.model.snapshot import ExplainedSymbol, ObjectKind, Snapshot, SymbolListing
from soinspect.model.symbolquery import SymbolQuery
from soinspect.symbolquery import explain, select, select_explained

if TYPE_CHECKING:
    from soinspect.model.facts import Facts
    from soinspect.model.prototype import Prototypes

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
        what=_what(elf.image.header.machine, describe.object_kind(elf), go),
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
        anomalies=elf.image.anomalies,
    )


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


def _what(machine: Machine, kind: ObjectKind, go: GoFacts | Absent) -> str:
    """What the file is, in a few words."""
    name = machine.name.lower().replace("_", "-")
    if isinstance(go, Absent):
        return f"{kind}, {name}"
    if go.kind is GoBinaryKind.PLUGIN:
        return f"Go plugin, {go.version.text}, {name}"
    return f"Go {go.kind}, {go.version.text}, {name}"


def facts_of(elf: ElfFile, *, with_types: bool) -> Facts:
    """All facts of an open file, and the types of its exports where they are wanted."""
    from soinspect.model.facts import Facts

    facts = snapshot(elf)
    types = types_of(elf, facts) if with_types else Absent("debug information was not read")
    return Facts(snapshot=facts, types=types)


def list_saved_symbols(facts: Snapshot, query: SymbolQuery) -> SymbolListing:
    """The symbols of a saved file that ``query`` asks for."""
    remarks = (f"no dynamic symbols: {facts.symbols.reason}",) if isinstance(facts.symbols, Absent) else ()
    plugin_path = facts.go.plugin.path if facts.go and facts.go.plugin else ""
    names = GoNames(plugin_path=plugin_path, exports=frozenset()) if facts.go else None
    return SymbolListing(
        path=facts.path,
        what=_what(facts.header.machine, facts.kind, facts.go),
        plugin_path=plugin_path or None,
        rows=tuple(select_explained(facts.symbols or (), query, names)),
        remarks=remarks,
    )


def types_of(elf: ElfFile, facts: Snapshot) -> Prototypes | Absent:
    """The types of what callers of a file bind to by name."""
    from soinspect.compare.pair import contract_symbols
    from soinspect.dwarf.reader import read_prototypes

    names = {symbol.name for symbol in contract_symbols(facts).values()}
    if not names:
        return Absent("it exports nothing that callers bind to by name")
    try:
        return read_prototypes(elf, names)
    except FormatError as error:
        return Absent(f"the debug information cannot be read: {error.reason}")
