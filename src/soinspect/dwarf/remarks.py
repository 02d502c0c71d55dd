"""What is odd in debug information, told to the user beside the answer."""

from __future__ import annotations

# Nobody reads more, and a hostile file has a million.
_MAX_REMARKS = 50


class Remarks:
    """Remarks of one reading, each once, in the order they came up; the first of them, where there are too many."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}
        self._untold = 0

    def add(self, text: str) -> None:
        """Remember a remark."""
        if text in self._told:
            return
        if len(self._told) < _MAX_REMARKS:
            self._told[text] = None
        else:
            self._untold += 1

    @property
    def told(self) -> tuple[str, ...]:
        """The remarks."""
        return (*self._told, f"and {self._untold} more remarks") if self._untold else tuple(self._told)
