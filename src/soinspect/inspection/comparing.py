"""Comparisons of facts, wherever they were read: files, snapshots, baselines; as such, or for one host."""

from __future__ import annotations

from dataclasses import fields, replace

from soinspect.comparing.engine import compare, without_findings
from soinspect.comparing.hostview import HostView, judged_for, narrowed
from soinspect.errors import InputError
from soinspect.inspection.saved import is_saved
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
    found = compare(old.snapshot, new.snapshot, old_types=old.types, new_types=new.types, profile=profile)
    if with_baseline:
        found = replace(
            found, not_compared=(*found.not_compared, "what a baseline leaves out: sizes of functions, aliases")
        )
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


def compare_for_host(old: Facts, new: Facts, host: Snapshot, unresolved: frozenset[str] | None) -> Comparison:
    """As :func:`compare_facts`, judged for one host: by what it imports and exports, and the Go packages it shares.

    ``unresolved`` are the imports of the new file that nothing in the host's process provides; None: not known.
    """
    view = HostView.of(host, unresolved)
    linked, profile = view.links(old.snapshot), view.profile(old.snapshot)
    whole = compare_facts(old, new, profile)
    concerning = compare_facts(narrowed(old, view, linked=linked), narrowed(new, view, linked=linked), profile)
    return judged_for(view, whole, concerning, linked=linked)


def unresolved_in(host: str, path: str) -> frozenset[str] | None:
    """The imports of the file at ``path`` that nothing provides once the program ``host`` has opened it.

    None where that cannot be told: one of them is a snapshot, of a system whose loader is not known, or needs a
    library that is not installed here.
    """
    if is_saved(host) or is_saved(path):
        return None
    from soinspect.loader.environment import LoaderEnv
    from soinspect.loader.plan import dlopen_plans

    try:
        plan = dlopen_plans(host, (path,), LoaderEnv())[0].plugin
    except InputError:
        return None
    if plan.error or plan.missing or plan.unknown:
        return None
    return frozenset(binding.symbol for binding in plan.unresolved if binding.user == plan.objects[0].path)
