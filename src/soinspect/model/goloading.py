"""What decides whether a Go program accepts a Go plugin: the facts of each side that ``plugin.Open`` depends on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts
from soinspect.model.image import ObjectKind


class PluginSupport(StrEnum):
    """What ``plugin.Open`` is in a Go program."""

    WORKING = "exports its packages to plugins"
    NOTHING_EXPORTED = "calls plugin.Open, and exports nothing that a plugin could bind to"
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
class GoHost:
    """A Go program that is to open plugins.

    ``package_hashes`` is what it exports, as (package, hexadecimal) pairs in no order that matters; ``static`` tells
    that no dynamic loader starts it; ``needed`` are its DT_NEEDED libraries.
    """

    path: str
    facts: GoFacts
    support: PluginSupport
    static: bool
    shape: ModuleShape | Absent
    package_hashes: tuple[tuple[str, str], ...]
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A file that a host is to open as a plugin.

    ``path`` is as given, ``identity`` the same for the same file. ``go`` is Absent for what is not Go's, ``shape``
    for what is no plugin.
    """

    path: str
    identity: str
    kind: ObjectKind
    go: GoFacts | Absent
    shape: ModuleShape | Absent
    needed: tuple[str, ...]
