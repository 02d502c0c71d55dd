"""The debug information of one file: its units, its entries with their values, and how they refer to each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from soinspect.dwarf.abbreviations import Abbreviation, Abbreviations, Spec, Step
from soinspect.dwarf.constants import At, Form, Tag
from soinspect.dwarf.sections import DebugSection, UnreadableSection, open_section
from soinspect.dwarf.units import Unit, read_units
from soinspect.elf.image import Image
from soinspect.errors import FormatError

_IN_UNIT = frozenset((Form.REF1, Form.REF2, Form.REF4, Form.REF8, Form.REF_UDATA))
_IN_ALTERNATE = frozenset((Form.GNU_REF_ALT, Form.REF_SUP4, Form.REF_SUP8))
_REFERENCES = _IN_UNIT | _IN_ALTERNATE | {Form.REF_ADDR, Form.REF_SIG8}
_INDEXED_TEXT = frozenset((Form.STRX, Form.STRX1, Form.STRX2, Form.STRX3, Form.STRX4, Form.GNU_STR_INDEX))
_INDEXED_ADDRESS = frozenset((Form.ADDRX, Form.ADDRX1, Form.ADDRX2, Form.ADDRX3, Form.ADDRX4, Form.GNU_ADDR_INDEX))

# How many entries of a file are read in full at most: an entry of a sound file is read once, and has two bytes or
# more. The second bound is on time and memory; what lies beyond it is told as a remark.
_ENTRIES_SLACK = 10_000
_MAX_ENTRIES = 2_000_000

# Texts of sound files are read once each; those of a hostile one overlap.
_TEXT_EXPANSION = 4
_TEXT_SLACK = 1 << 20

_MAX_ORIGINS = 8

Value = int | bytes | str


class Place(NamedTuple):
    """Where an entry is; known before it is read."""

    info: DebugInfo
    unit: Unit
    position: int

    def read(self) -> Entry:
        """The entry.

        :raises FormatError: there is none, or it is damaged.
        """
        return self.info.entry(self.unit, self.position)


class Entry:
    """One debugging information entry with the values of its attributes.

    Values are as they are stored; the methods read them as what they are asked for.
    """

    __slots__ = ("_forms", "_values", "abbreviation", "first_child", "info", "position", "tag", "unit")

    def __init__(
        self,
        info: DebugInfo,
        unit: Unit,
        position: int,
        abbreviation: Abbreviation,
        forms: dict[int, int],
        values: dict[int, Value],
        first_child: int,
    ) -> None:
        self.info = info
        self.unit = unit
        self.position = position
        self.abbreviation = abbreviation
        self.tag = abbreviation.tag
        self._forms = forms
        self._values = values
        self.first_child = first_child

    @property
    def place(self) -> Place:
        """Where it is: what identifies an entry in all files."""
        return Place(self.info, self.unit, self.position)

    def __contains__(self, attribute: At) -> bool:
        return attribute in self._values

    def form(self, attribute: At) -> int | None:
        """How a value is encoded, None if the attribute is missing."""
        return self._forms.get(attribute) if attribute in self._values else None

    def flag(self, attribute: At) -> bool:
        """Whether a flag is set."""
        return bool(self._values.get(attribute))

    def number(self, attribute: At) -> int | None:
        """The value as a number; None if the attribute is missing, or is an expression or a reference."""
        value = self._values.get(attribute)
        return value if isinstance(value, int) and self._forms[attribute] not in _REFERENCES else None

    def block(self, attribute: At) -> bytes | None:
        """The value as an expression; None if the attribute is missing, or is a number."""
        value = self._values.get(attribute)
        return value if isinstance(value, bytes) else None

    def text(self, attribute: At) -> str | None:
        """The value as text.

        :raises FormatError: it refers to text that is not there.
        """
        value = self._values.get(attribute)
        return None if value is None else self.info.text(self.unit, self._forms[attribute], value)

    def address(self, attribute: At) -> int | None:
        """The value as an address.

        :raises FormatError: it refers to an address that is not there.
        """
        value = self._values.get(attribute)
        if not isinstance(value, int):
            return None
        return self.info.indexed_address(self.unit, value) if self._forms[attribute] in _INDEXED_ADDRESS else value

    def target(self, attribute: At) -> Place | None:
        """Where the entry is that the value refers to.

        :raises FormatError: it is in no unit that is there.
        """
        value = self._values.get(attribute)
        return None if value is None else self.info.referred(self.unit, self._forms[attribute], value)

    def reference(self, attribute: At) -> Entry | None:
        """The entry that the value refers to.

        :raises FormatError: there is no such entry.
        """
        place = self.target(attribute)
        return None if place is None else place.read()

    def origins(self) -> Iterator[Entry]:
        """The entry itself, and those that it completes: its abstract instance, its declaration.

        :raises FormatError: they refer to each other in a circle.
        """
        entry: Entry | None = self
        for _ in range(_MAX_ORIGINS):
            if entry is None:
                return
            yield entry
            entry = entry.reference(At.ABSTRACT_ORIGIN) or entry.reference(At.SPECIFICATION)
        if entry is not None:
            raise self.unit.section.error(self.position, "DW_AT_specification", self.position, "it goes in circles")

    def children(self) -> Iterator[Entry]:
        """The entries directly below this one.

        :raises FormatError: one is damaged.
        """
        if self.abbreviation.children:
            for position, _, _ in self.unit.entries(self.first_child):
                yield self.info.entry(self.unit, position)


class DebugInfo:
    """The DWARF sections of one file.

    ``alternate`` is the file that dwz moved common entries to, or None. Damage that ends the list of units is
    told in ``remarks``.
    """

    def __init__(self, image: Image, alternate: DebugInfo | None = None) -> None:
        """Find the sections.

        :raises FormatError: .debug_info or .debug_abbrev is compressed, and damaged.
        :raises UnreadableSection: one of them is missing, or cannot be unpacked here.
        """
        self.image = image
        self.alternate = alternate
        self.remarks: dict[str, None] = {}
        self._sections: dict[str, DebugSection | None] = {}
        self.section = self._required("info")
        self._abbreviations = Abbreviations(self._required("abbrev"))
        self._entries_left = min(len(self.section) // 2 + _ENTRIES_SLACK, _MAX_ENTRIES)
        self._texts: dict[tuple[str, int], str] = {}
        self._text_left = _TEXT_EXPANSION * image.size + _TEXT_SLACK

    def _required(self, name: str) -> DebugSection:
        section = open_section(self.image, name)
        if section is None:
            raise UnreadableSection(f"no .debug_{name}")
        return section

    def other_section(self, name: str) -> DebugSection | None:
        """The section ``.debug_<name>``; None if there is none, or (with a remark) if it cannot be read."""
        if name not in self._sections:
            self._sections[name] = None
            try:
                self._sections[name] = open_section(self.image, name)
            except FormatError as error:
                self.remarks[error.reason] = None
            except UnreadableSection as error:
                self.remarks[f".debug_{name} is {error}"] = None
        return self._sections[name]

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """All units, in file order; those of .debug_types last."""
        units = list(self._read_units(self.section, types=False))
        types = self.other_section("types")
        if types is not None:
            units += self._read_units(types, types=True)
        return tuple(units)

    def _read_units(self, section: DebugSection, *, types: bool) -> Iterator[Unit]:
        try:
            yield from read_units(section, self._abbreviations, types=types)
        except FormatError as error:
            self.remarks[f"{error.reason}: the units that follow are not read"] = None

    @cached_property
    def _starts(self) -> list[int]:
        return [unit.start for unit in self.units if unit.section is self.section]

    @cached_property
    def _by_signature(self) -> dict[int, Unit]:
        return {unit.signature: unit for unit in self.units if unit.signature is not None}

    def root(self, unit: Unit) -> Entry:
        """The first entry of a unit.

        :raises FormatError: it is damaged.
        """
        if unit not in self._roots:
            self._roots[unit] = self.entry(unit, unit.root)
        return self._roots[unit]

    @cached_property
    def _roots(self) -> dict[Unit, Entry]:
        return {}

    # -- entries -------------------------------------------------------------------------------------------

    def entry(self, unit: Unit, position: int) -> Entry:
        """The entry at a position of a unit.

        :raises FormatError: there is none, or it is damaged, or the file makes us read out of proportion.
        """
        section = unit.section
        self._entries_left -= 1
        if self._entries_left < 0:
            raise section.error(position, "entries", position - section.start, "too many entries to read them all")
        abbreviation, at = unit.abbreviation(position)
        if abbreviation is None:
            raise section.error(position, "abbreviation code", 0, "an entry is referred to where a list ends")
        record, forms = abbreviation.record, abbreviation.forms
        values: dict[int, Value] = dict(abbreviation.constants)
        if record is not None:
            following = at + record.size
            if following <= unit.end:
                values.update(zip(abbreviation.stored, record.unpack_from(section.data, at), strict=True))
        else:
            forms, following = self._read_values(unit, abbreviation, at, values)
        if following > unit.end:
            raise section.error(position, "entry", following, f"its values would end past its unit ({unit.end:#x})")
        return Entry(self, unit, position, abbreviation, forms, values, following)

    def _read_values(
        self, unit: Unit, abbreviation: Abbreviation, at: int, values: dict[int, Value]
    ) -> tuple[dict[int, int], int]:
        """Add the values from ``at`` on; their forms (others behind DW_FORM_indirect), and what follows."""
        data, order = unit.section.data, unit.section.byteorder
        forms = abbreviation.forms
        for attribute, form, width, _ in abbreviation.specs:
            if width > 0:
                values[attribute] = int.from_bytes(data[at : at + width], order)
                at += width
            elif width < 0:
                actual, values[attribute], at = self._varying(unit, form, at)
                if actual != form:
                    forms = forms | {attribute: actual}
        return forms, at

    def _varying(self, unit: Unit, form: int, at: int) -> tuple[int, Value, int]:
        """A value that tells its own size: its form (another one behind DW_FORM_indirect), it, what follows."""
        section = unit.section
        if form == Form.INDIRECT:
            form, at = section.uleb(at)
        width = unit.shape.width(form)
        if width is None or width == Step.INDIRECT or form == Form.IMPLICIT_CONST:
            raise section.error(at, "form", form, "it cannot stand behind DW_FORM_indirect")
        if width >= 0:
            return form, section.integer(at, width) if width else 1, at + width
        match width:
            case Step.LEB:
                return form, *(section.sleb(at) if form == Form.SDATA else section.uleb(at))
            case Step.STRING:
                text, after = section.text(at)
                self._count_text(section, at, after - at)
                return form, text, after
            case Step.BLOCK:
                size, at = section.uleb(at)
            case _:
                count = {Step.BLOCK1: 1, Step.BLOCK2: 2, Step.BLOCK4: 4}[Step(width)]
                size, at = section.integer(at, count), at + count
        if at + size > unit.end:
            raise section.error(at, "block", size, f"it would end past its unit ({unit.end:#x})")
        self._count_text(section, at, size)
        return form, section.data[at : at + size], at + size

    def _count_text(self, section: DebugSection, at: int, size: int) -> None:
        self._text_left -= size
        if self._text_left < 0:
            raise section.error(at, "text", size, "the texts overlap out of proportion")

    def name_at(self, unit: Unit, abbreviation: Abbreviation, at: int, attribute: At) -> str | None:
        """A text of an entry that is not read otherwise; None where it takes reading the entry to find it.

        :raises FormatError: there is no text where it refers to.
        """
        found = abbreviation.places.get(attribute)
        return None if found is None else self.text_at(unit, at, *found)

    def text_at(self, unit: Unit, at: int, place: int, spec: Spec) -> str | None:
        """The text at a place among the values that start at ``at``; None if the value is no text.

        :raises FormatError: there is no text where it refers to.
        """
        if spec.width < 0:
            form, value, _ = self._varying(unit, spec.form, at + place)
            return self.text(unit, form, value)
        return self.text(unit, spec.form, unit.section.integer(at + place, spec.width))

    # -- what values refer to ------------------------------------------------------------------------------

    def text(self, unit: Unit, form: int, value: Value) -> str | None:
        """The text that a value is or refers to; None if it is no text.

        :raises FormatError: there is none where it refers to.
        """
        if not isinstance(value, int):
            return value if isinstance(value, str) else None
        if form == Form.STRP:
            return self.text_of(value)
        if form == Form.LINE_STRP:
            return self.text_of(value, "line_str")
        if form in _INDEXED_TEXT:
            offset = self._indexed(unit, "str_offsets", At.STR_OFFSETS_BASE, value, unit.shape.offset_size)
            return self.text_of(offset)
        if form in (Form.STRP_SUP, Form.GNU_STRP_ALT) and self.alternate:
            return self.alternate.text_of(value)
        return None

    def text_of(self, offset: int, name: str = "str") -> str:
        """The text at an offset of ``.debug_<name>``.

        :raises FormatError: there is none.
        """
        found = self._texts.get((name, offset))
        if found is None:
            section = self.referred_section(name, offset)
            found, after = section.text(section.start + offset)
            self._count_text(section, section.start + offset, after - section.start - offset)
            self._texts[name, offset] = found
        return found

    def referred_section(self, name: str, offset: int) -> DebugSection:
        """The section ``.debug_<name>`` that a value refers to, at an offset or by an index.

        :raises FormatError: there is none.
        """
        section = self.other_section(name)
        if section is None:
            raise self.section.error(self.section.start, f"offset into .debug_{name}", offset, "it is not there")
        return section

    def indexed_address(self, unit: Unit, index: int) -> int:
        """The address at an index of the unit's part of .debug_addr.

        :raises FormatError: there is none.
        """
        root = self.root(unit)
        base = At.ADDR_BASE if At.ADDR_BASE in root else At.GNU_ADDR_BASE
        return self._indexed(unit, "addr", base, index, unit.shape.address_size)

    def _indexed(self, unit: Unit, name: str, attribute: At, index: int, width: int) -> int:
        """An item of a table whose part for this unit starts where the unit's first entry says."""
        section = self.referred_section(name, index)
        base = self.root(unit).number(attribute)
        if base is None:
            # The header of the only part, where the unit does not say: eight bytes, sixteen in 64-bit DWARF.
            base = 0 if unit.shape.version < 5 else 2 * unit.shape.offset_size
        return section.integer(section.start + base + index * width, width)

    def referred(self, unit: Unit, form: int, value: Value) -> Place | None:
        """Where the entry is that a value refers to; None if the value is no reference.

        :raises FormatError: it is in no unit that is there.
        """
        if not isinstance(value, int):
            return None
        if form in _IN_UNIT:
            return Place(self, unit, unit.start + value)
        if form == Form.REF_ADDR:
            return self.place_at(self.section.start + value)
        if form == Form.REF_SIG8:
            found = self._by_signature.get(value)
            if found is None:
                raise unit.section.error(unit.start, "type signature", value, "the file has no such type unit")
            return Place(self, found, found.type_position)
        if form in _IN_ALTERNATE:
            if self.alternate is None:
                raise unit.section.error(unit.start, "reference", value, "the file shared through dwz is not there")
            return self.alternate.place_at(self.alternate.section.start + value)
        return None

    def place_at(self, position: int) -> Place:
        """The place of what is at a position of .debug_info.

        :raises FormatError: no unit lies there.
        """
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            raise self.section.error(self.section.start, "reference", position, "no unit lies there")
        return Place(self, self.units[index], position)

    def skeleton_of(self, unit: Unit) -> str | None:
        """The .dwo file that holds the entries of a split unit, None if the unit holds its own.

        :raises FormatError: the unit's first entry is damaged.
        """
        root = self.root(unit)
        if root.tag == Tag.SKELETON_UNIT or At.GNU_DWO_NAME in root:
            return root.text(At.DWO_NAME) or root.text(At.GNU_DWO_NAME) or "?"
        return None
