"""What is asked about a Go binary, and what is answered."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts, GoFunction, GoFunctions, GoItab, GoPackageSize, GoSourceProof, GoType
from soinspect.model.lateclass import dataclass


class GoTable(StrEnum):
    """A table of a Go binary, in the order in which they are listed."""

    PACKAGES = "packages"
    INITS = "inits"
    FUNCTIONS = "functions"
    TYPES = "types"
    ITABS = "itabs"
    SIZES = "sizes"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoQuery:
    """Which tables to read beside the facts.

    ``match`` is a shell pattern on the names of functions and types. ``depth`` says how far to follow the types of
    the exports: 1 to the named types that they mention, 2 to those that these mention, and so on. ``sources`` are
    the contents of the files that the plugin is said to be built from; empty: nobody asked. Without ``facts``, the
    file as a whole is not described, which takes longer than most tables.
    """

    facts: bool = True

    tables: frozenset[GoTable] = frozenset()
    match: str = "*"
    depth: int = 1
    addresses: tuple[int, ...] = ()
    sources: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAddress:
    """An address that was asked for, and the function there with the file and line of that very address."""

    address: int
    function: GoFunction | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class GoReport:
    """The answer: the facts of a file, the tables that were asked for, and what could not be read of all that.

    ``facts`` are Absent if nobody asked for them. ``mentioned_types`` are the named types in the exports' types.
    Tables are Absent that a snapshot was asked for, which does not hold them.
    """

    path: str
    facts: GoFacts | Absent
    mentioned_types: tuple[GoType, ...]
    functions: GoFunctions | Absent
    types: tuple[GoType, ...] | Absent
    itabs: tuple[GoItab, ...] | Absent
    sizes: tuple[GoPackageSize, ...] | Absent
    addresses: tuple[GoAddress, ...]
    source: GoSourceProof | None
    problems: tuple[str, ...]

    def missing(self, tables: Collection[GoTable]) -> list[GoTable]:
        """Those of ``tables`` that are Absent."""
        values = {
            GoTable.FUNCTIONS: self.functions,
            GoTable.TYPES: self.types,
            GoTable.ITABS: self.itabs,
            GoTable.SIZES: self.sizes,
        }
        return [table for table, value in values.items() if table in tables and isinstance(value, Absent)]
