"""What there is to know of one kind of plugin, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from re import Pattern

from soinspect.elf.file import ElfFile
from soinspect.kinds.pluginfile import PluginFile
from soinspect.model.lateclass import dataclass
from soinspect.model.pluginkind import KindFact, KindProblem
from soinspect.model.symbol import Symbol


class Need(Enum):
    """Whether a plugin must export an entry point, one of several, or may."""

    REQUIRED = "required"
    ONE_OF = "one of these"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A symbol that the host looks for: its name (a ``*`` stands for a part that differs), and its C ``prototype``.

    Of a ``variable`` the prototype is its type. ``callable`` is True for functions that are safe to call without
    arguments and without their host: the host's documentation declares them with no parameters, and all they do is
    return a description. ``uses_python`` marks those that work with the Python interpreter of the process.
    """

    pattern: str
    prototype: str
    need: Need
    variable: bool = False
    callable: bool = False
    uses_python: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What together gives a kind away; ``proof`` looks at what the symbols that match ``exports[0]`` hold.

    ``lacks`` are exports of the host itself, which may well contain what its plugins do. ``file_name`` is a pattern of
    the whole name, and enough only where no other kind of file is named so.
    """

    exports: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    section: str | None = None
    file_name: Pattern[str] | None = None
    proof: Callable[[ElfFile, Symbol], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How an entry point's name follows from the file's.

    ``stem`` gives the part of the file name that the ``*`` in ``pattern`` must ``fit``, or None where any will do.
    ``binding`` tells whether the host knows no other way to find the entry point.
    """

    pattern: str
    stem: Callable[[str], str | None]
    binding: bool = True
    fit: Callable[[str, str], bool] = str.__eq__


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRule:
    """One kind of plugin. Any of ``signs`` is enough to recognise it.

    ``host`` is who loads it, ``read`` what it says of itself, ``judge`` what only this kind can have wrong.
    """

    id: str
    title: str
    host: str
    signs: tuple[Sign, ...]
    entry_points: tuple[EntryPoint, ...]
    reference: str
    naming: Naming | None = None
    read: Callable[[PluginFile], Iterable[KindFact]] | None = None
    judge: Callable[[PluginFile], Iterable[KindProblem]] | None = None


def function(
    pattern: str,
    prototype: str,
    need: Need = Need.REQUIRED,
    *,
    callable: bool = False,  # noqa: A002  (as the field is named)
    uses_python: bool = False,
) -> EntryPoint:
    """A function that the host looks for."""
    return EntryPoint(pattern=pattern, prototype=prototype, need=need, callable=callable, uses_python=uses_python)


def variable(pattern: str, prototype: str, need: Need = Need.REQUIRED) -> EntryPoint:
    """A variable that the host looks for."""
    return EntryPoint(pattern=pattern, prototype=prototype, need=need, variable=True)
