"""What the words of a loader mean."""

from __future__ import annotations

from dataclasses import dataclass

from soinspect.model.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderMessage:
    """A message that loaders print: how to recognise it, what it means, what to do.

    ``pattern`` is a regular expression; ``means`` and ``fix`` may name its groups in braces.
    """

    id: str
    pattern: str
    means: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A message that was recognised in a text.

    ``verdict`` is that on the files that were given, if any. ``foreseen`` tells whether it foresees this very
    message: None without files, or where the verdict is open.
    """

    id: str
    message: str
    means: str
    fix: str
    verdict: Verdict | None = None
    foreseen: bool | None = None
