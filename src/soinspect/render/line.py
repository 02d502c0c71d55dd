"""A line of output with styles, which only terminals show: in a pipe it is text, and rich need not be loaded."""

from __future__ import annotations

from soinspect.model.lateclass import dataclass

FIX = "fix"  # the label of what is to be copied


@dataclass(frozen=True, slots=True)
class Line:
    """Pieces of text, each with the name of a style as rich has it, or ``""``.

    ``copied`` marks what is to be copied from a terminal: it is not broken, however narrow that is.
    """

    pieces: tuple[tuple[str, str], ...]
    copied: bool = False

    @classmethod
    def of(cls, *parts: str | tuple[str, str], copied: bool = False) -> Line:
        """The line of these texts, and texts with a style."""
        return cls(tuple((part, "") if isinstance(part, str) else part for part in parts), copied)

    @property
    def plain(self) -> str:
        """The text alone."""
        return "".join(text for text, _ in self.pieces)
