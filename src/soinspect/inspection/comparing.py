"""Comparisons of facts, wherever they were read: files, snapshots, baselines; as such, or for one host."""

from __future__ import annotations

from dataclasses import fields, replace

from soinspect.compare.engine import compare, without_findings
from soinspect.compare.hostview import HostView, judged_for, narrowed
from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.facts import Facts, FactsOrigin
from soinspect.model.finding import Comparison, Profile
from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import SymbolColumns


def compare_facts(old: Facts, new: Facts, profile: Profile | None) -> Comparison:
    """How ``new`` differs from ``old``; a baseline is compared with the baseline that would be of the other.

    :raises InputError: one of the files was cut short.
    """
    for facts in (old.snapshot, new.snapshot):
        if facts.truncated:
            raise InputError(facts.path, f"it is no use comparing it: {facts.truncated.where} {facts.truncated.what}")
    with_baseline = FactsOrigin.BASELINE in (old.origin, new.origin)
    if with_baseline:
        from soinspect.saved.baseline import as_baseline

        old, new = as_baseline(old), as_baseline(new)
    found = compare(
        old.snapshot, new.snapshot, identical=False, old_types=old.types, new_types=new.types, profile=profile
    )
    if with_baseline:
        found = replace(found, not_compared=(*found.not_compared, "what a baseline leaves out: sizes of functions"))
    same = old.types == new.types and _same(old.snapshot, new.snapshot)
    return without_findings(found) if same else found


def _same(old: Snapshot, new: Snapshot) -> bool:
    """Whether two files have the same facts, whatever they are called."""
    if isinstance(old.symbols, Absent) or isinstance(new.symbols, Absent):
        return replace(old, path=new.path) == new
    same_symbols = _columns(old.symbols.symbols) == _columns(new.symbols.symbols)
    return same_symbols and replace(old, path=new.path, symbols=new.symbols) == new


def _columns(symbols: SymbolColumns) -> list[list[object]]:
    return [list(getattr(symbols, field.name)) for field in fields(symbols)]


def compare_for_host(old: Facts, new: Facts, host: Snapshot) -> Comparison:
    """As :func:`compare_facts`, judged for one host: by what it imports and exports, and the Go packages it shares."""
    view = HostView.of(host)
    linked, profile = view.links(old.snapshot), view.profile(old.snapshot)
    whole = compare_facts(old, new, profile)
    concerning = compare_facts(narrowed(old, view, linked=linked), narrowed(new, view, linked=linked), profile)
    return judged_for(view, whole, concerning, linked=linked)
