"""What is asked of plugins beyond being loaded here: the versions of a target, forbidden libraries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from soinspect.demangle.scheme import demangle
from soinspect.model.goloading import Guest
from soinspect.model.loadplan import DlopenPlan
from soinspect.model.verdict import Policy, Reason
from soinspect.verdict import dlrules as rules

_FEW = 8


def for_target(plan: DlopenPlan, policy: Policy) -> DlopenPlan:
    """The plan without what the libraries of this machine say about versions that ``policy`` knows of the target."""
    families = tuple(f"{family}_" for family, _ in policy.newest)
    if not families:
        return plan
    plugin = plan.plugin
    versions = tuple(it for it in plugin.versions if not it.version.startswith(families))
    bindings = tuple(it for it in plugin.bindings if not (it.unresolved and (it.version or "").startswith(families)))
    return replace(plan, plugin=replace(plugin, versions=versions, bindings=bindings))


def breaches(guest: Guest, plan: DlopenPlan, policy: Policy) -> Iterator[Reason]:
    """What of ``policy`` a plugin does not keep to."""
    yield from _newer_versions(guest, plan, policy)
    for library in guest.needed:
        pattern = next((it for it in policy.forbidden if fnmatchcase(library, it)), None)
        if pattern is not None:
            yield rules.FORBIDDEN.found(f"it needs {library}, which --forbid-needed {pattern} forbids")


def _newer_versions(guest: Guest, plan: DlopenPlan, policy: Policy) -> Iterator[Reason]:
    """The versions that the plugin needs, and the target lacks; the newest first."""
    own = [it for it in plan.plugin.versions if it.user == plan.plugin.path and not it.weak]
    for family, limit in policy.newest:
        uses = {it: number for it in own if (number := _number(it.version, family)) and number > _numbers(limit)}
        newer = sorted(uses, key=uses.__getitem__, reverse=True)
        if newer:
            yield rules.NEWER_THAN_TARGET.found(
                f"it needs {newer[0].version} of {newer[0].library}, the target has {family}_{limit}",
                evidence=tuple(
                    f"{use.version} is forced by {', '.join(map(demangle, use.symbols[:_FEW])) or 'no symbol'}"
                    f"{f' and {len(use.symbols) - _FEW} more' if use.symbols[_FEW:] else ''}"
                    for use in newer
                ),
                fix=f"build {guest.path} on a system whose newest version is {family}_{limit}",
            )


def _number(version: str, family: str) -> tuple[int, ...]:
    """What can be compared of a version of this family; nothing for another one, or a private one."""
    text = version.removeprefix(f"{family}_")
    return _numbers(text) if text != version and text.replace(".", "").isdecimal() else ()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)
