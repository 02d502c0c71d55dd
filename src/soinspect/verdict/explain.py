"""From a text that somebody copied to what the loader meant, and whether some files explain it."""

from __future__ import annotations

import re
from dataclasses import replace

from soinspect.model.absence import Absent
from soinspect.model.explanation import Explanation
from soinspect.model.verdict import Outcome, Verdict
from soinspect.verdict.messages import MESSAGES

_MAX_TEXT = 1 << 13  # characters: patterns that search for a name take time that grows with its square


def explain(text: str) -> Explanation | Absent:
    """What a text, with whatever the program wrapped around the loader's words, means."""
    for known in MESSAGES:
        match = re.search(known.pattern, text[:_MAX_TEXT])
        if match:
            words = {name: value or "?" for name, value in match.groupdict().items()}
            return Explanation(
                id=known.id, message=match[0], means=known.means.format(**words), fix=known.fix.format(**words)
            )
    return Absent("not a message of Go, glibc or musl that is known")


def hold_against(explanation: Explanation, verdict: Verdict) -> Explanation:
    """The explanation with the verdict on the files: whether it foresees the same message, about the same thing.

    A dynamic linker's message may have come from surroundings that the files do not show.
    """
    foreseen = any(explanation.message in (reason.message or "") for it in verdict.plugins for reason in it.reasons)
    tellable = foreseen or (verdict.outcome is not Outcome.UNDECIDED and explanation.id.startswith("go."))
    return replace(explanation, verdict=verdict, foreseen=foreseen if tellable else None)
