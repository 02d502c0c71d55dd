"""How symbols and long lists are put into words."""

from __future__ import annotations

from collections.abc import Sequence

from soinspect.demangle.scheme import demangle
from soinspect.model.symbol import Symbol

_FEW = 5


def readable(symbol: Symbol) -> str:
    """A symbol as its programmer knows it, and as the linker does where that differs."""
    text = demangle(symbol.name)
    return symbol.versioned_name if text == symbol.name else f"{text} ({symbol.versioned_name})"


def few(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
