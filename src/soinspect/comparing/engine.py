"""Run all rules over a pair and sum up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from soinspect.comparing.pair import Pair
from soinspect.comparing.rules import RULES
from soinspect.model.absence import Absent
from soinspect.model.finding import IDENTICAL, Comparison, Finding, Profile, Severity
from soinspect.model.golang import GoBinaryKind, GoPlugin
from soinspect.model.snapshot import Snapshot
from soinspect.model.texts import count

if TYPE_CHECKING:
    from soinspect.model.prototype import Prototypes

_ORDER = tuple(Severity)
NOT_READ = Absent("debug information was not read")


def compare(
    old: Snapshot,
    new: Snapshot,
    *,
    old_types: Prototypes | Absent = NOT_READ,
    new_types: Prototypes | Absent = NOT_READ,
    profile: Profile | None = None,
) -> Comparison:
    """How ``new`` differs from ``old``.

    ``profile`` None means: a file with a SONAME is linked against, any other is opened with dlopen.
    """
    chosen = profile or (Profile.LINKED if old.dynamic and old.dynamic.soname else Profile.DLOPEN)
    pair = Pair(old=old, new=new, old_types=old_types, new_types=new_types, profile=chosen)
    findings = in_order(_find(pair))
    return Comparison(
        old=old.path,
        new=new.path,
        profile=chosen,
        identical=False,
        verdict=verdict_of(findings, identical=False),
        findings=findings,
        agreements=tuple(_agreements(pair)),
        not_compared=tuple(_not_compared(pair)),
        types_missing=_types_missing(pair),
    )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by severity, gravest first, otherwise as they come."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def _find(pair: Pair) -> Iterator[Finding]:
    for entry in RULES:
        for change in entry.find(pair):
            yield Finding(
                rule=entry.rule.id,
                severity=change.severity or entry.rule.severity,
                subject=change.subject,
                before=change.before,
                after=change.after,
                evidence=change.evidence,
                fix=entry.rule.fix,
                layout=change.layout,
            )


def without_findings(comparison: Comparison) -> Comparison:
    """The comparison of facts that are all the same, whatever rules say that only look at one side."""
    return replace(comparison, findings=(), verdict=verdict_of((), identical=comparison.identical))


def verdict_of(findings: tuple[Finding, ...], *, identical: bool) -> str:
    """The verdict in one sentence, with the number of findings of each severity."""
    if identical:
        return IDENTICAL
    totals = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    counts = ", ".join(f"{number} {severity}" for severity, number in totals.items() if number)
    if totals[Severity.BREAKING]:
        return f"breaks users of the old file: {counts}"
    if totals[Severity.RISKY]:
        return f"nothing breaks by itself, but look at the risks: {counts}"
    return f"compatible: {counts}" if findings else "compatible: no difference in what others rely on"


def _agreements(pair: Pair) -> Iterator[str]:
    """What was compared and found equal, in words."""
    if pair.plugins:
        old, new = pair.plugins
        before = {(e.name, e.kind, e.type) for e in old.exports}
        if before == {(e.name, e.kind, e.type) for e in new.exports}:
            what = "types" if _structures(pair.old) == _structures(pair.new) else "signatures"
            yield f"exports and their {what} agree: {', '.join(sorted(e.name for e in old.exports)) or 'none'}"
        after = {p.package: p.hash for p in new.package_hashes}
        common = [p for p in old.package_hashes if p.package in after and p.package != old.path]
        if all(after[p.package] == p.hash for p in common):
            meaning = ": a host that opens one opens the other" if _open_alike(pair, old, new) else ""
            yield f"all {len(common)} shared packages have the same hash{meaning}"
    if not isinstance(pair.old_types, Absent) and not isinstance(pair.new_types, Absent) and not pair.type_changes:
        described = len(pair.old_types.functions) + len(pair.old_types.variables)
        yield f"the types of {described} described exports agree"
    if pair.go and pair.go[0].version.text == pair.go[1].version.text:
        yield f"same Go release: {pair.go[0].version.text}"
    if pair.old_symbols and pair.old_symbols.keys() == pair.new_symbols.keys():
        yield f"exported symbols have the same names and versions: {len(pair.old_symbols)}"


def _open_alike(pair: Pair, old: GoPlugin, new: GoPlugin) -> bool:
    """Whether two plugins whose shared packages agree ask for nothing else that could tell them apart for a host."""
    packages = [{p.package for p in plugin.package_hashes if p.package != plugin.path} for plugin in (old, new)]
    symbols = [{symbol.symbol.versioned_name for symbol in facts.undefined} for facts in (pair.old, pair.new)]
    releases = [facts.go.version.text for facts in (pair.old, pair.new) if facts.go]
    lost = any(isinstance(export.address, Absent) for export in new.exports)
    return packages[0] == packages[1] and symbols[1] <= symbols[0] and len(set(releases)) == 1 and not lost


def _types_missing(pair: Pair) -> str | None:
    """Why the types of common exports were not compared, or not of all that the old file describes."""
    if not pair.common_rows:
        return None
    if isinstance(pair.old_types, Absent):
        return f"{pair.old.path}: {pair.old_types.reason}"
    if isinstance(pair.new_types, Absent):
        return f"{pair.new.path}: {pair.new_types.reason}"
    common = {symbol.versioned_name for symbol, _ in pair.common_symbols}
    lost = common.intersection(pair.new_types.missing).difference(pair.old_types.missing)
    return f"{pair.new.path}: {count(len(lost), 'export')} not described, such as {min(lost)}" if lost else None


def _structures(facts: Snapshot) -> set[tuple[str, str, int]]:
    """The named types that a plugin's exports reach."""
    return {(it.text, it.underlying, it.size) for it in facts.go.reached_types} if facts.go else set()


def _not_compared(pair: Pair) -> Iterator[str]:
    """What could not be compared, and why."""
    for facts in (pair.old, pair.new):
        if isinstance(facts.symbols, Absent):
            yield f"{facts.path}: symbols: {facts.symbols.reason}"
        if isinstance(facts.go, Absent):
            continue
        if facts.go.kind is GoBinaryKind.PLUGIN and isinstance(facts.go.plugin, Absent):
            yield f"{facts.path}: plugin exports and package hashes: {facts.go.plugin.reason}"
        if isinstance(facts.go.build_info, Absent):
            yield f"{facts.path}: modules and build settings: {facts.go.build_info.reason}"
    if isinstance(pair.old_types, Absent) and isinstance(pair.new_types, Absent) and not pair.plugins:
        yield f"types of functions and variables: {pair.new_types.reason}"
