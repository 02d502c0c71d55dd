"""``soinspect diff`` of folders, and of several versions of a file: a line a pair."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from soinspect.model.finding import Comparison, Severity
from soinspect.model.series import FolderComparison, Step, Timeline
from soinspect.model.texts import count
from soinspect.render.diff import STYLES
from soinspect.render.line import Line
from soinspect.render.text import printable

_FEW = 5


def folder_lines(compared: FolderComparison, *, verbose: bool) -> Iterator[Line]:
    """What the folders' files do to their users, then a line a pair, those that break first."""
    subject = printable(f"{compared.old} -> {compared.new}: ")
    if compared.nothing_to_compare:
        text = f"nothing to compare: no object file, snapshot or baseline in {compared.old}"
        yield Line.of(subject, (printable(text), STYLES[Severity.RISKY]))
        return
    breaking = [pair for pair in compared.pairs if pair.breaking]
    whose = "breaks its users" if len(breaking) == 1 else "break their users"
    parts = [f"{count(len(compared.pairs), 'file')} compared, {len(breaking)} {whose}"]
    unseen = sum(pair.types_missing is not None for pair in compared.pairs)
    parts += [f"types not compared in {unseen}"] if unseen else []
    parts += [f"{len(compared.gone)} gone"] if compared.gone else []
    parts += [f"{len(compared.added)} new"] if compared.added else []
    parts += [f"{len(compared.unreadable)} unreadable"] if compared.unreadable else []
    style = STYLES[Severity.BREAKING if breaking or compared.gone else Severity.COMPATIBLE]
    yield Line.of(subject, (", ".join(parts), style))
    for name in compared.gone:
        yield _row("gone", name, Severity.BREAKING)
    order = list(Severity)
    for pair in sorted(compared.pairs, key=lambda pair: order.index(_worst(pair))):
        if verbose or pair.findings:
            worst = _worst(pair)
            yield _row(worst, f"{_names(pair)}: {_counts(pair)}", worst)
    same = sum(not pair.findings for pair in compared.pairs)
    if same and not verbose:
        yield _row("same", f"{count(same, 'file')} without any difference in what others rely on", Severity.COMPATIBLE)
    for name in compared.added:
        yield _row("new", name, Severity.COMPATIBLE)
    for text in compared.unreadable:
        yield _row("unreadable", text, Severity.RISKY)
    if breaking:
        command = shlex.join(("soinspect", "diff", breaking[0].old, breaking[0].new))
        yield Line.of(f"{'':14}in full: {printable(command)}")


def timeline_lines(timeline: Timeline) -> Iterator[Line]:
    """How many versions break the one before, then a line a step."""
    breaking = sum(step.comparison.breaking for step in timeline.steps)
    style = STYLES[Severity.BREAKING if breaking else Severity.COMPATIBLE]
    unseen = sum(step.comparison.types_missing is not None for step in timeline.steps)
    types = f", types not compared in {unseen}" if unseen else ""
    steps = count(len(timeline.steps), "step")
    yield Line.of((f"{len(timeline.steps) + 1} versions, {breaking} of {steps} break users{types}", style))
    for step in timeline.steps:
        worst = _worst(step.comparison)
        yield _row(worst, f"{step.comparison.old} -> {step.comparison.new}: {_counts(step.comparison)}", worst)
        yield from _offers(step)


def _offers(step: Step) -> Iterator[Line]:
    for sign, names in (("-", step.removed), ("+", step.added)):
        if names:
            more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
            yield Line.of(f"{'':14}{sign}{len(names):,}: {printable(', '.join(names[:_FEW]))}{more}")


def _row(word: str, text: str, severity: Severity) -> Line:
    return Line.of("  ", (f"{word:<10}", STYLES[severity]), "  ", printable(text))


def _worst(comparison: Comparison) -> Severity:
    return comparison.findings[0].severity if comparison.findings else Severity.INFO


def _counts(comparison: Comparison) -> str:
    if not comparison.findings:
        return "no difference in what others rely on"
    totals = {severity: sum(f.severity is severity for f in comparison.findings) for severity in Severity}
    return ", ".join(f"{number:,} {severity}" for severity, number in totals.items() if number)


def _names(pair: Comparison) -> str:
    """The old path, and the new one where the file has another name."""
    same = pair.old.rpartition("/")[2] == pair.new.rpartition("/")[2]
    return pair.old if same else f"{pair.old} -> {pair.new}"
