"""The pages of ``soinspect check``."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.model.verdict import Outcome, PluginVerdict, Verdict
from soinspect.render.line import FIX, Line
from soinspect.render.page import Page
from soinspect.render.text import last_part, printable

_WORDS = {
    Outcome.ACCEPTED: ("OK", "bold green"),
    Outcome.REJECTED: ("FAIL", "bold red"),
    Outcome.ABORTS_HOST: ("ABORT", "bold red"),
    Outcome.UNDECIDED: ("UNDECIDED", "bold yellow"),
}


def check_lines(verdict: Verdict, *, verbose: bool, width: int | None) -> Iterator[Line]:
    """The verdict in one line; then, for each plugin, every reason with what the loader prints, cause and fix."""
    several = len(verdict.plugins) > 1
    if several:
        yield _overall(verdict)
    for plugin in verdict.plugins:
        passed = verbose or (plugin.outcome is Outcome.ACCEPTED and not several)
        yield from _page(verdict.host, plugin, passed=passed).lines(width)


def _overall(verdict: Verdict) -> Line:
    word, style = _WORDS[verdict.outcome]
    host, total = last_part(verdict.host), len(verdict.plugins)
    if verdict.outcome is Outcome.ACCEPTED:
        return Line.of((printable(f"{word} all {total} plugins in {host}, in this order"), style))
    met = [last_part(plugin.path) for plugin in verdict.plugins if plugin.outcome is verdict.outcome]
    return Line.of((printable(f"{word} {len(met)} of {total} plugins in {host}: {', '.join(met)}"), style))


def _page(host: str, plugin: PluginVerdict, *, passed: bool) -> Page:
    word, style = _WORDS[plugin.outcome]
    summary = plugin.summary
    page = Page(f"{word} {last_part(plugin.path)} in {last_part(host)}: {summary}", style)
    for reason in plugin.reasons:
        page.add("risk" if reason.outcome is Outcome.ACCEPTED else "reason", reason.rule)
        if reason.summary != summary:
            page.add("", reason.summary)
        page.add("prints", reason.message or ())
        page.add("evidence", reason.evidence)
        page.add(FIX, reason.fix, "bold")
    page.add("note", plugin.remarks)
    if passed:
        page.add("passed", plugin.passed)
    return page
