"""Which symbols of a file to show, in which order: a query is answered on whole columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import TYPE_CHECKING

from soinspect.demangle.scheme import Demangled
from soinspect.model.symbol import ExplainedSymbols, SymbolColumns, SymbolKind
from soinspect.model.symbolquery import Scope, SortKey, SymbolQuery

if TYPE_CHECKING:
    from soinspect.demangle.golink import GoNames


_NEAR = 3
_MAX_COMPARED = 10_000


def select(columns: SymbolColumns, query: SymbolQuery, names: GoNames | None) -> tuple[ExplainedSymbols, list[int]]:
    """The symbols that ``query`` asks for, explained, and their indexes in order.

    ``names`` is None for files that are not Go's.
    """
    scope = _in_scope(columns, query)
    if len(scope) < len(columns):
        columns = columns.take(scope)
    table = explain(columns, names, with_demangling=query.demangle)
    if query.demangle:
        table = replace(table, texts=list(table.texts))  # all are needed, more than once
    return _chosen(table, query, names)


def select_explained(
    table: ExplainedSymbols, query: SymbolQuery, names: GoNames | None
) -> tuple[ExplainedSymbols, list[int]]:
    """As :func:`select`, of symbols that are explained already."""
    table = table.take(_in_scope(table.symbols, query))
    if not query.demangle:
        table = replace(table, texts=table.symbols.names)
    return _chosen(table, query, names)


def _chosen(table: ExplainedSymbols, query: SymbolQuery, names: GoNames | None) -> tuple[ExplainedSymbols, list[int]]:
    """The symbols that ``query`` asks for by what they mean, and their indexes in order."""
    if query.kinds:
        table = table.take([i for i, kind in enumerate(table.kinds) if kind in query.kinds])
    if query.pattern is not None:
        chosen = _matching(table, query.pattern)
        if len(chosen) < len(table):
            table = table.take(chosen)
    return table, _order(table, query, names)


def _matching(table: ExplainedSymbols, pattern: re.Pattern[str]) -> list[int]:
    """The indexes of the symbols in whose raw or readable name the pattern is found."""
    found = pattern.search
    rows = enumerate(zip(table.symbols.names, table.texts, strict=True))
    # A name that needs no demangling is its own text, and searched once.
    return [i for i, (name, text) in rows if found(name) or (text is not name and found(text))]


def near_names(table: ExplainedSymbols, pattern: re.Pattern[str]) -> Sequence[str]:
    """Some readable names that a pattern which nothing matches may have been meant for, the shortest first."""
    from difflib import get_close_matches

    words = re.findall(r"\w{2,}", re.sub(r"\\.", " ", pattern.pattern))
    word = max(words, key=len, default="").casefold()
    if not word:
        return ()
    texts = {text.casefold(): text for text in table.texts}
    holding = nsmallest(_NEAR, (text for folded, text in texts.items() if word in folded), key=len)
    # Similar names take tens of microseconds each to find.
    return holding or [texts[it] for it in get_close_matches(word, [*texts][:_MAX_COMPARED], _NEAR)]


def explain(columns: SymbolColumns, names: GoNames | None, *, with_demangling: bool = True) -> ExplainedSymbols:
    """Say what the symbols' names mean; those of C++ and Rust are demangled when they are asked for."""
    texts: Sequence[str] = Demangled(columns.names) if with_demangling else columns.names
    import_kind, c_kind = SymbolKind.IMPORT, SymbolKind.C  # looking members up takes longer than comparing sections
    kinds = [import_kind if section == "UND" else c_kind for section in columns.sections]
    packages: list[str | None] = [None] * len(columns)
    if names is not None:
        from soinspect.demangle.golink import explain_go_symbol

        texts = list(texts)
        for i, (name, info) in enumerate(zip(columns.names, columns.infos, strict=True)):
            if kinds[i] is not import_kind:
                explained = explain_go_symbol(name, info & 0xF, names)
                texts[i], kinds[i], packages[i] = explained.text, explained.kind, explained.package
    return ExplainedSymbols(symbols=columns, texts=texts, kinds=kinds, packages=packages)


def _in_scope(columns: SymbolColumns, query: SymbolQuery) -> Sequence[int]:
    chosen: Sequence[int] = range(len(columns))
    if query.scope is Scope.UNDEFINED:
        chosen = columns.undefined
    elif query.scope is Scope.DEFINED:
        chosen = [i for i in chosen if columns.sections[i] != "UND"]
    elif query.scope is Scope.EXPORTS:
        chosen = columns.exported
    if query.types:
        chosen = [i for i in chosen if columns.infos[i] & 0xF in query.types]
    return chosen


_FIRST = {SymbolKind.EXPORT: 0, SymbolKind.INIT: 1}
_CODE = frozenset({SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.VARIABLE, SymbolKind.GENERIC})


def _order(rows: ExplainedSymbols, query: SymbolQuery, names: GoNames | None) -> list[int]:
    """The indexes of all rows, sorted as the query asks, ties by readable name and version."""
    symbols = rows.symbols
    if query.sort is None and not names:
        import_kind = SymbolKind.IMPORT
        defined = [i for i, kind in enumerate(rows.kinds) if kind is not import_kind]
        imports = [i for i, kind in enumerate(rows.kinds) if kind is import_kind]
        return _by_name(defined, rows) + _by_name(imports, rows)
    order = _by_name(list(range(len(rows))), rows)
    if query.sort is SortKey.ADDRESS:
        order.sort(key=symbols.values.__getitem__)
    elif query.sort is SortKey.SIZE:
        order.sort(key=[-size for size in symbols.sizes].__getitem__)
    elif query.sort is None and names:
        order.sort(key=_own_first(rows, names.plugin_path or "main"))
    return order


def _by_name(indexes: list[int], rows: ExplainedSymbols) -> list[int]:
    """The same indexes, sorted by readable name, ties by version."""
    # One stable sort a column, the least important first, is several times quicker than one by tuples.
    versions = rows.symbols.versions
    if len(set(map(versions.__getitem__, indexes))) > 1:
        indexes.sort(key=[version or "" for version in versions].__getitem__)
    indexes.sort(key=rows.texts.__getitem__)
    return indexes


def _own_first(rows: ExplainedSymbols, own: str) -> Callable[[int], tuple[int, int | str]]:
    """Exports and initialisers of the plugin, the rest of its package, C, Go code, other Go symbols, imports."""
    ranks: list[tuple[int, int | str]] = []
    for kind, package in zip(rows.kinds, rows.packages, strict=True):
        if package == own:
            ranks.append((0, _FIRST.get(kind, 2)))
        else:
            rank = 1 if kind is SymbolKind.C else 2 if kind in _CODE else 4 if kind is SymbolKind.IMPORT else 3
            ranks.append((rank, kind))
    return ranks.__getitem__
