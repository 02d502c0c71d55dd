"""Findings that are known and accepted: read from TOML, and taken out of a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from fnmatch import fnmatchcase

from soinspect.comparing.engine import judged
from soinspect.comparing.rules import RULES
from soinspect.errors import UsageError
from soinspect.model.finding import Comparison, Finding, SuppressedFinding, Suppression
from soinspect.settings import check_keys, parse_toml

_TEXTS = ("rule", "subject", "reason")


def parse_suppressions(text: str, path: str) -> tuple[Suppression, ...]:
    """The ``[[suppress]]`` tables of a TOML file: ``rule``, ``subject`` (globs), ``reason``, ``expires`` (a date).

    :raises UsageError: it is not TOML, or a table is not what it must be; the text names ``path``.
    """
    whole = parse_toml(text, path)
    check_keys(whole, ("suppress",), path)
    tables = whole.get("suppress", [])
    if not isinstance(tables, list):
        raise UsageError(f"{path}: write [[suppress]], once for each suppression")
    return tuple(_parse(table, f"{path}: suppression {number}") for number, table in enumerate(tables, 1))


def _parse(table: object, where: str) -> Suppression:
    if not isinstance(table, dict):
        raise UsageError(f"{where}: not a table")
    check_keys(table, (*_TEXTS, "expires"), where)
    rule, subject, reason = (table.get(key, "*" if key == "subject" else None) for key in _TEXTS)
    if not isinstance(rule, str) or not isinstance(subject, str):
        raise UsageError(f"{where}: rule and subject must be texts, and rule must be there")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f'{where}: say why, as reason = "..."')
    expires = table.get("expires")
    # A TOML date and time is a date for Python too, but not what is meant.
    if expires is not None and type(expires) is not date:
        raise UsageError(f"{where}: expires must be a date, such as 2027-01-31")
    return Suppression(rule=rule, subject=subject, reason=reason, expires=expires)


def suppress(comparison: Comparison, suppressions: Iterable[Suppression], today: date) -> Comparison:
    """The comparison without the findings that a suppression accepts, and with a verdict on the others."""
    kept: list[Finding] = []
    accepted: list[SuppressedFinding] = []
    listed = tuple(suppressions)
    valid = tuple(s for s in listed if s.expires is None or s.expires >= today)
    used: set[int] = set()
    for finding in comparison.findings:
        match = next((n for n, s in enumerate(valid) if _accepts(s, finding)), None)
        if match is None:
            kept.append(finding)
        else:
            used.add(match)
            accepted.append(SuppressedFinding(finding=finding, reason=valid[match].reason))
    remarks = [f"expired on {s.expires}: {s.rule} {s.subject} ({s.reason})" for s in listed if s not in valid]
    remarks += (
        f"matches nothing: {s.rule} {s.subject} ({s.reason}){_misspelt(s.rule)}"
        for n, s in enumerate(valid)
        if n not in used
    )
    return replace(judged(comparison, tuple(kept)), suppressed=tuple(accepted), remarks=tuple(remarks))


def _misspelt(pattern: str) -> str:
    """What to say of a pattern that is no rule's id, nor matches any."""
    ids = [entry.rule.id for entry in RULES]
    if any(fnmatchcase(rule_id, pattern) for rule_id in ids):
        return ""
    near = get_close_matches(pattern, ids, n=1)
    return f"; there is no such rule{f', did you mean {near[0]}?' if near else ''}"


def _accepts(suppression: Suppression, finding: Finding) -> bool:
    return fnmatchcase(finding.rule, suppression.rule) and fnmatchcase(finding.subject, suppression.subject)
