"""The page of ``soinspect explain``."""

from __future__ import annotations

from soinspect.model.explanation import Explanation
from soinspect.render.page import Page
from soinspect.render.text import last_part

_FILES = {
    True: "these files explain it",
    False: "these files do not explain it: they fail otherwise, or not at all",
    None: "whether these files explain it cannot be told",
}


def explanation_page(explanation: Explanation) -> Page:
    """What it means; with files, whether they explain it; what to do."""
    page = Page(f"{explanation.message}: {explanation.means}")
    if explanation.verdict is not None:
        page.add("files", _FILES[explanation.foreseen])
        for plugin in explanation.verdict.plugins:
            page.add("check", f"{last_part(plugin.path)}: {plugin.outcome}: {plugin.summary}")
        page.add("remark", explanation.remarks)
    page.add("fix", explanation.fix, "bold")
    return page
