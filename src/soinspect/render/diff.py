"""The page of ``soinspect diff``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.text import Text

from soinspect.model.finding import Comparison, Severity
from soinspect.render.findings import change
from soinspect.render.text import printable

_STYLES = {
    Severity.BREAKING: "bold red",
    Severity.RISKY: "yellow",
    Severity.COMPATIBLE: "green",
    Severity.INFO: "dim",
}
_LAYOUT_STYLES = {" ": "", "-": "red", "+": "green"}
_FEW = 20


def diff_lines(comparison: Comparison, *, verbose: bool) -> Iterator[Text]:
    """The verdict, the findings by severity with their fixes, what agrees, what could not be compared."""
    worst = Severity.BREAKING if comparison.breaking else Severity.COMPATIBLE
    yield Text.assemble(printable(f"{comparison.old} -> {comparison.new}: "), (comparison.verdict, _STYLES[worst]))
    for rule, group in groupby(comparison.findings, key=lambda finding: finding.rule):
        findings = list(group)
        shown = findings if verbose else findings[:_FEW]
        severity = findings[0].severity
        for finding in shown:
            yield Text.assemble("  ", (f"{severity:<10}", _STYLES[severity]), "  ", (rule, "cyan"), "  ",
                                change(finding))  # fmt: skip
            if finding.evidence:
                yield Text(f"{'':14}{printable(finding.evidence)}")
            yield from _layout(finding.layout, verbose=verbose)
        if len(findings) > len(shown):
            yield Text(f"{'':14}and {len(findings) - len(shown):,} more of {rule} (all of them with -v)")
        if severity in (Severity.BREAKING, Severity.RISKY):
            yield Text(f"{'':14}fix: {findings[0].fix}")
    for agreement in comparison.agreements if not comparison.identical else ():
        yield Text.assemble("  ", (f"{'same':<10}", "green"), "  ", printable(agreement))
    for accepted in comparison.suppressed:
        text = f"{accepted.finding.rule}  {change(accepted.finding)} ({accepted.reason})"
        yield Text.assemble("  ", (f"{'accepted':<10}", "dim"), "  ", printable(text))
    for remark in comparison.remarks:
        yield Text.assemble("  ", (f"{'suppress':<10}", "yellow"), "  ", printable(remark))
    for remark in comparison.not_compared:
        yield Text.assemble("  ", (f"{'not seen':<10}", "dim"), "  ", printable(remark))


def _layout(lines: tuple[str, ...], *, verbose: bool) -> Iterator[Text]:
    """A type before and after, what went in red and what came in green; unchanged stretches cut unless verbose."""
    shown = [n for n, line in enumerate(lines) if verbose or any(it[0] != " " for it in lines[max(n - 2, 0) : n + 3])]
    previous = -1
    for number in shown:
        if number != previous + 1:
            yield Text(f"{'':16}...", "dim")
        yield Text(f"{'':14}{printable(lines[number])}", _LAYOUT_STYLES[lines[number][0]])
        previous = number
