"""Symbols and what qualifies them (System V gABI, "Symbol Table"; symbol versions: LSB, "Symbol Versioning")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import overload

from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """One symbol of one table.

    ``version`` is the version's name or None for the base version; ``default_version`` tells ``name@@version``
    (what a new link binds to) from ``name@version``. ``section`` is the name of the section it is defined in,
    ``"UND"``, ``"ABS"``, ``"COMMON"``, or ``"[index]"`` where the section has no readable name.
    """

    name: str
    version: str | None
    default_version: bool
    value: int
    size: int
    type: SymbolType
    binding: SymbolBinding
    visibility: SymbolVisibility
    section: str

    @property
    def defined(self) -> bool:
        """Whether this object provides the symbol."""
        return self.section != "UND"

    @property
    def exported(self) -> bool:
        """Whether other objects can bind to it: defined, not local, default or protected visibility."""
        return (
            self.section != "UND"
            and self.binding is not SymbolBinding.LOCAL
            and self.visibility in (SymbolVisibility.DEFAULT, SymbolVisibility.PROTECTED)
        )

    @property
    def versioned_name(self) -> str:
        """The name as binutils write it: ``name``, ``name@version`` or ``name@@version``."""
        if self.version is None:
            return self.name
        return f"{self.name}{'@@' if self.default_version else '@'}{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolColumns:
    """The symbols of a table, one sequence a field, all of the same length: a large table costs a few objects.

    ``infos`` and ``others`` are ``st_info`` and ``st_other``; the other columns are the fields of :class:`Symbol`.
    """

    names: Sequence[str]
    versions: Sequence[str | None]
    default_versions: Sequence[bool]
    values: Sequence[int]
    sizes: Sequence[int]
    infos: Sequence[int]
    others: Sequence[int]
    sections: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Symbol]:
        return map(self.symbol, range(len(self)))

    def symbol(self, index: int) -> Symbol:
        """The symbol at ``index``."""
        info = self.infos[index]
        return Symbol(
            name=self.names[index],
            version=self.versions[index],
            default_version=self.default_versions[index],
            value=self.values[index],
            size=self.sizes[index],
            type=_TYPES[info & 0xF],
            binding=_BINDINGS[info >> 4],
            visibility=_VISIBILITIES[self.others[index] & 3],
            section=self.sections[index],
        )

    @classmethod
    def none(cls) -> SymbolColumns:
        """A table without symbols."""
        return cls(**dict.fromkeys(cls.__slots__, ()))

    @classmethod
    def of(cls, symbols: Sequence[Symbol]) -> SymbolColumns:
        """The table of these symbols."""
        return cls(
            names=[it.name for it in symbols],
            versions=[it.version for it in symbols],
            default_versions=[it.default_version for it in symbols],
            values=[it.value for it in symbols],
            sizes=[it.size for it in symbols],
            infos=[it.binding << 4 | it.type for it in symbols],
            others=[int(it.visibility) for it in symbols],
            sections=[it.section for it in symbols],
        )

    def joined(self, other: SymbolColumns) -> SymbolColumns:
        """The symbols of both, those of ``other`` only if none here has the same name, value and section."""
        known = set(zip(self.names, self.values, self.sections, strict=True))
        rows = enumerate(zip(other.names, other.values, other.sections, strict=True))
        new = other.take([i for i, row in rows if row not in known])
        return SymbolColumns(**{name: [*getattr(self, name), *getattr(new, name)] for name in self.__slots__})

    @property
    def exported(self) -> list[int]:
        """The indexes of the symbols that other objects can bind to, as :attr:`Symbol.exported` has it."""
        rows = enumerate(zip(self.sections, self.infos, self.others, strict=True))
        return [i for i, (section, info, other) in rows if section != "UND" and info >> 4 and other & 3 in _EXPORTABLE]

    @property
    def undefined(self) -> list[int]:
        """The indexes of the symbols that other objects must provide."""
        return [i for i, section in enumerate(self.sections) if section == "UND"]

    def take(self, indexes: Sequence[int]) -> SymbolColumns:
        """The symbols at ``indexes``, in this order."""
        return SymbolColumns(
            names=list(map(self.names.__getitem__, indexes)),
            versions=list(map(self.versions.__getitem__, indexes)),
            default_versions=list(map(self.default_versions.__getitem__, indexes)),
            values=list(map(self.values.__getitem__, indexes)),
            sizes=list(map(self.sizes.__getitem__, indexes)),
            infos=list(map(self.infos.__getitem__, indexes)),
            others=list(map(self.others.__getitem__, indexes)),
            sections=list(map(self.sections.__getitem__, indexes)),
        )


_TYPES = tuple(SymbolType(number) for number in range(16))
_BINDINGS = tuple(SymbolBinding(number) for number in range(16))
_VISIBILITIES = tuple(SymbolVisibility)
_EXPORTABLE = (SymbolVisibility.DEFAULT, SymbolVisibility.PROTECTED)


class SymbolKind(StrEnum):
    """What a linker symbol is for the programmer; the values are what ``symbols --kind`` takes.

    All but ``IMPORT`` and ``C`` are classes of names that Go's compiler and linker make
    (cmd/link/internal/ld/symtab.go, cmd/compile/internal/reflectdata/reflect.go).
    """

    EXPORT = "export"
    INIT = "init"
    FUNCTION = "function"
    METHOD = "method"
    CLOSURE = "closure"
    WRAPPER = "wrapper"
    EQUALITY = "equality"
    VARIABLE = "variable"
    STATIC = "static"
    GENERIC = "generic"
    TYPE = "type"
    ITAB = "itab"
    PACKAGE_HASH = "package-hash"
    BUILD_INFO = "build-info"
    RUNTIME = "runtime"
    CGO = "cgo"
    C = "c"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A symbol's name made readable.

    ``text`` is the demangled or decoded name (the raw name where there is nothing to decode), ``kind`` what it
    is, ``package`` the Go import path it belongs to, or None.
    """

    text: str
    kind: SymbolKind
    package: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSymbol:
    """A symbol with what its name means."""

    symbol: Symbol
    explained: Explained


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSymbols(Sequence[ExplainedSymbol]):
    """Symbols with what their names mean, as columns; ``texts``, ``kinds`` and ``packages`` are of :class:`Explained`.

    It is a sequence of :class:`ExplainedSymbol`, each made when it is asked for.
    """

    symbols: SymbolColumns
    texts: Sequence[str]
    kinds: Sequence[SymbolKind]
    packages: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.symbols)

    @overload
    def __getitem__(self, index: int) -> ExplainedSymbol: ...
    @overload
    def __getitem__(self, index: slice) -> ExplainedSymbols: ...
    def __getitem__(self, index: int | slice) -> ExplainedSymbol | ExplainedSymbols:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return ExplainedSymbol(
            symbol=self.symbols.symbol(index),
            explained=Explained(text=self.texts[index], kind=self.kinds[index], package=self.packages[index]),
        )

    def take(self, indexes: Sequence[int]) -> ExplainedSymbols:
        """The symbols at ``indexes``, in this order."""
        symbols = self.symbols.take(indexes)
        same = self.texts is self.symbols.names
        return ExplainedSymbols(
            symbols=symbols,
            texts=symbols.names if same else list(map(self.texts.__getitem__, indexes)),
            kinds=list(map(self.kinds.__getitem__, indexes)),
            packages=list(map(self.packages.__getitem__, indexes)),
        )
