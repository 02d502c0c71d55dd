"""What differs between two builds of the packages that Go hosts and plugins share, and why."""

from __future__ import annotations

from pathlib import PurePath

from soinspect.comparing.change import Change
from soinspect.comparing.pair import Pair
from soinspect.comparing.wording import few
from soinspect.go.build import Build
from soinspect.go.cause import why_packages_differ
from soinspect.model.golang import GoFacts
from soinspect.model.snapshot import Snapshot


def builds_of(pair: Pair, go: tuple[GoFacts, GoFacts]) -> tuple[Build, Build]:
    """How both files were built."""
    return _build("the old file", pair.old, go[0]), _build("the new one", pair.new, go[1])


def _build(name: str, facts: Snapshot, go: GoFacts) -> Build:
    return Build(name=name, file=PurePath(facts.path).name, facts=go)


def packages_differ(pair: Pair) -> Change | None:
    """The packages that both files have with another hash: one cause changes many, and they are one change."""
    if not pair.go or not pair.package_hashes:
        return None
    old, new = pair.package_hashes
    common = [package for package in new if package in old]
    changed = [package for package in common if old[package] != new[package]]
    if not changed:
        return None
    cause = why_packages_differ(*builds_of(pair, pair.go), changed, common)
    # plugin.Open names the first in the plugin's own order.
    first = changed[0]
    counted = f"{len(changed)} of {len(common)} common packages{f': {few(changed)}' if len(changed) > 1 else ''}"
    return Change(
        subject=f"{first} and {len(changed) - 1} more" if len(changed) > 1 else first,
        before=old[first],
        after=new[first],
        evidence="; ".join(filter(None, (cause.text, counted, *cause.evidence))),
        fix=cause.fix if cause.text else None,
    )
