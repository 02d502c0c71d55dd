"""Comparisons made by hand, for the tests of what shows them."""

from __future__ import annotations

from soinspect.comparing.rules import RULES as COMPARISON_RULES
from soinspect.model.finding import Comparison, Finding, Profile, Severity

RULES = tuple(entry.rule for entry in COMPARISON_RULES)
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "\" onmouseover=alert(1) x='",
    "]]></failure>&amp;&#0;",
    "\n::error file=x::hello\r\n##[add-mask]x",
    "a%0A::stop-commands::x,title=y",
    "\x1b[31m\x00\x7f\u202e\ufffe",
    "\udc80\udcff",
    "```\n</details>| @everyone",
)


def finding(
    rule: str,
    subject: str,
    *,
    severity: Severity = Severity.BREAKING,
    before: str | None = None,
    after: str | None = None,
    evidence: str = "",
) -> Finding:
    """A finding of one of the real rules."""
    fix = next(known.fix for known in RULES if known.id == rule)
    return Finding(
        rule=rule, severity=severity, subject=subject, before=before, after=after, evidence=evidence, fix=fix
    )


def comparison(*findings: Finding, agreements: tuple[str, ...] = ()) -> Comparison:
    """``old.so`` and ``new.so`` with these findings, given gravest first."""
    breaking = sum(it.severity is Severity.BREAKING for it in findings)
    return Comparison(
        old="old.so",
        new="new.so",
        profile=Profile.LINKED,
        identical=False,
        verdict=f"breaks users of the old file: {breaking} breaking" if breaking else "compatible",
        findings=findings,
        agreements=agreements,
        not_compared=(),
    )
