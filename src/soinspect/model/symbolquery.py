"""What to list of a symbol table, and the listing, as values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from soinspect.model.constants import SymbolType
from soinspect.model.lateclass import dataclass
from soinspect.model.symbol import ExplainedSymbols, SymbolKind


class SortKey(StrEnum):
    """The orders of a listing; without one, a plugin's own symbols come first, then names."""

    NAME = "name"
    ADDRESS = "address"
    SIZE = "size"


class Scope(StrEnum):
    """Which side of the object's contract."""

    ALL = "all"
    DEFINED = "defined"
    UNDEFINED = "undefined"
    EXPORTS = "exports"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolQuery:
    """What to list: every condition must hold; empty ``types`` or ``kinds`` mean any.

    ``pattern`` is a regular expression that must be found in the raw or in the readable name.
    """

    scope: Scope = Scope.ALL
    types: frozenset[SymbolType] = frozenset()
    kinds: frozenset[SymbolKind] = frozenset()
    pattern: re.Pattern[str] | None = None
    sort: SortKey | None = None
    demangle: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolListing:
    """The symbols of one file that a query chose; ``remarks`` says what could not be listed, and why.

    ``table`` holds the chosen symbols as they stand in the file, ``order`` their indexes in the order asked for.
    """

    path: str
    what: str
    plugin_path: str | None
    table: ExplainedSymbols
    order: Sequence[int]
    remarks: tuple[str, ...]

    @property
    def rows(self) -> ExplainedSymbols:
        """The chosen symbols in order."""
        return self.table.take(self.order)
