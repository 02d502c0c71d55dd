"""``soinspect diff --format markdown``: a comment for a pull request.

The dialect is GitHub's (https://github.github.com/gfm/), which GitLab and Gitea read too. A comment there has at most
65,536 characters, so rows, cells and layouts are limited. All that comes from the files stands in code spans
and fenced blocks, where no markup, link or @mention works.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from soinspect.model.finding import Comparison, Finding, Rule, Severity
from soinspect.model.texts import count
from soinspect.render.findings import by_rule, by_severity
from soinspect.render.text import cut, printable

_ROWS = 30
_ROWS_OF_A_RULE = 3  # where there are too many findings for all of them
_CELL = 120
_COMMAND = 1000
_LAYOUTS = 5
_LAYOUT_LINES = 40


def markdown(comparison: Comparison, rules: tuple[Rule, ...]) -> str:
    """The verdict, a table of findings by severity, and, folded, the fixes, the layouts and what agrees."""
    blocks = [f"### {comparison.verdict[:1].upper()}{comparison.verdict[1:]}",
              f"{_code(comparison.old)} → {_code(comparison.new)}"]  # fmt: skip
    shown = _shown(comparison)
    if shown:
        blocks.append("\n".join(("| | rule | what | before | after |", "|---|---|---|---|---|", *map(_row, shown))))
    if len(shown) < len(comparison.findings):
        blocks.append(f"… and {count(len(comparison.findings) - len(shown), 'more finding')}.")
    blocks += _fixes(comparison, {rule.id: rule for rule in rules})
    blocks += _layouts(shown)
    if comparison.agreements and not comparison.identical:
        blocks.append(_folded("What agrees", _fenced(comparison.agreements)))
    if comparison.not_compared:
        blocks.append(_folded("What could not be compared", _fenced(comparison.not_compared)))
    return "\n\n".join(blocks) + "\n"


def _shown(comparison: Comparison) -> list[Finding]:
    """All findings, or, if they are too many, the first of each rule: thousands of one must not hide the others."""
    if len(comparison.findings) <= _ROWS:
        return list(comparison.findings)
    groups = (group for _, findings in by_severity(comparison) for _, group in by_rule(findings))
    return [finding for group in groups for finding in group[:_ROWS_OF_A_RULE]][:_ROWS]


def _row(finding: Finding) -> str:
    what = _cell(finding.subject) + (f"<br>{_cell(finding.evidence)}" if finding.evidence else "")
    return f"| {finding.severity} | {finding.rule} | {what} | {_cell(finding.before)} | {_cell(finding.after)} |"


def _fixes(comparison: Comparison, rules: dict[str, Rule]) -> Iterator[str]:
    """Why each rule that matters is one, and what to do, once for all its findings.

    A comment is shown far from the pages of this project: its links name no file, but what a rule rests on.
    """
    grave = (Severity.BREAKING, Severity.RISKY)
    groups = (group for severity, found in by_severity(comparison) if severity in grave for group in by_rule(found))
    fixes = {rule: findings[0].fix for rule, findings in groups}
    pages = [_fix(rule, fixes[rule.id]) for rule in rules.values() if rule.id in fixes]
    if pages:
        yield _folded("How to fix it", "\n\n".join(pages))


def _fix(rule: Rule, fix: str) -> str:
    # What is not the rule's own comes from the files.
    shown = rule.fix if fix == rule.fix else _code(fix, _COMMAND)
    return f"**{rule.title}** (`{rule.id}`). {rule.why} Fix: {shown} [Reference]({rule.reference})"


def _layouts(findings: Iterable[Finding]) -> Iterator[str]:
    changed = [finding for finding in findings if finding.layout][:_LAYOUTS]
    if changed:
        blocks = (_fenced(finding.layout[:_LAYOUT_LINES], "diff") for finding in changed)
        yield _folded("Layouts", "\n\n".join(blocks))


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _cell(text: str | None) -> str:
    return "" if text is None else _code(text).replace("|", "\\|")


def _code(text: str, width: int = _CELL) -> str:
    """A code span: its fence is longer than any run of backticks inside."""
    text = cut(printable(text), width)
    fence = _fence(text, 1)
    padding = " " if fence != "`" else ""
    return f"{fence}{padding}{text}{padding}{fence}" if text.strip() else ""


def _fenced(lines: Iterable[str], language: str = "") -> str:
    text = "\n".join(cut(printable(line), _CELL) for line in lines)
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _fence(text: str, least: int) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(longest + 1, least)
