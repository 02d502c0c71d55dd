"""What the virtual table or the type information of a C++ class holds."""

from __future__ import annotations

from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTable:
    """The table that ``symbol`` (``_ZTV...`` or ``_ZTI...``) names.

    A word is the raw name of the symbol it points to, a signed decimal number, or None for a pointer to something
    without a name.
    """

    symbol: str
    words: tuple[str | None, ...]
