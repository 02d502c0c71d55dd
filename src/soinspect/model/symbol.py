"""Symbols and what qualifies them (System V gABI, "Symbol Table"; symbol versions: LSB, "Symbol Versioning")."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility


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
