"""Abbreviation tables (DWARF 5, section 7.5.3), compiled for skipping entries fast."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from enum import IntEnum
from struct import Struct
from typing import Literal, NamedTuple

from soinspect.dwarf.constants import At, Form, Tag
from soinspect.dwarf.sections import DebugSection
from soinspect.model.lateclass import dataclass

# One declaration: its code, which is not 0; its tag and whether entries have children; pairs of attribute and form,
# DW_FORM_implicit_const (0x21) with a number behind; a pair of zeros. LEB128 numbers have up to ten bytes, and an
# entry has fewer attributes than the standard knows. Bounded and without backtracking, whatever the bytes.
_LEB = rb"[\x80-\xff]{0,9}+[\x00-\x7f]"
_DECLARATION = re.compile(
    rb"((?!\0)%(leb)s)(%(leb)s[\0\x01](?:(?!\0\0)%(leb)s(?:\x21%(leb)s|(?!\x21)%(leb)s)){0,255}+\0\0)" % {b"leb": _LEB},
    re.DOTALL,
)


class Step(IntEnum):
    """How to get over a value that tells its own size; negative, so that it mixes with sizes in bytes."""

    LEB = -1
    BLOCK = -2
    BLOCK1 = -3
    BLOCK2 = -4
    BLOCK4 = -5
    STRING = -6
    INDIRECT = -7


class Role(IntEnum):
    """What the search for exports does with an entry."""

    SKIP = 0
    ADDRESSED = 1
    MENTION = 2
    TYPE = 3
    SCOPE = 4
    IMPORT = 5


class Spec(NamedTuple):
    """One attribute: ``width`` in bytes or a :class:`Step`; ``implicit`` is the value of one that has no bytes."""

    attribute: int
    form: int
    width: int
    implicit: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What the sizes of forms depend on: DWARF version, bytes of an address and of an offset into a section."""

    version: int
    address_size: int
    offset_size: int

    def width(self, form: int) -> int | None:
        """Bytes that a value of this form takes, or how to get over it; None for an unknown form."""
        if form in _OFFSETS:
            return self.offset_size
        if form == Form.ADDR:
            return self.address_size
        if form == Form.REF_ADDR:
            return self.address_size if self.version == 2 else self.offset_size
        return _WIDTHS.get(form)


_OFFSETS = frozenset((Form.STRP, Form.LINE_STRP, Form.SEC_OFFSET, Form.STRP_SUP, Form.GNU_REF_ALT, Form.GNU_STRP_ALT))

_WIDTHS: dict[int, int] = {
    Form.FLAG_PRESENT: 0, Form.IMPLICIT_CONST: 0, Form.FLAG: 1, Form.DATA16: 16,
    Form.DATA1: 1, Form.DATA2: 2, Form.DATA4: 4, Form.DATA8: 8,
    Form.REF1: 1, Form.REF2: 2, Form.REF4: 4, Form.REF8: 8,
    Form.REF_SIG8: 8, Form.REF_SUP4: 4, Form.REF_SUP8: 8,
    Form.STRX1: 1, Form.STRX2: 2, Form.STRX3: 3, Form.STRX4: 4,
    Form.ADDRX1: 1, Form.ADDRX2: 2, Form.ADDRX3: 3, Form.ADDRX4: 4,
    Form.UDATA: Step.LEB, Form.SDATA: Step.LEB, Form.REF_UDATA: Step.LEB,
    Form.STRX: Step.LEB, Form.ADDRX: Step.LEB, Form.LOCLISTX: Step.LEB, Form.RNGLISTX: Step.LEB,
    Form.GNU_ADDR_INDEX: Step.LEB, Form.GNU_STR_INDEX: Step.LEB,
    Form.EXPRLOC: Step.BLOCK, Form.BLOCK: Step.BLOCK,
    Form.BLOCK1: Step.BLOCK1, Form.BLOCK2: Step.BLOCK2, Form.BLOCK4: Step.BLOCK4,
    Form.STRING: Step.STRING, Form.INDIRECT: Step.INDIRECT,
}  # fmt: skip

NAMED_TYPES = frozenset((Tag.STRUCTURE_TYPE, Tag.CLASS_TYPE, Tag.UNION_TYPE, Tag.ENUMERATION_TYPE, Tag.INTERFACE_TYPE))
SCOPES = frozenset((Tag.NAMESPACE, Tag.MODULE))


