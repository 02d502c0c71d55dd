"""Two snapshots side by side, with what several rules look up in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from soinspect.compare.change import Change
from soinspect.compare.renames import Renames
from soinspect.compare.types import TypeChange, TypeComparison
from soinspect.model.absence import Absent
from soinspect.model.finding import Profile, Rule, Severity
from soinspect.model.golang import GoFacts, GoPlugin
from soinspect.model.prototype import Prototypes
from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import Symbol, SymbolKind


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
    def old_symbols(self) -> dict[str, Symbol]:
        """The contract symbols of the old file by ``name@version``."""
        return contract_symbols(self.old)

    @cached_property
    def new_symbols(self) -> dict[str, Symbol]:
        """The contract symbols of the new file by ``name@version``."""
        return contract_symbols(self.new)

    @cached_property
    def common_symbols(self) -> tuple[tuple[Symbol, Symbol], ...]:
        """The contract symbols that both files have, as pairs; also those that only changed their one version."""
        before, after = _by_name(self.old_symbols), _by_name(self.new_symbols)
        pairs: list[tuple[Symbol, Symbol]] = []
        for key, symbol in self.old_symbols.items():
            twin = self.new_symbols.get(key)
            if twin is None and len(before[symbol.name]) == len(after.get(symbol.name, ())) == 1:
                twin = after[symbol.name][0]
            if twin is not None:
                pairs.append((symbol, twin))
        return tuple(pairs)

    @cached_property
    def renames(self) -> Renames:
        """The contract symbols whose names only one of the files has, sorted into renamed ones and others."""
        before, after = _by_name(self.old_symbols), _by_name(self.new_symbols)
        removed = [symbols[0] for name, symbols in before.items() if name not in after]
        return Renames(removed, [symbols[0] for name, symbols in after.items() if name not in before])

    @cached_property
    def type_changes(self) -> tuple[TypeChange, ...]:
        """How the types of both files differ; nothing where one of them has none."""
        if isinstance(self.old_types, Absent) or isinstance(self.new_types, Absent):
            return ()
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


def _by_name(symbols: dict[str, Symbol]) -> dict[str, list[Symbol]]:
    found: dict[str, list[Symbol]] = {}
    for symbol in symbols.values():
        found.setdefault(symbol.name, []).append(symbol)
    return found


def contract_symbols(facts: Snapshot) -> dict[str, Symbol]:
    """What other objects bind to by name.

    Of a Go binary only the C functions it exports: its thousands of linker symbols are no contract, hosts look
    names up in the plugin's own table of exports. The absolute symbols that stand for versions are left out.
    """
    return {
        f"{s.symbol.name}@{s.symbol.version or ''}": s.symbol
        for s in facts.exported
        if s.explained.kind is SymbolKind.C and not (s.symbol.section == "ABS" and s.symbol.version == s.symbol.name)
    }
