"""``soinspect diff --format github``: annotations of a GitHub Actions run.

The commands and their escapes:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. GitHub shows ten of a step, so all
findings of a rule are one annotation.
"""

from __future__ import annotations

from soinspect.model.finding import Comparison, Finding, Rule, Severity
from soinspect.model.texts import count
from soinspect.render.findings import by_rule, by_severity, change
from soinspect.render.text import cut, printable

_ANNOTATIONS = 10
_CHANGES = 10
_WIDTH = 300
_COMMANDS = {
    Severity.BREAKING: "error",
    Severity.RISKY: "warning",
    Severity.COMPATIBLE: "notice",
    Severity.INFO: "notice",
}


def github(comparison: Comparison, rules: tuple[Rule, ...]) -> str:
    """The verdict as a line of the log, then at most ten annotations, gravest first.

    Nothing from the files stands outside of an annotation, since the runner obeys any line that looks like a command.
    """
    known = {rule.id: rule for rule in rules}
    groups = [findings for _, same in by_severity(comparison) for _, findings in by_rule(same)]
    shown = groups if len(groups) <= _ANNOTATIONS else groups[: _ANNOTATIONS - 1]
    lines = [f"soinspect: {comparison.verdict}", *(_annotation(known[g[0].rule], g, comparison.new) for g in shown)]
    rest = groups[len(shown) :]
    if rest:
        text = f"{count(sum(map(len, rest)), 'finding')} of {count(len(rest), 'other rule')} left out"
        lines.append(_command("notice", comparison.new, "More findings", text))
    return "\n".join(lines) + "\n"


def _annotation(rule: Rule, findings: list[Finding], path: str) -> str:
    lines = [rule.why]
    for finding in findings[:_CHANGES]:
        lines.append(cut(change(finding), _WIDTH))
        lines += [cut(f"  {printable(finding.evidence)}", _WIDTH)] if finding.evidence else []
    if len(findings) > _CHANGES:
        lines.append(f"and {len(findings) - _CHANGES:,} more")
    lines.append(cut(f"Fix: {printable(findings[0].fix)}", _WIDTH))
    return _command(_COMMANDS[findings[0].severity], path, f"{rule.title} ({rule.id})", "\n".join(lines))


def _command(name: str, path: str, title: str, message: str) -> str:
    return f"::{name} file={_property(printable(path))},title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
