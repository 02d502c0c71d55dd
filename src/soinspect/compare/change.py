"""What a rule finds, before the engine makes a finding of it."""

from __future__ import annotations

from dataclasses import dataclass

from soinspect.model.finding import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a rule's function yields; the engine makes a finding of it.

    ``severity`` is given where it depends on the case, and is then not the rule's own.
    """

    subject: str
    before: str | None = None
    after: str | None = None
    evidence: str = ""
    severity: Severity | None = None
    layout: tuple[str, ...] = ()
