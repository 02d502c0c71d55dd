"""Comparisons of more than two files: folders of them, or versions of one."""

from __future__ import annotations

from soinspect.model.finding import Comparison, Severity
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file of a folder, and what it can be recognised by in another one.

    ``relative`` is its path below the folder. ``plugin_path`` is that of a Go plugin, None where it only depends on
    the sources (``plugin/unnamed-...``).
    """

    path: str
    relative: str
    soname: str | None
    plugin_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderComparison:
    """How the files of one folder differ from those of another: pairs in the order of their names.

    ``gone`` and ``added`` are files without a partner, ``unreadable`` says what could not be read, and why.
    """

    old: str
    new: str
    pairs: tuple[Comparison, ...]
    gone: tuple[str, ...]
    added: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def nothing_to_compare(self) -> bool:
        """Whether the old folder holds no file that could be read: most likely another folder is meant."""
        return not (self.pairs or self.gone or self.unreadable)

    def has(self, least: Severity) -> bool:
        """Whether a finding of any pair is at least this grave; a file that is gone breaks whoever opens it."""
        return bool(self.gone) or any(pair.has(least) for pair in self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one version changes: names that others can bind to or look up, added and removed; and all findings."""

    comparison: Comparison
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Several versions of one file, each compared with the one before."""

    steps: tuple[Step, ...]

    def has(self, least: Severity) -> bool:
        """Whether a finding of any step is at least this grave."""
        return any(step.comparison.has(least) for step in self.steps)
