"""What a rule finds, before the engine makes a finding of it."""

from __future__ import annotations

from soinspect.model.finding import Severity
from soinspect.model.lateclass import dataclass

# What changes how a function is called.
SIGNATURE_RULES = frozenset(
    (
        "dwarf.func-param-added",
        "dwarf.func-param-removed",
        "dwarf.func-param-type-changed",
        "dwarf.func-return-changed",
        "dwarf.func-variadic-changed",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a rule's function yields; the engine makes a finding of it.

    ``severity`` and ``fix`` are given where they depend on the case, and are then not the rule's own.
    """

    subject: str
    before: str | None = None
    after: str | None = None
    evidence: str = ""
    severity: Severity | None = None
    fix: str | None = None
    layout: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChange:
    """A change of an export or of a type it reaches: the id of the rule that reports it, and what it says."""

    rule: str
    change: Change
