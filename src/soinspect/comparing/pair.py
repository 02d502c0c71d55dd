"""Two snapshots side by side, with what several rules look up in both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from soinspect.comparing.change import Change, TypeChange
from soinspect.comparing.contract import Contract, contract_symbols
from soinspect.comparing.renames import Renames
from soinspect.model.absence import Absent
from soinspect.model.finding import Profile, Rule, Severity
from soinspect.model.golang import GoFacts, GoPlugin
from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import Symbol

# Types are compared where both files describe them: what that takes is loaded then.
if TYPE_CHECKING:
    from soinspect.model.goloading import GoHosting
    from soinspect.model.prototype import Prototypes

SymbolColumn = Literal["sizes", "infos", "others", "sections"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRule:
    """A rule with the function that finds it."""

    rule: Rule
    find: Callable[[Pair], Iterator[Change]]

    @classmethod
    def of(
        cls,
        rule_id: str,
        severity: Severity,
        title: str,
        why: str,
        fix: str,
        reference: str,
        find: Callable[[Pair], Iterator[Change]],
    ) -> ComparisonRule:
        """A rule in the order that one reads it."""
        rule = Rule(id=rule_id, title=title, severity=severity, why=why, fix=fix, reference=reference)
        return cls(rule=rule, find=find)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The old and the new file's facts, and what their debug information says of their types."""

    old: Snapshot
    new: Snapshot
    old_types: Prototypes | Absent
    new_types: Prototypes | Absent
    profile: Profile

    @cached_property
    def old_symbols(self) -> Contract:
        """The contract symbols of the old file by ``name@version``."""
        return contract_symbols(self.old)

    @cached_property
    def new_symbols(self) -> Contract:
        """The contract symbols of the new file by ``name@version``."""
        return contract_symbols(self.new)

    @cached_property
    def common_rows(self) -> tuple[tuple[int, int], ...]:
        """The rows of the contract symbols that both files have; also of those that only changed their one version."""
        old, new = self.old_symbols, self.new_symbols
        names, there = old.columns.names, new.rows
        if old.keys() <= new.keys():
            return tuple((row, there[key]) for key, row in old.rows.items())
        before, after, by_name = old.versions_of, new.versions_of, new.by_name
        pairs: list[tuple[int, int]] = []
        for key, row in old.rows.items():
            twin = there.get(key)
            if twin is None and after[names[row]] == 1 == before[names[row]]:
                twin = by_name[names[row]]
            if twin is not None:
                pairs.append((row, twin))
        return tuple(pairs)

    @cached_property
    def common_symbols(self) -> tuple[tuple[Symbol, Symbol], ...]:
        """The contract symbols that both files have, as pairs."""
        return tuple(self.symbols(self.common_rows))

    def changed(self, column: SymbolColumn) -> Iterator[tuple[Symbol, Symbol]]:
        """Those of the common symbols that have another value in a column."""
        return self.symbols(self.changed_rows(column))

    def changed_rows(self, column: SymbolColumn) -> list[tuple[int, int]]:
        """The rows of the common symbols that have another value in a column."""
        if column not in self._changed:
            before, after = getattr(self.old_symbols.columns, column), getattr(self.new_symbols.columns, column)
            self._changed[column] = [(i, j) for i, j in self.common_rows if before[i] != after[j]]
        return self._changed[column]

    @cached_property
    def _changed(self) -> dict[SymbolColumn, list[tuple[int, int]]]:
        return {}

    def symbols(self, rows: Iterable[tuple[int, int]]) -> Iterator[tuple[Symbol, Symbol]]:
        """The symbols of pairs of rows."""
        old, new = self.old_symbols.columns, self.new_symbols.columns
        return ((old.symbol(i), new.symbol(j)) for i, j in rows)

    @cached_property
    def renames(self) -> Renames:
        """The contract symbols whose names only one of the files has, sorted into renamed ones and others."""
        old, new = self.old_symbols, self.new_symbols
        removed = [old.columns.symbol(row) for name, row in old.by_name.items() if name not in new.by_name]
        added = [new.columns.symbol(row) for name, row in new.by_name.items() if name not in old.by_name]
        return Renames(removed, added, self._may_be_same)

    def _may_be_same(self, old_name: str, new_name: str) -> bool:
        """Whether an old and a new function have the same prototype, as far as both are described."""
        old, new = self._prototypes
        return old.get(old_name) == new.get(new_name) or old_name not in old or new_name not in new

    @cached_property
    def _prototypes(self) -> tuple[dict[str, str], dict[str, str]]:
        """The prototypes of described functions in words, without their names."""
        from soinspect.dwarf.declare import function_text

        old, new = (
            {} if isinstance(it, Absent) else {f.symbol: function_text(it, replace(f, name="")) for f in it.functions}
            for it in (self.old_types, self.new_types)
        )
        return old, new

    @cached_property
    def type_changes(self) -> tuple[TypeChange, ...]:
        """How the types of both files differ; nothing where one of them has none."""
        if isinstance(self.old_types, Absent) or isinstance(self.new_types, Absent):
            return ()
        from soinspect.comparing.types import TypeComparison

        return tuple(TypeComparison(self.old_types, self.new_types, self.old.header.machine).changes())

    @cached_property
    def go(self) -> tuple[GoFacts, GoFacts] | None:
        """The Go facts of both, if both are Go's."""
        if isinstance(self.old.go, GoFacts) and isinstance(self.new.go, GoFacts):
            return self.old.go, self.new.go
        return None

    @cached_property
    def plugins(self) -> tuple[GoPlugin, GoPlugin] | None:
        """The Go plugin facts of both, if both are Go plugins that could be read."""
        if self.go and isinstance(self.go[0].plugin, GoPlugin) and isinstance(self.go[1].plugin, GoPlugin):
            return self.go[0].plugin, self.go[1].plugin
        return None

    @cached_property
    def hosts(self) -> tuple[GoHosting, GoHosting] | None:
        """What both offer to plugins, if both are Go programs and the old one opens plugins."""
        old, new = self.old.go_host, self.new.go_host
        return (old, new) if old and new and old.opens_plugins else None

    @cached_property
    def package_hashes(self) -> tuple[dict[str, str], dict[str, str]] | None:
        """The hashes that plugin.Open compares, of plugins or of their hosts; no two files share package main."""
        if self.plugins:
            return _hashes_of_plugin(self.plugins[0]), _hashes_of_plugin(self.plugins[1])
        if self.hosts:
            return _hashes_of_host(self.hosts[0]), _hashes_of_host(self.hosts[1])
        return None


def _hashes_of_plugin(plugin: GoPlugin) -> dict[str, str]:
    return {it.package: it.hash for it in plugin.package_hashes if it.package != plugin.path}


def _hashes_of_host(host: GoHosting) -> dict[str, str]:
    return {it.package: it.hash for it in host.packages if it.package != "main"}
