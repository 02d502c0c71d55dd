"""What one host has to do with a file: the same comparison, judged for that host alone.

The facts of both files are narrowed to what the host can notice, and compared again. What only the comparison of all
facts finds does not concern the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from soinspect.comparing.engine import in_order, judged
from soinspect.model.absence import Absent
from soinspect.model.facts import Facts
from soinspect.model.finding import Comparison, Finding, Profile, Severity
from soinspect.model.golang import GoFacts, GoPlugin
from soinspect.model.lateclass import dataclass
from soinspect.model.prototype import Prototypes
from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import SymbolKind

_SEVERAL = re.compile(r"[\d,]+ ")  # "5,000 symbols": what a finding begins with that is about many
_IMPORT_ADDED = "elf.import-added"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What a host imports and exports, the SONAMEs it needs, and the Go packages that it shares with its plugins.

    ``packages`` is empty for a host that is not Go's, or opens no plugins. ``unresolved`` are the imports of the new
    file that neither the host nor any library loaded with it provides; None if that is not known.
    """

    path: str
    imports: frozenset[str]
    exports: frozenset[str]
    needed: frozenset[str]
    packages: frozenset[str]
    unresolved: frozenset[str] | None

    @classmethod
    def of(cls, host: Snapshot, unresolved: frozenset[str] | None) -> HostView:
        """The view of the host with these facts."""
        packages: Iterable[tuple[SymbolKind, str | None]] = ()
        if not isinstance(host.symbols, Absent):
            packages = zip(host.symbols.kinds, host.symbols.packages, strict=True)
        return cls(
            path=host.path,
            imports=frozenset(it.symbol.name for it in host.undefined),
            exports=frozenset(it.symbol.name for it in host.exported),
            needed=frozenset(host.dynamic.needed if host.dynamic else ()),
            packages=frozenset(name for kind, name in packages if kind is SymbolKind.PACKAGE_HASH and name),
            unresolved=unresolved,
        )

    def links(self, facts: Snapshot) -> bool:
        """Whether the host is linked against a file, so that its imports are all it uses of it."""
        return bool(facts.dynamic and facts.dynamic.soname in self.needed)

    def profile(self, facts: Snapshot) -> Profile:
        """How the host uses a file."""
        return Profile.LINKED if self.links(facts) else Profile.DLOPEN


def narrowed(facts: Facts, host: HostView, *, linked: bool) -> Facts:
    """The facts without what the host neither uses nor can miss."""
    snapshot = facts.snapshot
    if isinstance(snapshot.go, GoFacts) and isinstance(snapshot.go.plugin, GoPlugin) and host.packages:
        plugin = snapshot.go.plugin
        shared = tuple(it for it in plugin.package_hashes if it.package in host.packages or it.package == plugin.path)
        snapshot = replace(snapshot, go=replace(snapshot.go, plugin=replace(plugin, package_hashes=shared)))
    if not isinstance(snapshot.symbols, Absent):
        names, sections = snapshot.symbols.symbols.names, snapshot.symbols.symbols.sections
        kept = [i for i, name in enumerate(names) if _concerns(name, host, defined=sections[i] != "UND", linked=linked)]
        snapshot = replace(snapshot, symbols=snapshot.symbols.take(kept))
    types = facts.types
    if linked and isinstance(types, Prototypes):
        types = replace(
            types,
            functions=tuple(it for it in types.functions if it.symbol in host.imports),
            variables=tuple(it for it in types.variables if it.symbol in host.imports),
            missing=tuple(it for it in types.missing if it.partition("@")[0] in host.imports),
        )
    return replace(facts, snapshot=snapshot, types=types)


def _concerns(name: str, host: HostView, *, defined: bool, linked: bool) -> bool:
    if defined:
        return not linked or name in host.imports
    if name in host.exports:
        return False
    return host.unresolved is None or name in host.unresolved


def judged_for(host: HostView, whole: Comparison, concerning: Comparison, *, linked: bool) -> Comparison:
    """The comparison of the facts that concern the host, with what the comparison of all facts finds as information."""
    findings = [_graver(finding, host) for finding in concerning.findings]
    known = {(finding.rule, finding.subject) for finding in findings}
    rules = {finding.rule for finding in findings}
    findings += (
        replace(finding, severity=Severity.INFO, evidence=_joined(finding.evidence, _unused(finding, host, rules)))
        for finding in whole.findings
        if (finding.rule, finding.subject) not in known and not _is_settled(finding)
    )
    remark = () if linked else (f"which names {host.path} looks up at run time: its imports do not tell",)
    told = judged(concerning, in_order(findings))
    return replace(told, host=host.path, not_compared=(*whole.not_compared, *remark))


def _unused(finding: Finding, host: HostView, concerning: set[str]) -> str:
    """What the host has to do with a finding that only the comparison of all facts has."""
    if finding.rule in concerning and _SEVERAL.match(finding.subject):
        return f"{host.path} uses no more of these than is told above"
    return f"{host.path} does not use it"


def _is_settled(finding: Finding) -> bool:
    """Whether a finding is void for a host that provides, or does not share, what it is about."""
    return finding.rule == _IMPORT_ADDED or finding.rule.startswith("go.")


def _graver(finding: Finding, host: HostView) -> Finding:
    if finding.rule != _IMPORT_ADDED:
        return finding
    if host.unresolved is None:
        unseen = f"{host.path} does not export it; whether its libraries do cannot be told"
        return replace(finding, evidence=_joined(finding.evidence, unseen))
    lacking = f"neither {host.path} nor its libraries export it"
    return replace(finding, severity=Severity.BREAKING, evidence=_joined(finding.evidence, lacking))


def _joined(evidence: str, more: str) -> str:
    return f"{evidence}; {more}" if evidence else more
