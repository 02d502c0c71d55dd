"""The dynamic section: what the dynamic linker is told (System V gABI, "Dynamic Section")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

from soinspect.elf.image import Image
from soinspect.elf.strings import StringTable
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicFlags, DynamicFlags1, DynamicTag, SegmentType
from soinspect.model.image import DynamicEntry

_NAMES = frozenset({DynamicTag.NEEDED, DynamicTag.SONAME, DynamicTag.RPATH, DynamicTag.RUNPATH})


class DynamicSection:
    """The entries of the dynamic section up to DT_NULL, in file order, and its string table."""

    def __init__(self, image: Image, entries: tuple[tuple[int, int], ...]) -> None:
        self._image = image
        self._first: dict[int, int] = {}
        for tag, value in entries:
            self._first.setdefault(tag, value)
        self.strings = self._read_strings()
        self.entries = tuple(self._name(entries))

    def _read_strings(self) -> StringTable:
        image = self._image
        address = self.get(DynamicTag.STRTAB)
        if address is None:
            image.remark("dynamic section", "has no DT_STRTAB: no name can be read")
            return StringTable(b"")
        size = self.get(DynamicTag.STRSZ, 0)
        available = image.available(address)
        if size > available:
            image.remark("DT_STRSZ", f"is {size:#x}, but only {available:#x} bytes are in the file at {address:#x}")
            size = available
        offset = image.offset_of(address)
        return StringTable(image.at(offset, size) if offset is not None else b"")

    def _name(self, entries: tuple[tuple[int, int], ...]) -> Iterator[DynamicEntry]:
        for raw, value in entries:
            tag = DynamicTag(raw)
            yield DynamicEntry(tag=tag, value=value, string=self.strings.get(value) if tag in _NAMES else None)

    @overload
    def get(self, tag: DynamicTag) -> int | None: ...
    @overload
    def get(self, tag: DynamicTag, default: int) -> int: ...
    def get(self, tag: DynamicTag, default: int | None = None) -> int | None:
        """The value of the first entry with ``tag``, or ``default``."""
        return self._first.get(tag, default)

    def strings_of(self, tag: DynamicTag) -> tuple[str, ...]:
        """The texts of all entries with ``tag``, in file order (the order of DT_NEEDED is the search order)."""
        return tuple(e.string for e in self.entries if e.tag is tag and e.string is not None)

    @property
    def flags(self) -> DynamicFlags:
        """DT_FLAGS, with the older tags that say the same folded in (DT_SYMBOLIC, DT_TEXTREL, DT_BIND_NOW)."""
        flags = DynamicFlags(self.get(DynamicTag.FLAGS, 0))
        for tag, flag in (
            (DynamicTag.SYMBOLIC, DynamicFlags.SYMBOLIC),
            (DynamicTag.TEXTREL, DynamicFlags.TEXTREL),
            (DynamicTag.BIND_NOW, DynamicFlags.BIND_NOW),
        ):
            if tag in self._first:
                flags |= flag
        return flags

    @property
    def flags_1(self) -> DynamicFlags1:
        """DT_FLAGS_1."""
        return DynamicFlags1(self.get(DynamicTag.FLAGS_1, 0))


def read_dynamic(image: Image) -> DynamicSection | Absent:
    """Read the dynamic section through PT_DYNAMIC (what the loader uses), else through its section header."""
    table = _locate(image)
    if isinstance(table, Absent):
        return table
    record = image.layout.dynamic
    entries: list[tuple[int, int]] = []
    usable = len(table) - len(table) % record.size
    for tag, value in record.iter_unpack(table[:usable]):
        if tag == DynamicTag.NULL:
            break
        entries.append((tag, value))
    else:
        image.remark("dynamic section", "has no DT_NULL at its end")
    return DynamicSection(image, tuple(entries))


def _locate(image: Image) -> bytes | Absent:
    for segment in image.segments:
        if segment.type is SegmentType.DYNAMIC:
            size = min(segment.filesz, max(0, image.size - segment.offset))
            if size:
                return image.at(segment.offset, size)
            if segment.filesz:
                return Absent("the dynamic segment lies past the end of the file: the file is truncated")
            return Absent("the dynamic segment holds no bytes of this file (a separate debug file?)")
    section = image.section(".dynamic")
    if section is not None:
        return image.section_data(section)
    return Absent("not dynamically linked: no PT_DYNAMIC")
