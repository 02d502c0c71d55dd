"""A type before and after, as one list of lines."""

from __future__ import annotations

from difflib import SequenceMatcher

from soinspect.model.layout import LayoutLine

_MAX_LINES = 2000


def side_by_side(old: tuple[LayoutLine, ...], new: tuple[LayoutLine, ...]) -> tuple[str, ...]:
    """Both layouts in one: lines begin with a blank, ``-`` or ``+``; nothing where they are equal, or very long."""
    if old == new or len(old) + len(new) > _MAX_LINES:
        return ()
    width = max(len(line.place) for line in (*old, *new))
    lines: list[str] = []
    for _, i, j, k, m in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        marks = (" ",) if old[i:j] == new[k:m] else ("-", "+")
        for mark, part in zip(marks, (old[i:j], new[k:m]), strict=False):
            lines += (f"{mark} {line.place:>{width}}  {line.text}" for line in part)
    return tuple(lines)
