"""A page: one line that answers, then named facts, one below the other."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from soinspect.render.line import FIX, Line
from soinspect.render.text import printable

_INDENT = 2


@dataclass(slots=True)
class Page:
    """Lines of ``key  value``; a key with several values has them below each other.

    A fix is to be copied: it is one line, however narrow the terminal.
    """

    answer: str
    style: str = "bold"
    rows: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)

    def add(self, key: str, values: str | Iterable[str], style: str = "") -> None:
        """Add a fact; no values, no line."""
        lines = (values,) if isinstance(values, str) else tuple(values)
        if lines:
            self.rows.append((key, lines, style))

    def lines(self, width: int | None) -> Iterator[Line]:
        """The page as styled lines: wrapped to ``width`` columns, or every value on one line if it is None."""
        yield Line.of((printable(self.answer), self.style))
        key_width = max((len(key) for key, _, _ in self.rows), default=0)
        start = _INDENT + key_width + 2
        for key, values, style in self.rows:
            first = True
            for value in values:
                copied = key == FIX
                for line in _wrap(printable(value), None if copied else width, start):
                    label = key if first else ""
                    yield Line.of(" " * _INDENT, (label.ljust(key_width), "cyan"), "  ", (line, style), copied=copied)
                    first = False


def _wrap(value: str, width: int | None, start: int) -> Sequence[str]:
    if width is None or len(value) + start <= width:
        return (value,)
    room = max(width - start, 20)
    return textwrap.wrap(value, room, subsequent_indent="  ", break_on_hyphens=False) or ("",)
