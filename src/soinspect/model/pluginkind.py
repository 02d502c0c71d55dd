"""What a file is a plugin for: the kind of plugin, what it says of itself, what its host will not like."""

from __future__ import annotations

from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass
from soinspect.model.requirement import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFact:
    """Something that a plugin says to its host, read without running it; Absent with why it could not be read."""

    name: str
    value: str | int | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class KindProblem:
    """What does not fit the kind of plugin ``kind``.

    ``refused`` tells whether the host will not take the plugin as it is; else it may, depending on how it is loaded.
    """

    kind: str
    summary: str
    refused: bool
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntryPoint:
    """An exported symbol that the host looks for, and the C ``prototype`` it expects (of variables: the type)."""

    symbol: str
    prototype: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginKind:
    """One kind of plugin that a file is; ``evidence`` is what in the file says so."""

    id: str
    title: str
    host: str
    evidence: tuple[str, ...]
    entry_points: tuple[FoundEntryPoint, ...]
    facts: tuple[KindFact, ...]
    problems: tuple[KindProblem, ...]
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoHostProfile:
    """What a Go host looks up in its plugins: all of ``required``, and at least one of ``any_of`` if there are some."""

    id: str
    title: str
    required: tuple[Requirement, ...] = ()
    any_of: tuple[Requirement, ...] = ()
    reference: str = ""