class Abbreviation:
    """One shape of entry.

    ``size`` is that of all values in bytes, None if it varies; ``steps`` leads over them. ``places`` gives, for
    the attributes that come before the first value of varying size and for that one, where they start after the
    code. ``sibling`` is the place of a four-byte DW_AT_sibling, or None; ``name`` that of the name which a symbol
    has, or None if it takes reading the entry to find it. ``completes`` tells an entry that adds to another one.

    ``record`` unpacks the values of ``stored`` at once where all are plain integers; ``constants`` are those that
    the shape itself gives.
    """

    __slots__ = (
        "children", "completes", "constants", "forms", "name", "places", "record", "role", "sibling", "size", "specs",
        "steps", "stored", "tag",
    )  # fmt: skip

    def __init__(self, tag: int, specs: tuple[Spec, ...], *, children: bool, order: Literal["little", "big"]) -> None:
        self.tag = tag
        self.specs = specs
        self.children = children
        self.forms = {spec.attribute: spec.form for spec in specs}
        self.role = _role(tag, self.forms)
        self.completes = not self.forms.keys().isdisjoint(_COMPLETED)
        self.places = dict(_places(specs))
        sibling = self.places.get(At.SIBLING)
        self.sibling = sibling[0] if sibling is not None and sibling[1].form == Form.REF4 else None
        names = [attribute for attribute in (*LINKAGE_NAMES, At.NAME) if attribute in self.forms]
        self.name = self.places.get(names[0]) if names and not self.completes else None
        self.steps = _steps(specs)
        fixed = all(spec.width >= 0 for spec in specs)
        self.size = sum(self.steps) if fixed else None
        self.stored = tuple(spec.attribute for spec in specs if spec.width)
        self.constants = {spec.attribute: spec.implicit for spec in specs if not spec.width}
        codes = [_CODES.get(spec.width) for spec in specs if spec.width]
        plain = fixed and None not in codes
        self.record = Struct(("<" if order == "little" else ">") + "".join(filter(None, codes))) if plain else None


_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_COMPLETED = (At.SPECIFICATION, At.ABSTRACT_ORIGIN)
LINKAGE_NAMES = (At.LINKAGE_NAME, At.MIPS_LINKAGE_NAME)


def _places(specs: tuple[Spec, ...]) -> Iterator[tuple[int, tuple[int, Spec]]]:
    place = 0
    for spec in specs:
        yield spec.attribute, (place, spec)
        if spec.width < 0:
            return
        place += spec.width


def _steps(specs: tuple[Spec, ...]) -> tuple[int, ...]:
    """The widths, neighbours of fixed size added up."""
    steps: list[int] = []
    for spec in specs:
        if spec.width >= 0 and steps and steps[-1] >= 0:
            steps[-1] += spec.width
        else:
            steps.append(spec.width)
    return tuple(steps)


def _role(tag: int, attributes: Container[int]) -> Role:
    if tag in SCOPES:
        return Role.SCOPE
    if tag == Tag.IMPORTED_UNIT:
        return Role.IMPORT
    nameable = any(attribute in attributes for attribute in (*LINKAGE_NAMES, At.NAME, *_COMPLETED))
    if tag in NAMED_TYPES and nameable and At.DECLARATION not in attributes:
        return Role.TYPE
    if tag in (Tag.SUBPROGRAM, Tag.VARIABLE):
        addressed = any(attribute in attributes for attribute in (At.LOW_PC, At.RANGES, At.LOCATION))
        if addressed:
            return Role.ADDRESSED
        if nameable:
            return Role.MENTION
    return Role.SKIP


Table = dict[int, Abbreviation]


class Abbreviations:
    """The tables of a ``.debug_abbrev`` section, each read once for each shape of unit."""

    def __init__(self, section: DebugSection) -> None:
        self._section = section
        self._tables: dict[tuple[int, Shape], Table] = {}
        # Compilers write the same few hundred declarations into every table.
        self._compiled: dict[tuple[bytes, Shape], Abbreviation] = {}
        # Tables of sound files do not overlap; those of a hostile one may, a million times.
        self._budget = 4 * len(section)

    def table(self, offset: int, shape: Shape) -> Table:
        """The table at an offset of the section.

        :raises FormatError: it is damaged.
        """
        key = (offset, shape)
        if key not in self._tables:
            self._tables[key] = self._read(offset, shape)
        return self._tables[key]

    def _read(self, offset: int, shape: Shape) -> Table:
        section, compiled = self._section, self._compiled
        start = position = section.start + offset
        table: Table = {}
        while match := _DECLARATION.match(section.data, position, section.end):
            declaration = match[2]
            abbreviation = compiled.get((declaration, shape))
            if abbreviation is None:
                abbreviation = compiled[declaration, shape] = self._compile(match.start(2), shape)
            table.setdefault(section.uleb(position)[0], abbreviation)
            self._budget -= match.end() - position
            if self._budget < 0:
                raise section.error(start, "abbreviations", offset, "the tables overlap out of proportion")
            position = match.end()
        if section.integer(position, 1):
            raise section.error(position, "abbreviation", section.integer(position, 1), "it does not end, or is huge")
        return table

    def _compile(self, position: int, shape: Shape) -> Abbreviation:
        """The declaration whose tag is at ``position``; that it is well-formed is known."""
        section = self._section
        tag, position = section.uleb(position)
        children = section.integer(position, 1) != 0
        position += 1
        specs: list[Spec] = []
        while True:
            attribute, after = section.uleb(position)
            form, after = section.uleb(after)
            if not attribute and not form:
                return Abbreviation(tag, tuple(specs), children=children, order=section.byteorder)
            width = shape.width(form)
            if width is None:
                raise section.error(position, "form", form, "no form of DWARF 2 to 5 has this number")
            implicit = 1
            if form == Form.IMPLICIT_CONST:
                implicit, after = section.sleb(after)
            specs.append(Spec(attribute, form, width, implicit))
            position = after
