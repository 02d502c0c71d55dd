"""Notes (System V gABI, "Note Section"): build ids, GNU properties, Go's own."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from soinspect.elf.image import Image
from soinspect.model.constants import SectionType, SegmentType
from soinspect.model.note import Note

_MAX_NOTES = 10_000


def read_notes(image: Image) -> tuple[Note, ...]:
    """All notes, through PT_NOTE and through note sections (some linkers cover only the first note by PT_NOTE)."""
    found: dict[int, Note] = {}
    for offset, size, align in _blocks(image):
        for note in _parse(image, offset, size, align):
            if len(found) >= _MAX_NOTES:
                image.remark("notes", f"more than {_MAX_NOTES}: the rest is not read")
                return tuple(found.values())
            found.setdefault(note.offset, note)
    return tuple(found.values())


def _blocks(image: Image) -> Iterator[tuple[int, int, int]]:
    for segment in image.segments:
        if segment.type is SegmentType.NOTE:
            yield segment.offset, segment.filesz, 8 if segment.align == 8 else 4
    for section in image.sections or ():
        if section.type is SectionType.NOTE:
            yield section.offset, section.size, 8 if section.name == ".note.gnu.property" else 4


def _parse(image: Image, offset: int, size: int, align: int) -> Iterator[Note]:
    record = Struct(("<" if image.header.byteorder == "little" else ">") + "III")
    end = min(offset + size, image.size)
    while offset + record.size <= end:
        name_size, desc_size, note_type = record.unpack(image.at(offset, record.size))
        name_at = offset + record.size
        desc_at = name_at + name_size + -name_size % 4
        if align == 8:
            desc_at += -(desc_at - offset) % 8
        following = desc_at + desc_size + -desc_size % align
        if desc_at + desc_size > end:
            image.remark("notes", f"the note at {offset:#x} would end past its section or the file")
            return
        name = image.at(name_at, name_size).rstrip(b"\0").decode("utf-8", "replace")
        yield Note(owner=name, type=note_type, offset=offset, data=image.at(desc_at, desc_size))
        offset = following
