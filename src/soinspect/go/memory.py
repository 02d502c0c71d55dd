"""A loaded Go program's memory as the file shows it: words, strings and slices (64-bit, little-endian)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from soinspect.elf.file import ElfFile
from soinspect.model.constants import SegmentFlags, SegmentType
from soinspect.model.lateclass import dataclass

WORD = 8
_INT32 = Struct("<i")
_UINT32 = Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A Go slice header: the address of element 0, and lengths in elements."""

    address: int
    length: int
    capacity: int


class Memory:
    """Reads Go values from an :class:`ElfFile`, with its relocations applied.

    Every method raises :class:`~soinspect.errors.FormatError` for an address or length outside of the file.
    """

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf
        self.image = elf.image
        self.word = elf.pointer
        # The part of a segment that the last read came from, where the next one mostly goes: addresses, and what
        # makes a file offset of them.
        self._start = self._end = self._shift = 0

    def int32(self, address: int) -> int:
        """The signed 32-bit integer at ``address``."""
        return self.unpack(_INT32, address)[0]

    def uint32(self, address: int) -> int:
        """The unsigned 32-bit integer at ``address``."""
        return self.unpack(_UINT32, address)[0]

    def unpack(self, record: Struct, address: int) -> tuple[int, ...]:
        """One record of integers that the file really holds."""
        return record.unpack_from(self.image.data, self._offset(address, record.size))

    def block(self, address: int, size: int) -> bytes:
        """``size`` bytes that the file really holds: unlike ``Image.read``, never memory that starts as zero."""
        offset = self._offset(address, size)
        return self.image.data[offset : offset + size]

    def _offset(self, address: int, size: int) -> int:
        """The file offset of ``address``, which has ``size`` bytes after it in the file."""
        if not (self._start <= address and 0 <= size <= self._end - address):
            available = self.image.available(address)
            if not 0 <= size <= available:
                offset = self.image.offset_of(address) or 0
                raise self.image.error(offset, "length", size, f"that many bytes at {address:#x} are not in the file")
            if not size:
                return 0
            offset = self.image.offset_of(address) or 0
            self._start, self._end, self._shift = address, address + available, offset - address
            segment = self.image.segment_of(address)
            if segment is not None:
                self._start = segment.vaddr
        return address + self._shift

    def string(self, address: int) -> str:
        """The Go string whose header is at ``address``; bytes that are not UTF-8 become surrogate escapes."""
        size = self.word(address + WORD)
        return self.block(self.word(address), size).decode("utf-8", "surrogateescape") if size else ""

    def slice(self, address: int) -> Slice:
        """The slice header at ``address``, unchecked."""
        word = self.word
        return Slice(address=word(address), length=word(address + WORD), capacity=word(address + 2 * WORD))

    def elements(self, of: Slice, size: int) -> range:
        """The addresses of the elements of a slice whose elements have ``size`` bytes."""
        self._offset(of.address, of.length * size)
        return range(of.address, of.address + of.length * size, size)

    def blocks(self, *, writable: bool = False) -> Iterator[tuple[int, bytes]]:
        """The contents of the loaded segments (the ``writable`` ones) with their addresses, to be searched.

        Segments that overlap out of proportion are left out: they are made to waste time.
        """
        budget = 2 * self.image.size
        for segment in self.image.segments:
            if segment.type is SegmentType.LOAD and (segment.flags & SegmentFlags.W or not writable):
                size = self.image.available(segment.vaddr)
                budget -= size
                if budget < 0:
                    return
                yield segment.vaddr, self.block(segment.vaddr, size)

    def find(self, needle: bytes, alignment: int, *, writable: bool = False) -> Iterator[int]:
        """The addresses, multiples of ``alignment``, at which the file holds ``needle``."""
        for start, data in self.blocks(writable=writable):
            position = data.find(needle)
            while position >= 0:
                if (start + position) % alignment == 0:
                    yield start + position
                position = data.find(needle, position + 1)
