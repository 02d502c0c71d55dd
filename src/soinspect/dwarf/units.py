"""Units of debug information (DWARF 5, section 7.5.1): headers, and getting over their entries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from struct import Struct

from soinspect.dwarf.abbreviations import Abbreviation, Abbreviations, Shape, Step, Table
from soinspect.dwarf.constants import UnitType
from soinspect.dwarf.sections import DebugSection

_DWARF64 = 0xFFFFFFFF
_RESERVED = 0xFFFFFFF0


class Unit:
    """One unit: ``start`` is the position of its header, ``root`` of its first entry, ``end`` just after it.

    ``signature`` and ``type_position`` are those of a type unit. Positions are absolute in the section's data.
    """

    def __init__(
        self,
        section: DebugSection,
        abbreviations: Abbreviations,
        *,
        start: int,
        root: int,
        end: int,
        shape: Shape,
        table_offset: int,
        signature: int | None,
        type_position: int,
    ) -> None:
        self.section = section
        self.start = start
        self.root = root
        self.end = end
        self.shape = shape
        self.signature = signature
        self.type_position = type_position
        self.four_bytes = Struct("<I" if section.byteorder == "little" else ">I").unpack_from
        self._abbreviations = abbreviations
        self._table_offset = table_offset

    @cached_property
    def table(self) -> Table:
        """The abbreviations of this unit.

        :raises FormatError: they are damaged.
        """
        return self._abbreviations.table(self._table_offset, self.shape)

    def abbreviation(self, position: int) -> tuple[Abbreviation | None, int]:
        """The shape of the entry at ``position`` and where its values start; None for the end of a list.

        :raises FormatError: there is no such entry.
        """
        if not self.start < position < self.end:
            raise self.section.error(position, "entry", position, "it is not inside of its unit")
        code, after = self.section.data[position], position + 1
        if code > 0x7F:
            code, after = self.section.uleb(position)
        if not code:
            return None, after
        found = self.table.get(code)
        if found is None:
            raise self.section.error(position, "abbreviation code", code, "its table has no such code")
        return found, after

    def after_values(self, abbreviation: Abbreviation, at: int) -> int:
        """The position after the values that start at ``at``: of the first child, or the next entry.

        :raises FormatError: a value is damaged.
        """
        if abbreviation.size is not None:
            return at + abbreviation.size
        for step in abbreviation.steps:
            at = at + step if step >= 0 else self._after(step, at)
        return at

    def _after(self, step: int, at: int) -> int:
        section = self.section
        match step:
            case Step.LEB:
                return section.uleb(at)[1]
            case Step.BLOCK:
                size, at = section.uleb(at)
                return at + size
            case Step.STRING:
                return section.text(at)[1]
            case Step.INDIRECT:
                form, at = section.uleb(at)
                width = self.shape.width(form)
                if width is None or width == Step.INDIRECT:
                    raise section.error(at, "form", form, "it cannot stand behind DW_FORM_indirect")
                return at + width if width >= 0 else self._after(width, at)
            case _:
                width = {Step.BLOCK1: 1, Step.BLOCK2: 2, Step.BLOCK4: 4}[Step(step)]
                return at + width + section.integer(at, width)

    def after(self, position: int, abbreviation: Abbreviation, at: int) -> int:
        """The position after the entry at ``position``, whose values start at ``at``, and all that is below it.

        :raises FormatError: an entry is damaged.
        """
        if not abbreviation.children:
            return self.after_values(abbreviation, at)
        if abbreviation.sibling is not None and at + abbreviation.sibling + 4 <= self.end:
            following: int = self.start + self.four_bytes(self.section.data, at + abbreviation.sibling)[0]
            if not position < following <= self.end:
                raise self.section.error(position, "DW_AT_sibling", following, "it does not lead forward")
            return following
        return self.after_children(self.after_values(abbreviation, at))

    def after_children(self, position: int) -> int:
        """The position after a list of entries, with all that is below them.

        Compilers other than gcc do not say where the next entry is: this loop steps over every one of them.

        :raises FormatError: an entry is damaged.
        """
        data, end, table = self.section.data, self.end, self.table
        depth = 1
        while position < end:
            code = data[position]
            at = position + 1
            if code > 0x7F:
                code, at = self.section.uleb(position)
            if not code:
                depth -= 1
                position = at
                if not depth:
                    return position
                continue
            abbreviation = table.get(code)
            if abbreviation is None:
                raise self.section.error(position, "abbreviation code", code, "its table has no such code")
            if abbreviation.sibling is not None and abbreviation.children:
                position = self.after(position, abbreviation, at)
                continue
            depth += abbreviation.children
            size = abbreviation.size
            position = at + size if size is not None else self.after_values(abbreviation, at)
        # Compilers may leave out the ends of the last lists of a unit.
        return end

    def entries(self, position: int) -> Iterator[tuple[int, Abbreviation, int]]:
        """A list of entries from ``position`` on: where each is, its shape, and where its values start.

        :raises FormatError: an entry is damaged.
        """
        while position < self.end:
            abbreviation, at = self.abbreviation(position)
            if abbreviation is None:
                return
            yield position, abbreviation, at
            position = self.after(position, abbreviation, at)


def read_units(section: DebugSection, abbreviations: Abbreviations, *, types: bool) -> Iterator[Unit]:
    """The units of ``.debug_info``, or of DWARF 4's ``.debug_types``.

    :raises FormatError: a header is damaged: what comes after it cannot be found.
    """
    position = section.start
    while position < section.end:
        unit = _read_unit(section, abbreviations, position, types=types)
        yield unit
        position = unit.end


def _read_unit(section: DebugSection, abbreviations: Abbreviations, start: int, *, types: bool) -> Unit:
    length = section.integer(start, 4)
    at, offset_size = start + 4, 4
    if length == _DWARF64:
        length, at, offset_size = section.integer(at, 8), at + 8, 8
    elif length >= _RESERVED:
        raise section.error(start, "unit_length", length, "the number is reserved")
    end = at + length
    if end > section.end:
        raise section.error(start, "unit_length", length, f"the unit would end past the section ({section.end:#x})")
    version = section.integer(at, 2)
    at += 2
    if version == 5:
        kind, address_size = section.integer(at, 1), section.integer(at + 1, 1)
        table_offset = section.integer(at + 2, offset_size)
        at += 2 + offset_size
    elif 2 <= version <= 4:
        kind = UnitType.TYPE if types else UnitType.COMPILE
        table_offset, address_size = section.integer(at, offset_size), section.integer(at + offset_size, 1)
        at += offset_size + 1
    else:
        raise section.error(at - 2, "version", version, "this reader knows DWARF 2 to 5")
    if address_size not in (4, 8):
        raise section.error(at, "address_size", address_size, "neither 4 nor 8")
    signature, type_position = None, 0
    if kind in (UnitType.TYPE, UnitType.SPLIT_TYPE):
        signature, type_position = section.integer(at, 8), start + section.integer(at + 8, offset_size)
        at += 8 + offset_size
    elif kind in (UnitType.SKELETON, UnitType.SPLIT_COMPILE):
        at += 8
    shape = Shape(version, address_size, offset_size)
    return Unit(
        section,
        abbreviations,
        start=start,
        root=at,
        end=end,
        shape=shape,
        table_offset=table_offset,
        signature=signature,
        type_position=type_position,
    )
