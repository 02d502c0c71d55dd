"""What each of several versions of one file adds, removes and breaks."""

from __future__ import annotations

from soinspect.comparing.contract import contract_symbols
from soinspect.model.finding import Comparison
from soinspect.model.golang import GoFacts
from soinspect.model.series import Step
from soinspect.model.snapshot import Snapshot


def step(comparison: Comparison, old: Snapshot, new: Snapshot) -> Step:
    """The step from ``old`` to ``new``, which ``comparison`` compares."""
    before, after = _offered(old), _offered(new)
    return Step(comparison=comparison, added=tuple(sorted(after - before)), removed=tuple(sorted(before - after)))


def _offered(facts: Snapshot) -> frozenset[str]:
    """The names that others look up: those of a Go plugin's exports, of other files the symbols."""
    if isinstance(facts.go, GoFacts) and facts.go.plugin:
        return frozenset(export.name for export in facts.go.plugin.exports)
    return frozenset(contract_symbols(facts).by_name)
