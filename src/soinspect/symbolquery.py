"""Which symbols of a file to show, in which order: a query is answered on the table's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from soinspect.demangle.golink import GoNames, explain_go_symbol
from soinspect.demangle.scheme import demangle
from soinspect.elf.symtab import SymbolTable
from soinspect.model.constants import SymbolBinding, SymbolVisibility
from soinspect.model.snapshot import ExplainedSymbol
from soinspect.model.symbol import Explained, Symbol, SymbolKind
from soinspect.model.symbolquery import Scope, SortKey, SymbolQuery


def select(table: SymbolTable, query: SymbolQuery, names: GoNames | None) -> list[ExplainedSymbol]:
    """The symbols that ``query`` asks for, explained and in order; ``names`` is None for files that are not Go's."""
    chosen = [
        ExplainedSymbol(symbol=symbol, explained=explained)
        for symbol in table.select(_in_scope(table, query))
        for explained in (explain(symbol, names, with_demangling=query.demangle),)
        if (not query.kinds or explained.kind in query.kinds)
        and (query.pattern is None or query.pattern.search(symbol.name) or query.pattern.search(explained.text))
    ]
    chosen.sort(key=_sort_key(query, names))
    return chosen


def select_explained(
    rows: Iterable[ExplainedSymbol], query: SymbolQuery, names: GoNames | None
) -> list[ExplainedSymbol]:
    """As :func:`select`, of symbols that are explained already."""
    chosen = [
        row
        for row in rows
        if _is_in_scope(row.symbol, query.scope)
        and (not query.types or row.symbol.type in query.types)
        and (not query.kinds or row.explained.kind in query.kinds)
        and (query.pattern is None or query.pattern.search(row.symbol.name) or query.pattern.search(row.explained.text))
    ]
    return sorted(chosen, key=_sort_key(query, names))


def _is_in_scope(symbol: Symbol, scope: Scope) -> bool:
    if scope is Scope.EXPORTS:
        return symbol.exported
    return scope is Scope.ALL or symbol.defined is (scope is Scope.DEFINED)


def explain(symbol: Symbol, names: GoNames | None, *, with_demangling: bool = True) -> Explained:
    """Say what a symbol's name means."""
    if not symbol.defined:
        text = demangle(symbol.name) if with_demangling else symbol.name
        return Explained(text=text, kind=SymbolKind.IMPORT)
    if names is not None:
        return explain_go_symbol(symbol.name, symbol.type, names)
    return Explained(text=demangle(symbol.name) if with_demangling else symbol.name, kind=SymbolKind.C)


def _in_scope(table: SymbolTable, query: SymbolQuery) -> Iterator[int]:
    exportable = (SymbolVisibility.DEFAULT, SymbolVisibility.PROTECTED)
    rows = zip(table.infos, table.others, table.section_indexes, strict=True)
    for index, (info, other, section) in enumerate(rows):
        if query.types and info & 0xF not in query.types:
            continue
        if query.scope is Scope.ALL or (
            (query.scope is Scope.UNDEFINED and not section)
            or (query.scope is Scope.DEFINED and section)
            or (
                query.scope is Scope.EXPORTS
                and section
                and info >> 4 != SymbolBinding.LOCAL
                and other & 3 in exportable
            )
        ):
            yield index


_FIRST = {SymbolKind.EXPORT: 0, SymbolKind.INIT: 1}
_CODE = frozenset({SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.VARIABLE, SymbolKind.GENERIC})


def _sort_key(query: SymbolQuery, names: GoNames | None) -> Callable[[ExplainedSymbol], tuple[object, ...]]:
    if query.sort is SortKey.ADDRESS:
        return lambda row: (row.symbol.value, row.explained.text)
    if query.sort is SortKey.SIZE:
        return lambda row: (-row.symbol.size, row.explained.text)
    if query.sort is SortKey.NAME:
        return lambda row: (row.explained.text, row.symbol.version or "")
    if names is None:
        return lambda row: (not row.symbol.defined, row.explained.text, row.symbol.version or "")
    own = names.plugin_path or "main"

    def own_first(row: ExplainedSymbol) -> tuple[object, ...]:
        kind = row.explained.kind
        if row.explained.package == own:
            return (0, _FIRST.get(kind, 2), row.explained.text)
        rank = 1 if kind is SymbolKind.C else 2 if kind in _CODE else 4 if kind is SymbolKind.IMPORT else 3
        return (rank, kind, row.explained.text)

    return own_first
