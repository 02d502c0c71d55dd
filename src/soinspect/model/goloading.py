"""What decides whether a program accepts plugins, beyond what the dynamic loader looks at.

For Go that is what ``plugin.Open`` depends on.
"""

from __future__ import annotations

from enum import StrEnum

from soinspect.model.absence import Absent
from soinspect.model.golang import GoBinaryKind, GoFacts, GoPackageFolder, GoType
from soinspect.model.lateclass import dataclass
from soinspect.model.pluginkind import KindProblem
from soinspect.model.symbol import SymbolColumns


class PluginSupport(StrEnum):
    """What ``plugin.Open`` is in a Go program."""

    WORKING = "exports its packages to plugins"
    NOTHING_EXPORTED = "calls plugin.Open, and exports nothing that a plugin could bind to"
    SHARED = "has its Go runtime in a shared library"
    STUB = "has the plugin.Open that only says 'not implemented'"
    NONE = "never calls plugin.Open"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleShape:
    """How a program lays out ``runtime.moduledata``, which host and plugin read of each other.

    ``next_offset`` is where the link to the next module lies, in bytes; ``fields`` the releases that have the same
    fields before it.
    """

    next_offset: int
    fields: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPackage:
    """A package that a Go host exports to plugins, and its fingerprint in hexadecimal."""

    package: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoHosting:
    """What a Go program offers to plugins, whichever they are; ``packages`` are sorted by name."""

    support: PluginSupport
    shape: ModuleShape | Absent
    packages: tuple[HostPackage, ...]

    @property
    def opens_plugins(self) -> bool:
        """Whether plugin.Open can succeed."""
        return self.support is PluginSupport.WORKING


@dataclass(frozen=True, slots=True, kw_only=True)
class GoHost:
    """A Go program that is to open plugins.

    ``package_hashes`` is what it exports, as (package, hexadecimal) pairs in no order that matters; ``static`` tells
    that no dynamic loader starts it; ``needed`` are its DT_NEEDED libraries. ``folders`` are the source folders of
    the packages that may have to be explained, and of package main, as far as they are recorded. ``asserted`` are the
    types with a name that it asserts of what plugins export, as far as they are found in it, by the asserted texts.
    """

    path: str
    facts: GoFacts
    support: PluginSupport
    static: bool
    shape: ModuleShape | Absent
    package_hashes: tuple[tuple[str, str], ...]
    needed: tuple[str, ...]
    folders: tuple[GoPackageFolder, ...] = ()
    asserted: tuple[tuple[str, GoType], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A symbol that dlsym finds in ``provider``, a library that the plugin needs, since the plugin has none."""

    symbol: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrototypeCheck:
    """A function that is to have the prototype ``wanted``; ``found`` is that of debug information.

    ``differences`` are those that matter to a caller, in words.
    """

    symbol: str
    wanted: str
    found: str | Absent
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A file that a host is to open as a plugin.

    ``path`` is as given, ``identity`` the same for the same file. ``go`` is Absent for what is not Go's, ``shape``
    for what is no plugin. ``exports`` are the symbols that dlsym finds; they are not read of Go plugins, whose
    exports are in ``go``. ``producers`` are the compilers that it names, ``misfits`` what the hosts of plugins of its
    kind will not like, ``remarks`` what is to be said of the choice of this file, ``folders`` as of :class:`GoHost`.
    Where symbols are required, ``hidden`` are the functions and variables that it defines and does not export,
    ``inherited`` the required symbols that a library of its own has instead, and ``prototypes`` how the functions are
    declared that are required with a type.
    """

    path: str
    identity: str
    go: GoFacts | Absent
    shape: ModuleShape | Absent
    needed: tuple[str, ...]
    exports: SymbolColumns
    producers: tuple[str, ...]
    misfits: tuple[KindProblem, ...] = ()
    hidden: tuple[str, ...] = ()
    inherited: tuple[Inherited, ...] = ()
    prototypes: tuple[PrototypeCheck, ...] = ()
    remarks: tuple[str, ...] = ()
    folders: tuple[GoPackageFolder, ...] = ()

    @property
    def is_go_plugin(self) -> bool:
        """Whether it is a Go plugin, even one that cannot be read."""
        return isinstance(self.go, GoFacts) and self.go.kind is GoBinaryKind.PLUGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A file that is to open plugins; ``go`` is Absent for what is not Go's, ``producers`` as of :class:`Guest`."""

    path: str
    go: GoHost | Absent
    producers: tuple[str, ...]

    @property
    def opens_by_go(self) -> bool:
        """Whether it opens plugins with ``plugin.Open``, which is dlopen into the global scope."""
        return isinstance(self.go, GoHost) and self.go.support is not PluginSupport.NONE
