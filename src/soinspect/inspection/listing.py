"""The symbols of a file that somebody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.elf.kind import object_kind
from soinspect.errors import UsageError
from soinspect.inspection.gonames import go_side
from soinspect.model.absence import Absent
from soinspect.model.symbol import ExplainedSymbols, SymbolColumns
from soinspect.model.symbolquery import SymbolListing, SymbolQuery
from soinspect.symbolquery import near_names, select, select_explained

if TYPE_CHECKING:
    from soinspect.demangle.golink import GoNames
    from soinspect.model.constants import Machine
    from soinspect.model.golang import GoFacts
    from soinspect.model.image import ObjectKind
    from soinspect.model.snapshot import Snapshot


def list_symbols(elf: ElfFile, query: SymbolQuery, *, with_static: bool) -> SymbolListing:
    """The symbols of an open file that ``query`` asks for; ``with_static`` adds what only ``.symtab`` has."""
    go, names = go_side(elf)
    remarks: list[str] = []
    columns = SymbolColumns.none()
    if isinstance(elf.dynamic_symbols, Absent):
        hint = "; --all lists .symtab" if elf.static_symbols and not with_static else ""
        remarks.append(f"no dynamic symbols: {elf.dynamic_symbols.reason}{hint}")
    else:
        columns = elf.dynamic_symbols.columns
    if with_static:
        if isinstance(elf.static_symbols, Absent):
            remarks.append(elf.static_symbols.reason)
        else:
            columns = columns.joined(elf.static_symbols.columns)
    table, order = select(columns, query, names)
    if columns and not order:
        everything, _ = select(columns, SymbolQuery(), names)
        remarks.append(_none_chosen(everything, query))
    remarks += (f"{anomaly.where}: {anomaly.what}" for anomaly in elf.image.anomalies)
    return SymbolListing(
        path=elf.path,
        what=_what(elf.image.header.machine, object_kind(elf), go),
        plugin_path=names.plugin_path or None if names else None,
        table=table,
        order=order,
        remarks=tuple(remarks),
    )


def list_saved_symbols(facts: Snapshot, query: SymbolQuery, *, with_static: bool) -> SymbolListing:
    """The symbols of a snapshot that ``query`` asks for.

    :raises UsageError: ``with_static``, and the file has a .symtab, which snapshots do not hold.
    """
    if with_static and not isinstance(facts.static_symbols, Absent):
        raise UsageError(f"{facts.path}: a snapshot, which holds the dynamic symbols only: --all needs the file itself")
    names = _names(facts.go)
    remarks: list[str] = []
    if isinstance(facts.symbols, Absent):
        table, order = select(SymbolColumns.none(), query, names)
        remarks.append(f"no dynamic symbols: {facts.symbols.reason}")
    else:
        table, order = select_explained(facts.symbols, query, names)
        if facts.symbols and not order:
            remarks.append(_none_chosen(facts.symbols, query))
    if with_static and isinstance(facts.static_symbols, Absent):
        remarks.append(facts.static_symbols.reason)
    remarks += (f"{anomaly.where}: {anomaly.what}" for anomaly in facts.anomalies)
    return SymbolListing(
        path=facts.path,
        what=_what(facts.header.machine, facts.kind, facts.go),
        plugin_path=names.plugin_path or None if names else None,
        table=table,
        order=order,
        remarks=tuple(remarks),
    )


def _none_chosen(everything: ExplainedSymbols, query: SymbolQuery) -> str:
    """That none of the symbols of a file is asked for, and which ones may have been meant."""
    near = near_names(everything, query.pattern) if query.pattern else ()
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"none of {len(everything):,} symbols is what was asked for{hint}"


def _names(go: GoFacts | Absent) -> GoNames | None:
    """What decides the order of a Go binary's symbols, which are explained already."""
    if isinstance(go, Absent):
        return None
    from soinspect.demangle.golink import GoNames

    return GoNames(plugin_path=go.plugin.path if go.plugin else "", exports=frozenset())


def _what(machine: Machine, kind: ObjectKind, go: GoFacts | Absent) -> str:
    """What the file is, in a few words."""
    name = machine.name.lower().replace("_", "-")
    if isinstance(go, Absent):
        return f"{kind}, {name}"
    if go.plugin:
        return f"Go plugin, {go.version.text}, {name}"
    return f"Go {go.kind}, {go.version.text}, {name}"
