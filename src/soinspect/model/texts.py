"""Texts: numbers with their nouns, and columns of texts that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload


def count(number: int, noun: str) -> str:
    """``"1 export"``, ``"2,048 exports"``, ``"3 libraries"``."""
    if number == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{number:,} {plural}"


class LazyTexts(Sequence[str]):
    """``text_of`` each of ``sources``: whoever looks at a few of thousands pays for these."""

    def __init__(self, text_of: Callable[[str], str], sources: Sequence[str]) -> None:
        self._text_of = text_of
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> LazyTexts: ...
    def __getitem__(self, index: int | slice) -> str | LazyTexts:
        sources = self._sources[index]
        return self._text_of(sources) if isinstance(sources, str) else LazyTexts(self._text_of, sources)

    def __iter__(self) -> Iterator[str]:
        return map(self._text_of, self._sources)
