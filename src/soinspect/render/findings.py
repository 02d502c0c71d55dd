"""Findings as every format tells them: one in a line, many in groups."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from soinspect.model.finding import Comparison, Finding, Severity
from soinspect.render.text import printable


def change(finding: Finding) -> str:
    """What changed, in one printable line: ``subject: before -> after``, with ``+`` or ``-`` where one is missing."""
    before, after = finding.before, finding.after
    if before is None and after is None:
        return printable(finding.subject)
    if before is None:
        return printable(f"{finding.subject}: + {after}")
    if after is None:
        return printable(f"{finding.subject}: - {before}")
    return printable(f"{finding.subject}: {before}" if before == after else f"{finding.subject}: {before} -> {after}")


def by_severity(comparison: Comparison) -> Iterator[tuple[Severity, list[Finding]]]:
    """The findings of each severity that occurs, gravest first."""
    for severity, group in groupby(comparison.findings, key=lambda finding: finding.severity):
        yield severity, list(group)


def by_rule(findings: list[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """Findings of one severity by the id of their rule."""
    for rule, group in groupby(findings, key=lambda finding: finding.rule):
        yield rule, list(group)
