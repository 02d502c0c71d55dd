"""What the words of a loader mean."""

from __future__ import annotations

from soinspect.model.golang import GoPlugin
from soinspect.model.lateclass import dataclass
from soinspect.model.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderMessage:
    """A message that loaders print: how to recognise it, what it means, what to do.

    ``pattern`` is a regular expression; ``means`` and ``fix`` may name its groups in braces. The group ``file`` is a
    file, which others may call by another path, ``path`` what tells nothing about the cause. ``foreseen_by`` are the
    rules of ``check`` whose finding explains the message, whatever its words are.
    """

    id: str
    pattern: str
    means: str
    fix: str
    foreseen_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginNames:
    """The names of a plugin that a message may be about: ``go`` is None for what is no Go plugin."""

    path: str
    go: GoPlugin | None
    exported: frozenset[str]
    undefined: frozenset[str]
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A message that was recognised in a text.

    ``verdict`` is that on the files that were given, if any, and on what the message says is looked up in them.
    ``foreseen`` tells whether it foresees this very message: None without files, or where that is open; ``remarks``
    say why.
    """

    id: str
    message: str
    means: str
    fix: str
    verdict: Verdict | None = None
    foreseen: bool | None = None
    remarks: tuple[str, ...] = ()
