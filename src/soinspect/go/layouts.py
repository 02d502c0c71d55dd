"""How ``runtime.moduledata`` was laid out over time: field by field, as in src/runtime/symtab.go of each release.

The field order below is checked against compiled files of every layout; offsets follow from it, since each field
is a whole number of 64-bit words.
"""

from __future__ import annotations

import re

from soinspect.go.memory import WORD
from soinspect.model.lateclass import dataclass

NEWEST_KNOWN = 27  # the minor version of the newest release that these tables describe

_SIZES = {"slice": 3, "string": 2}

_TABLES_OLD = "pclntable:slice ftab:slice filetab:slice"
_TABLES = "pcheader funcnametab:slice cutab:slice filetab:slice pctab:slice pclntable:slice ftab:slice"
_SEGMENTS = "findfunctab minpc maxpc text etext noptrdata enoptrdata data edata bss ebss noptrbss enoptrbss"
_COVERAGE = "covctrs ecovctrs"
_GC = "end gcdata gcbss"
_LINKS = "textsectmap:slice typelinks:slice itablinks:slice"
_PLUGIN = "ptab:slice pluginpath:string pkghashes:slice"
_SHARED = "modulename:string modulehashes:slice hasmain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleLayout:
    """The layout of moduledata in the releases from go1.``first`` to go1.``last``.

    ``magic`` is the first word of the pclntab of these releases, ``offsets`` maps a field to its offset in bytes.
    """

    first: int
    last: int
    magic: int
    offsets: dict[str, int]
    slices: tuple[str, ...]

    @property
    def text(self) -> str:
        """The releases, for people."""
        return version_range(self.first, self.last)


def version_range(first: int, last: int) -> str:
    """``"go1.19"`` or ``"go1.18 to go1.19"``."""
    return f"go1.{first}" if first == last else f"go1.{first} to go1.{last}"


def _layout(first: int, last: int, magic: int, *groups: str) -> ModuleLayout:
    offsets: dict[str, int] = {}
    slices: list[str] = []
    position = 0
    for field in " ".join(groups).split():
        name, _, kind = field.partition(":")
        offsets[name] = position
        if kind == "slice":
            slices.append(name)
        position += WORD * _SIZES.get(kind, 1)
    return ModuleLayout(first=first, last=last, magic=magic, offsets=offsets, slices=tuple(slices))


# Inside of one class the fields after ``hasmain`` move (see ``next_offset``); what precedes it does not.
# go1.8 and go1.9 have no ``hasmain``; a word that is zero in their files stands in its place.
LAYOUTS = (
    _layout(8, 15, 0xFFFFFFFB, _TABLES_OLD, _SEGMENTS, _GC, "types etypes", _LINKS, _PLUGIN, _SHARED),
    _layout(16, 17, 0xFFFFFFFA, _TABLES, _SEGMENTS, _GC, "types etypes", _LINKS, _PLUGIN, _SHARED),
    _layout(18, 19, 0xFFFFFFF0, _TABLES, _SEGMENTS, _GC, "types etypes rodata gofunc", _LINKS, _PLUGIN, _SHARED),
    _layout(20, 20, 0xFFFFFFF1, _TABLES, _SEGMENTS, _COVERAGE, _GC, "types etypes rodata gofunc", _LINKS, _PLUGIN,
            _SHARED),
    _layout(21, 25, 0xFFFFFFF1, _TABLES, _SEGMENTS, _COVERAGE, _GC, "types etypes rodata gofunc", _LINKS, _PLUGIN,
            "inittasks:slice", _SHARED),
    _layout(26, 26, 0xFFFFFFF1, _TABLES, _SEGMENTS, _COVERAGE, _GC, "types etypes rodata gofunc epclntab", _LINKS,
            _PLUGIN, "inittasks:slice", _SHARED),
    _layout(27, 27, 0xFFFFFFF1, _TABLES, _SEGMENTS, _COVERAGE, _GC,
            "types typedesclen etypes itaboffset itabsize rodata gofunc epclntab textsectmap:slice", _PLUGIN,
            "inittasks:slice", _SHARED),
)  # fmt: skip

MAGICS = frozenset(layout.magic for layout in LAYOUTS)


_MINOR = re.compile(r"go1\.(\d+)")


def minor_of(version: str) -> int | None:
    """The X of "go1.X" in a version text, development versions included; None if there is none."""
    match = _MINOR.search(version)
    return int(match[1]) if match else None
