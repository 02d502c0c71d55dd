"""The debug information of one file: its units, its entries with their values, and how they refer to each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from soinspect.dwarf.abbreviations import Abbreviation, Abbreviations, Spec, Step
from soinspect.dwarf.constants import At, Form
from soinspect.dwarf.entry import IN_ALTERNATE, IN_UNIT, Entry, Place, Value
from soinspect.dwarf.remarks import Remarks
from soinspect.dwarf.sections import DebugSection, UnreadableSection, open_section
from soinspect.dwarf.units import Unit, UnitSource, read_units
from soinspect.elf.image import Image
from soinspect.errors import FormatError

_INDEXED_TEXT = frozenset((Form.STRX, Form.STRX1, Form.STRX2, Form.STRX3, Form.STRX4, Form.GNU_STR_INDEX))

# How much is read at most. An entry costs as much as this many of its values; those of a sound file are read once or
# twice, and have about a byte each. The second bound is on time and memory; what lies beyond it is told.
_ENTRY_COST = 8
_READS = 4
_READ_SLACK = 100_000
_MAX_VALUES = 16_000_000

# Texts of sound files are read once each; those of a hostile one overlap.
_TEXT_EXPANSION = 4
_TEXT_SLACK = 1 << 20


class DebugInfo:
    """The DWARF sections of one file.

    ``alternate`` is the file that dwz moved common entries to, or None. ``skeleton`` is the unit of another file
    that this one, of split DWARF, belongs to, or None. What cannot be read is told in ``remarks``.
    """

    def __init__(
        self, image: Image, remarks: Remarks, *, alternate: DebugInfo | None = None, skeleton: Unit | None = None
    ) -> None:
        """Find the sections.

        :raises FormatError: .debug_info or .debug_abbrev is compressed, and damaged.
        :raises UnreadableSection: one of them is missing, or cannot be unpacked here.
        """
        self.image = image
        self.alternate = alternate
        self.skeleton = skeleton
        self.remarks = remarks
        self._suffix = "" if skeleton is None else ".dwo"
        self._sections: dict[str, DebugSection | None] = {}
        self.section = self._required("info")
        self._abbreviations = Abbreviations(self._required("abbrev"))
        self._values_left = min(_READS * len(self.section) + _READ_SLACK, _MAX_VALUES)
        self._texts: dict[tuple[str, int], str] = {}
        self._text_left = _TEXT_EXPANSION * image.size + _TEXT_SLACK

    def _required(self, name: str) -> DebugSection:
        section = open_section(self.image, name + self._suffix)
        if section is None:
            raise UnreadableSection(f"no .debug_{name}{self._suffix}")
        return section

    def other_section(self, name: str) -> DebugSection | None:
        """The section ``.debug_<name>``; None if there is none, or (with a remark) if it cannot be read."""
        if name not in self._sections:
            self._sections[name] = None
            try:
                self._sections[name] = open_section(self.image, name + self._suffix)
            except FormatError as error:
                self.remarks.add(error.reason)
            except UnreadableSection as error:
                self.remarks.add(f".debug_{name} is {error}")
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
            yield from read_units(UnitSource(self, section, self._abbreviations, types=types))
        except FormatError as error:
            self.remarks.add(f"{error.reason}: the units that follow are not read")

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

    @property
    def exhausted(self) -> bool:
        """Whether the file has made us read out of proportion, so that no more of its entries will be."""
        return self._values_left < 0

    # -- entries -------------------------------------------------------------------------------------------

    def entry(self, unit: Unit, position: int) -> Entry:
        """The entry at a position of a unit.

        :raises FormatError: there is none, or it is damaged, or the file makes us read out of proportion.
        """
        section = unit.section
        abbreviation, at = unit.abbreviation(position)
        if abbreviation is None:
            raise section.error(position, "abbreviation code", 0, "an entry is referred to where a list ends")
        self._values_left -= _ENTRY_COST + len(abbreviation.specs)
        if self.exhausted:
            raise section.error(position, "entries", position - section.start, "too many to read them all")
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
        return Entry(unit, position, abbreviation, forms, values, following)

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
                actual, values[attribute], at = self._varying(unit, form, width, at)
                if actual != form:
                    forms = forms | {attribute: actual}
        return forms, at

    def _varying(self, unit: Unit, form: int, width: int, at: int) -> tuple[int, Value, int]:
        """A value that tells its own size: its form (another one behind DW_FORM_indirect), it, what follows."""
        section = unit.section
        if width == Step.INDIRECT:
            form, at = section.uleb(at)
            actual = unit.shape.width(form)
            if actual is None or actual == Step.INDIRECT or form == Form.IMPLICIT_CONST:
                raise section.error(at, "form", form, "it cannot stand behind DW_FORM_indirect")
            if actual >= 0:
                return form, section.integer(at, actual) if actual else 1, at + actual
            width = actual
        match width:
            case Step.STRING:
                text, after = section.text(at)
                self._count_text(section, at, after - at)
                return form, text, after
            case Step.LEB:
                return form, *(section.sleb(at) if form == Form.SDATA else section.uleb(at))
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
            form, value, _ = self._varying(unit, spec.form, spec.width, at + place)
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
        if self.skeleton is not None:
            return self.skeleton.info.indexed_address(self.skeleton, index)
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
        if form in IN_UNIT:
            return Place(unit, unit.start + value)
        if form == Form.REF_ADDR:
            return self.place_at(self.section.start + value)
        if form == Form.REF_SIG8:
            found = self._by_signature.get(value)
            if found is None:
                raise unit.section.error(unit.start, "type signature", value, "the file has no such type unit")
            return Place(found, found.type_position)
        if form in IN_ALTERNATE:
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
        return Place(self.units[index], position)

    def split_name(self, unit: Unit) -> str | None:
        """The name of the file that holds the entries of a unit, None if the unit holds its own.

        :raises FormatError: the unit's first entry is damaged.
        """
        if self.skeleton is not None:
            return None
        root = self.root(unit)
        return root.text(At.DWO_NAME) or root.text(At.GNU_DWO_NAME)
