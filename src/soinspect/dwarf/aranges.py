"""The index of addresses that compilers add (``.debug_aranges``; DWARF 5, section 6.1.2).

It is a hint where to look first, and never the last word: some compilers write none, some an incomplete one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct

from soinspect.dwarf.info import DebugInfo
from soinspect.dwarf.sections import DebugSection
from soinspect.dwarf.units import Unit
from soinspect.errors import FormatError

_DWARF64 = 0xFFFFFFFF


def units_first(infos: Sequence[DebugInfo], addresses: Iterable[int]) -> list[Unit]:
    """All units, those first that the index gives for one of the addresses."""
    hinted: set[Unit] = set()
    wanted = sorted(addresses)
    for info in infos:
        try:
            hinted.update(_hinted(info, wanted))
        except FormatError as error:
            info.remarks.add(error.reason)
    return sorted((unit for info in infos for unit in info.units), key=lambda unit: unit not in hinted)


def _hinted(info: DebugInfo, wanted: Sequence[int]) -> Iterator[Unit]:
    """The units that the index gives for one of the ``wanted`` addresses, which are sorted."""
    section = info.other_section("aranges")
    for offset, ranges in _sets(section) if section is not None and wanted else ():
        if any(bisect_left(wanted, start) < bisect_left(wanted, start + size) for start, size in ranges):
            yield info.place_at(info.section.start + offset).unit


def _sets(section: DebugSection) -> Iterator[tuple[int, Iterator[tuple[int, int]]]]:
    """For each unit of the index: its offset in .debug_info, and its ranges of addresses with their sizes."""
    position = section.start
    while position < section.end:
        length, at, offset_size = section.integer(position, 4), position + 4, 4
        if length == _DWARF64:
            length, at, offset_size = section.integer(at, 8), at + 8, 8
        end = min(at + length, section.end)
        unit = section.integer(at + 2, offset_size)
        address_size = section.integer(at + 2 + offset_size, 1)
        if address_size not in (4, 8):
            raise section.error(at + 2 + offset_size, "address_size", address_size, "neither 4 nor 8")
        record = Struct(("<" if section.byteorder == "little" else ">") + ("II" if address_size == 4 else "QQ"))
        at += 4 + offset_size
        at += (position - at) % record.size
        yield unit, record.iter_unpack(section.data[at : at + max(0, end - at) // record.size * record.size])
        position = end
