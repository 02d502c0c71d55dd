"""Absence is a value: why a fact is not there, instead of None."""

from __future__ import annotations

from typing import Literal

from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True)
class Absent:
    """A fact that the file does not hold, and why (``"stripped: no .symtab"``)."""

    reason: str

    def __bool__(self) -> Literal[False]:
        """Absent facts are false, so that ``facts.go and facts.go.version`` reads naturally."""
        return False
