"""A type's layout, line by line."""

from __future__ import annotations

from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutLine:
    """A line of a layout: where its member starts (``"16"``, or ``"16:3"`` with a bit number; ``""`` for lines
    that place nothing), and its text.
    """

    place: str
    text: str
