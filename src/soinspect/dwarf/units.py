"""Units of debug information (DWARF 5, section 7.5.1): headers, and getting over their entries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING

from soinspect.dwarf.abbreviations import Abbreviation, Abbreviations, Shape, Step, Table
from soinspect.dwarf.constants import UnitType
from soinspect.dwarf.sections import DebugSection

if TYPE_CHECKING:
    from soinspect.dwarf.info import DebugInfo

_DWARF64 = 0xFFFFFFFF
_RESERVED = 0xFFFFFFF0
# A unit takes 12 microseconds to read however little it holds; one that describes anything has more than 40 bytes.
_MANY, _SMALL = 10_000, 32

# A sound section is walked over once as a whole, and again where types are reached.
_WALKS = 8
_WALK_SLACK = 1 << 16


class Allowance:
    """How much more may be walked over in a section: a hostile one makes readers walk over the same bytes again."""

    def __init__(self, section: DebugSection) -> None:
        self._section = section
        self._left = _WALKS * len(section) + _WALK_SLACK

    def spend(self, position: int, size: int) -> None:
        """Account for ``size`` bytes walked over.

        :raises FormatError: it is out of proportion.
        """
        self._left -= size
        if self._left < 0:
            raise self._section.error(position, "entries", size, "they overlap, or nest, out of proportion")


class UnitSource:
    """What all units of a section share; ``types`` tells ``.debug_types`` of DWARF 4 from ``.debug_info``."""

    def __init__(self, info: DebugInfo, section: DebugSection, abbreviations: Abbreviations, *, types: bool) -> None:
        self.info = info
        self.section = section
        self.abbreviations = abbreviations
        self.types = types
        self.allowance = Allowance(section)
        self.four_bytes = Struct("<I" if section.byteorder == "little" else ">I").unpack_from


class Unit:
    """One unit: ``start`` is the position of its header, ``root`` of its first entry, ``end`` just after it.

    ``signature`` and ``type_position`` are those of a type unit, ``split_id`` that of a unit whose entries may be in
    a file of their own. Positions are absolute in the section's data.
    """

    def __init__(
        self,
        source: UnitSource,
        *,
        start: int,
        root: int,
        end: int,
        shape: Shape,
        table_offset: int,
        signature: int | None,
        type_position: int,
        split_id: int | None,
    ) -> None:
        self.info = source.info
        self.section = source.section
        self.start = start
        self.root = root
        self.end = end
        self.shape = shape
        self.signature = signature
        self.type_position = type_position
        self.split_id = split_id
        self.four_bytes = source.four_bytes
        self._abbreviations = source.abbreviations
        self._allowance = source.allowance
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
        start, depth = position, 1
        while position < end:
            code = data[position]
            at = position + 1
            if code > 0x7F:
                code, at = self.section.uleb(position)
            if not code:
                depth -= 1
                position = at
                if not depth:
                    break
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
        self._allowance.spend(start, position - start)
        return min(position, end)

    def entries(self, position: int) -> Iterator[tuple[int, Abbreviation, int]]:
        """A list of entries from ``position`` on: where each is, its shape, and where its values start.

        :raises FormatError: an entry is damaged.
        """
        while position < self.end:
            abbreviation, at = self.abbreviation(position)
            if abbreviation is None:
                return
            yield position, abbreviation, at
            self._allowance.spend(position, at - position)
            position = self.after(position, abbreviation, at)


def read_units(source: UnitSource) -> Iterator[Unit]:
    """The units of a section.

    :raises FormatError: a header is damaged: what comes after it cannot be found; or there are far more units than
        could describe anything.
    """
    position = start = source.section.start
    for number in count():
        if position >= source.section.end:
            return
        if number > _MANY and position - start < number * _SMALL:
            raise source.section.error(position, "unit", number, "there are too many for their size: they hold nothing")
        unit = _read_unit(source, position)
        yield unit
        position = unit.end


def _read_unit(source: UnitSource, start: int) -> Unit:
    section = source.section
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
        kind = UnitType.TYPE if source.types else UnitType.COMPILE
        table_offset, address_size = section.integer(at, offset_size), section.integer(at + offset_size, 1)
        at += offset_size + 1
    else:
        raise section.error(at - 2, "version", version, "this reader knows DWARF 2 to 5")
    if address_size not in (4, 8):
        raise section.error(at, "address_size", address_size, "neither 4 nor 8")
    signature, type_position, split_id = None, 0, None
    if kind in (UnitType.TYPE, UnitType.SPLIT_TYPE):
        signature, type_position = section.integer(at, 8), start + section.integer(at + 8, offset_size)
        at += 8 + offset_size
    elif kind in (UnitType.SKELETON, UnitType.SPLIT_COMPILE):
        split_id = section.integer(at, 8)
        at += 8
    shape = _shape(version, address_size, offset_size)
    return Unit(
        source,
        start=start,
        root=at,
        end=end,
        shape=shape,
        table_offset=table_offset,
        signature=signature,
        type_position=type_position,
        split_id=split_id,
    )


_shape = cache(Shape)  # a file may have units by the hundred thousand, and all of few shapes
