"""Where a function begins that compilers have split, such as gcc into a hot and a cold part.

Such a function has a list of ranges instead of an address (DWARF 5, section 2.17.3); the first one holds its entry.
"""

from __future__ import annotations

from enum import IntEnum

from soinspect.dwarf.constants import At, Form
from soinspect.dwarf.entry import Entry
from soinspect.dwarf.sections import DebugSection
from soinspect.dwarf.units import Unit

# A list begins with at most one or two entries that only set a base.
_MAX_ENTRIES = 8


class _Kind(IntEnum):
    """``DW_RLE_*`` (DWARF 5, section 7.25)."""

    END_OF_LIST = 0
    BASE_ADDRESSX = 1
    STARTX_ENDX = 2
    STARTX_LENGTH = 3
    OFFSET_PAIR = 4
    BASE_ADDRESS = 5
    START_END = 6
    START_LENGTH = 7


def first_address(entry: Entry) -> int | None:
    """The address that an entry's list of ranges begins with, None if it has no list.

    :raises FormatError: the list is damaged.
    """
    offset = entry.number(At.RANGES)
    if offset is None:
        return None
    unit, info = entry.unit, entry.info
    if unit.shape.version < 5:
        section = info.referred_section("ranges", offset)
        return _first_pair(section, section.start + offset, unit)
    section = info.referred_section("rnglists", offset)
    if entry.form(At.RANGES) == Form.RNGLISTX:
        width = unit.shape.offset_size
        base = info.root(unit).number(At.RNGLISTS_BASE)
        if base is None:
            # Just after the header of the only part: length, version, two sizes, number of offsets.
            base = 12 if width == 4 else 20
        offset = base + section.integer(section.start + base + offset * width, width)
    return _first_of_list(section, section.start + offset, unit)


def _base(unit: Unit) -> int:
    unit = unit if unit.info.skeleton is None else unit.info.skeleton
    return unit.info.root(unit).address(At.LOW_PC) or 0


def _first_pair(section: DebugSection, position: int, unit: Unit) -> int | None:
    width = unit.shape.address_size
    base = _base(unit)
    for at in range(position, position + 2 * width * _MAX_ENTRIES, 2 * width):
        start, end = section.integer(at, width), section.integer(at + width, width)
        if not start and not end:
            break
        if start != (1 << 8 * width) - 1:
            return base + start
        base = end
    return None


def _first_of_list(section: DebugSection, position: int, unit: Unit) -> int | None:
    width = unit.shape.address_size
    base = _base(unit)
    for _ in range(_MAX_ENTRIES):
        kind = section.integer(position, 1)
        match kind:
            case _Kind.START_END | _Kind.START_LENGTH:
                return section.integer(position + 1, width)
            case _Kind.STARTX_ENDX | _Kind.STARTX_LENGTH:
                return unit.info.indexed_address(unit, section.uleb(position + 1)[0])
            case _Kind.OFFSET_PAIR:
                return base + section.uleb(position + 1)[0]
            case _Kind.BASE_ADDRESS:
                base, position = section.integer(position + 1, width), position + 1 + width
            case _Kind.BASE_ADDRESSX:
                index, position = section.uleb(position + 1)
                base = unit.info.indexed_address(unit, index)
            case _:
                break
    return None
