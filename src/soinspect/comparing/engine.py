"""Run all rules over a pair and sum up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from soinspect.comparing.pair import Pair
from soinspect.comparing.rules import RULES
from soinspect.model.absence import Absent
from soinspect.model.finding import Comparison, Finding, Profile, Severity
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
    findings, missing = in_order(_find(pair)), _types_missing(pair)
    return Comparison(
        old=old.path,
        new=new.path,
        profile=chosen,
        identical=False,
        verdict=verdict_of(findings, missing),
        findings=findings,
        agreements=tuple(_agreements(pair)),
        not_compared=tuple(_not_compared(pair)),
        types_missing=missing,
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
                fix=change.fix or entry.rule.fix,
                layout=change.layout,
            )


def without_findings(comparison: Comparison) -> Comparison:
    """The comparison of facts that are all the same, whatever rules say that only look at one side."""
    return judged(comparison, ())


def judged(comparison: Comparison, findings: tuple[Finding, ...]) -> Comparison:
    """The comparison with these findings instead of its own, and the verdict on them."""
    verdict = comparison.verdict if comparison.identical else verdict_of(findings, comparison.types_missing)
    return replace(comparison, findings=findings, verdict=verdict)


def verdict_of(findings: tuple[Finding, ...], types_missing: str | None) -> str:
    """The verdict in one sentence: the number of findings of each severity, and what it does not know."""
    totals = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    counts = ", ".join(f"{number} {severity}" for severity, number in totals.items() if number)
    if totals[Severity.BREAKING]:
        return f"breaks users of the old file: {counts}"
    unseen = f"; types not compared: {types_missing}" if types_missing else ""
    if totals[Severity.RISKY]:
        return f"nothing breaks by itself, but look at the risks: {counts}{unseen}"
    compatible = "compatible as far as symbols tell" if types_missing else "compatible"
    return f"{compatible}: {counts or 'no difference in what others rely on'}{unseen}"


def _agreements(pair: Pair) -> Iterator[str]:
    """What was compared and found equal, in words."""
    if pair.plugins:
        old, new = pair.plugins
        before = {(e.name, e.kind, e.type) for e in old.exports}
        if before == {(e.name, e.kind, e.type) for e in new.exports}:
            what = "types" if _structures(pair.old) == _structures(pair.new) else "signatures"
            yield f"exports and their {what} agree: {', '.join(sorted(e.name for e in old.exports)) or 'none'}"
    if pair.package_hashes:
        theirs, ours = pair.package_hashes
        common = theirs.keys() & ours.keys()
        if common and all(theirs[package] == ours[package] for package in common):
            yield f"all {len(common)} shared packages have the same hash{_what_follows(pair)}"
    if not isinstance(pair.old_types, Absent) and not isinstance(pair.new_types, Absent) and not pair.type_changes:
        described = len(pair.old_types.functions) + len(pair.old_types.variables)
        if described:
            yield f"the types of {described} described exports agree"
    if pair.go and pair.go[0].version.exact and pair.go[0].version.text == pair.go[1].version.text:
        yield f"same Go release: {pair.go[0].version.text}"
    if pair.old_symbols and pair.old_symbols.keys() == pair.new_symbols.keys():
        yield f"exported symbols have the same names and versions: {len(pair.old_symbols)}"


def _what_follows(pair: Pair) -> str:
    """What it means that shared packages agree, if nothing else stands against it."""
    if pair.plugins and _open_alike(pair, *pair.plugins):
        return ": a host that opens one opens the other"
    if pair.hosts and pair.package_hashes and pair.hosts[0].shape and pair.hosts[0].shape == pair.hosts[1].shape:
        old, new = pair.package_hashes
        return ": plugins that open in one open in the other" if new.keys() <= old.keys() else ""
    return ""


def _open_alike(pair: Pair, old: GoPlugin, new: GoPlugin) -> bool:
    """Whether two plugins whose shared packages agree ask for nothing else that could tell them apart for a host."""
    packages = [{p.package for p in plugin.package_hashes if p.package != plugin.path} for plugin in (old, new)]
    symbols = [{symbol.symbol.versioned_name for symbol in facts.undefined} for facts in (pair.old, pair.new)]
    releases = [facts.go.version.text for facts in (pair.old, pair.new) if facts.go]
    lost = any(isinstance(export.address, Absent) for export in new.exports)
    return packages[0] == packages[1] and symbols[1] <= symbols[0] and len(set(releases)) == 1 and not lost


def _types_missing(pair: Pair) -> str | None:
    """Why the types of common exports were not compared, or not of all that the old file describes, in a few words."""
    if not pair.common_rows:
        return None
    if isinstance(pair.old_types, Absent):
        where = "either file" if isinstance(pair.new_types, Absent) else "the old file"
        return f"{_in_short(pair.old_types)} in {where}"
    if isinstance(pair.new_types, Absent):
        return f"{_in_short(pair.new_types)} in the new file"
    common = {symbol.versioned_name for symbol, _ in pair.common_symbols}
    lost = common.intersection(pair.new_types.missing).difference(pair.old_types.missing)
    return f"{count(len(lost), 'export')} not described in the new file, such as {min(lost)}" if lost else None


def _in_short(types: Absent) -> str:
    """The reason without its details."""
    return types.reason.partition(":")[0]


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
        if facts.go.kind.is_program and isinstance(facts.go_host, Absent):
            yield f"{facts.path}: what it offers to plugins: {facts.go_host.reason}"
        elif pair.hosts and facts.go_host and isinstance(facts.go_host.shape, Absent):
            yield f"{facts.path}: whether it finds plugins: {facts.go_host.shape.reason}"
    # Where only one side describes them, that is a finding.
    if pair.common_rows and isinstance(pair.old_types, Absent) and isinstance(pair.new_types, Absent):
        yield f"types of functions and variables: {pair.new_types.reason}"
