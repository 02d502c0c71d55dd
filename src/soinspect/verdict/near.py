"""Names that somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_FEW = 3
_MAX_COMPARED = 2000
_LENGTHS = 4  # characters that a name may be longer or shorter


def near_names(name: str, names: Iterable[str]) -> str:
    """Names that may be meant by ``name``, in words; ``""`` if none is. Small and capital letters are the same."""
    likely = (it for it in names if abs(len(it) - len(name)) <= _LENGTHS)
    by_case: dict[str, list[str]] = {}
    for it in islice(likely, _MAX_COMPARED):
        by_case.setdefault(it.casefold(), []).append(it)
    near = get_close_matches(name.casefold(), by_case, n=_FEW)
    return " or ".join([it for folded in near for it in by_case[folded]][:_FEW])
