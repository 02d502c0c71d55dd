"""The page of ``soinspect diff``."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.model.finding import Comparison, Finding, Severity
from soinspect.model.texts import count
from soinspect.render.findings import by_rule, by_severity, change
from soinspect.render.line import Line
from soinspect.render.text import printable

STYLES = {
    Severity.BREAKING: "bold red",
    Severity.RISKY: "yellow",
    Severity.COMPATIBLE: "green",
    Severity.INFO: "dim",
}
_LAYOUT_STYLES = {" ": "", "-": "red", "+": "green"}
_MOST_LINES = 60
_FEW_NAMES = 5
_FEW = 20


def diff_lines(comparison: Comparison, *, verbose: bool) -> Iterator[Line]:
    """The verdict, the findings by severity with their fixes, what agrees, what could not be compared.

    Unless ``verbose``, it is at most 60 lines: where that is not enough for the findings, a line a rule.
    """
    worst = Severity.BREAKING if comparison.breaking else Severity.COMPATIBLE
    subject = f"{comparison.old} -> {comparison.new}{f' for {comparison.host}' if comparison.host else ''}: "
    yield Line.of(printable(subject), (comparison.verdict, STYLES[worst]))
    closing = list(_closing(comparison))
    room = _MOST_LINES - 1 - len(closing)
    lines = [line for group in _groups(comparison) for line in _in_full(group, verbose=verbose)]
    if not verbose and len(lines) > room:
        lines = [line for group in _groups(comparison) for line in _in_short(group)]
        hidden = len(lines) - max(room - 1, 0)
        note = (
            f"{count(hidden, 'line')} more, and all findings in full: -v" if hidden > 0 else "all of them in full: -v"
        )
        lines = [*lines[: max(room - 1, 0)], Line.of((f"{'':14}{note}", "dim"))]
    yield from lines
    yield from closing


def _groups(comparison: Comparison) -> Iterator[list[Finding]]:
    """The findings of each rule, by severity."""
    for _, findings in by_severity(comparison):
        for _, group in by_rule(findings):
            yield group


def _in_full(findings: list[Finding], *, verbose: bool) -> Iterator[Line]:
    rule, severity = findings[0].rule, findings[0].severity
    shown = findings if verbose else findings[:_FEW]
    for finding in shown:
        yield Line.of("  ", (f"{severity:<10}", STYLES[severity]), "  ", (rule, "cyan"), "  ", change(finding))
        if finding.evidence:
            yield Line.of(f"{'':14}{printable(finding.evidence)}")
        yield from _layout(finding.layout, verbose=verbose)
    if len(findings) > len(shown):
        yield Line.of(f"{'':14}and {len(findings) - len(shown):,} more of {rule} (all of them with -v)")
    yield from _fix(findings)


def _in_short(findings: list[Finding]) -> Iterator[Line]:
    rule, severity = findings[0].rule, findings[0].severity
    if len(findings) == 1:
        text = change(findings[0])
    else:
        names = ", ".join(printable(finding.subject) for finding in findings[:_FEW_NAMES])
        more = f" and {len(findings) - _FEW_NAMES:,} more" if len(findings) > _FEW_NAMES else ""
        text = f"{len(findings):,}: {names}{more}"
    yield Line.of("  ", (f"{severity:<10}", STYLES[severity]), "  ", (rule, "cyan"), "  ", text)
    yield from _fix(findings)


def _fix(findings: list[Finding]) -> Iterator[Line]:
    if findings[0].severity in (Severity.BREAKING, Severity.RISKY):
        yield Line.of(f"{'':14}fix: {printable(findings[0].fix)}", copied=True)


def _closing(comparison: Comparison) -> Iterator[Line]:
    """What is no finding: agreements, accepted findings, and what could not be compared."""
    for agreement in comparison.agreements if not comparison.identical else ():
        yield Line.of("  ", (f"{'same':<10}", "green"), "  ", printable(agreement))
    for accepted in comparison.suppressed:
        text = f"{accepted.finding.rule}  {change(accepted.finding)} ({accepted.reason})"
        yield Line.of("  ", (f"{'accepted':<10}", "dim"), "  ", printable(text))
    for remark in comparison.remarks:
        yield Line.of("  ", (f"{'suppress':<10}", "yellow"), "  ", printable(remark))
    for remark in comparison.not_compared:
        yield Line.of("  ", (f"{'not seen':<10}", "dim"), "  ", printable(remark))


def _layout(lines: tuple[str, ...], *, verbose: bool) -> Iterator[Line]:
    """A type before and after, what went in red and what came in green; unchanged stretches cut unless verbose."""
    shown = [n for n, line in enumerate(lines) if verbose or any(it[0] != " " for it in lines[max(n - 2, 0) : n + 3])]
    previous = -1
    for number in shown:
        if number != previous + 1:
            yield Line.of((f"{'':16}...", "dim"))
        yield Line.of((f"{'':14}{printable(lines[number])}", _LAYOUT_STYLES[lines[number][0]]))
        previous = number
