"""The pages of ``soinspect check``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from rich.text import Text

from soinspect.model.verdict import Outcome, PluginVerdict, Verdict
from soinspect.render.page import Page

_WORDS = {
    Outcome.ACCEPTED: ("OK", "bold green"),
    Outcome.REJECTED: ("FAIL", "bold red"),
    Outcome.ABORTS_HOST: ("ABORT", "bold red"),
    Outcome.UNDECIDED: ("UNDECIDED", "bold yellow"),
}


def check_lines(verdict: Verdict, *, verbose: bool, width: int | None) -> Iterator[Text]:
    """The verdict in one line; then, for each plugin, every reason with what the loader prints, cause and fix."""
    if len(verdict.plugins) > 1:
        yield _overall(verdict)
    for plugin in verdict.plugins:
        yield from _page(verdict.host, plugin, verbose=verbose).lines(width)


def _overall(verdict: Verdict) -> Text:
    word, style = _WORDS[verdict.outcome]
    total = len(verdict.plugins)
    if verdict.outcome is Outcome.ACCEPTED:
        return Text(f"{word} all {total} plugins in {PurePath(verdict.host).name}, in this order", style)
    met = sum(plugin.outcome is verdict.outcome for plugin in verdict.plugins)
    return Text(f"{word} {met} of {total} plugins in {PurePath(verdict.host).name}, in this order", style)


def _page(host: str, plugin: PluginVerdict, *, verbose: bool) -> Page:
    word, style = _WORDS[plugin.outcome]
    page = Page(f"{word} {PurePath(plugin.path).name} in {PurePath(host).name}: {plugin.summary}", style)
    for reason in plugin.reasons:
        page.add("risk" if reason.outcome is Outcome.ACCEPTED else "reason", reason.rule)
        if reason.summary != plugin.summary:
            page.add("", reason.summary)
        page.add("prints", reason.message or ())
        page.add("evidence", reason.evidence)
        page.add("fix", reason.fix, "bold")
    if verbose or plugin.outcome is Outcome.ACCEPTED:
        page.add("passed", plugin.passed)
    return page
