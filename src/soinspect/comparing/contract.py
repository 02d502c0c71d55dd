"""What other objects bind to by name, as columns: comparing 50,000 symbols must not make 100,000 objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, KeysView, Mapping, Sequence
from functools import cached_property

from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import Symbol, SymbolColumns


class Contract(Mapping[str, Symbol]):
    """The symbols that others bind to, by ``name@version``; each is made when it is asked for.

    ``columns`` are those of the whole table, ``rows`` tells the row of each ``name@version``.
    """

    def __init__(self, columns: SymbolColumns, rows: Sequence[int]) -> None:
        names, versions = columns.names, columns.versions
        self.columns = columns
        self.rows = {f"{names[row]}@{versions[row] or ''}": row for row in rows}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __getitem__(self, key: str) -> Symbol:
        return self.columns.symbol(self.rows[key])

    def keys(self) -> KeysView[str]:
        """All ``name@version``."""
        return self.rows.keys()

    @cached_property
    def by_name(self) -> dict[str, int]:
        """The row of each name; of the last one where a name has several versions."""
        names = self.columns.names
        return {names[row]: row for row in self.rows.values()}

    @cached_property
    def versions_of(self) -> Counter[str]:
        """How many versions each name has."""
        return Counter(map(self.columns.names.__getitem__, self.rows.values()))

    @cached_property
    def versions(self) -> frozenset[str]:
        """The versions that the symbols have."""
        return frozenset(filter(None, map(self.columns.versions.__getitem__, self.rows.values())))


def contract_symbols(facts: Snapshot) -> Contract:
    """What other objects bind to by name.

    Hosts look names up in a Go plugin's own table of exports, not here. The absolute symbols that stand for versions
    are left out.
    """
    if not facts.symbols:
        return Contract(SymbolColumns.none(), ())
    symbols = facts.symbols.symbols
    names, versions, sections = symbols.names, symbols.versions, symbols.sections
    return Contract(symbols, [row for row in facts.offered if sections[row] != "ABS" or versions[row] != names[row]])
