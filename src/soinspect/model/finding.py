"""Findings: what a rule has to say about one file or a pair of files."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from soinspect.model.lateclass import dataclass


class Severity(StrEnum):
    """What a change does to those who use the old file, gravest first."""

    BREAKING = "breaking"
    RISKY = "risky"
    COMPATIBLE = "compatible"
    INFO = "info"


class Profile(StrEnum):
    """How the file is used: programs are linked against it, or a host opens it with dlopen and looks names up."""

    LINKED = "linked"
    DLOPEN = "dlopen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What can be found: a stable id, and what a user must know of it.

    ``why`` says what happens to whom, ``fix`` what to do, ``reference`` where the behaviour is specified.
    """

    id: str
    title: str
    severity: Severity
    why: str
    fix: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a rule found; ``before`` and ``after`` are None where there is nothing on that side.

    ``layout`` shows a changed type once, as it was and as it is: each line begins with a blank, ``-`` or ``+``, then
    the offset in bytes and the declaration.
    """

    rule: str
    severity: Severity
    subject: str
    before: str | None
    after: str | None
    evidence: str
    fix: str
    layout: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A finding that is known and accepted: globs on rule id and subject, why, and until when (None: for ever)."""

    rule: str
    subject: str
    reason: str
    expires: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedFinding:
    """A finding that a suppression took out of the verdict."""

    finding: Finding
    reason: str


IDENTICAL = "identical: the files have the same bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How ``new`` differs from ``old``: findings by severity, then in the order of the rules.

    ``agreements`` are the things that were compared and found equal, in words; ``not_compared`` what could not be
    compared, and why. ``suppressed`` findings do not count; ``remarks`` tells of suppressions that are expired or
    match nothing. ``host`` is the one program that it was judged for, if any. ``types_missing`` says why types could
    not be compared, or not all of them.
    """

    old: str
    new: str
    profile: Profile
    identical: bool
    verdict: str
    findings: tuple[Finding, ...]
    agreements: tuple[str, ...]
    not_compared: tuple[str, ...]
    suppressed: tuple[SuppressedFinding, ...] = ()
    remarks: tuple[str, ...] = ()
    host: str | None = None
    types_missing: str | None = None

    @classmethod
    def of_identical(cls, old: str, new: str, profile: Profile) -> Comparison:
        """The comparison of two files that have the same bytes: nothing of them needs to be read."""
        return cls(
            old=old,
            new=new,
            profile=profile,
            identical=True,
            verdict=IDENTICAL,
            findings=(),
            agreements=(),
            not_compared=(),
        )

    @property
    def breaking(self) -> bool:
        """Whether any finding breaks those who use the old file."""
        return self.has(Severity.BREAKING)

    def has(self, least: Severity) -> bool:
        """Whether any finding is at least this grave."""
        order = list(Severity)
        return any(order.index(finding.severity) <= order.index(least) for finding in self.findings)
