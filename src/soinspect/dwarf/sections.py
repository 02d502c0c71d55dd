"""Debug sections as readable bytes, whichever of three ways they are stored.

Plain, compressed by the gABI (SHF_COMPRESSED, "Section Compression"), or by GNU's older habit (``.zdebug_*``: the
text ``ZLIB`` and the size, eight bytes big-endian). A plain section is read in place, from the memory map.
"""

from __future__ import annotations

import mmap
import zlib
from dataclasses import dataclass
from importlib import import_module
from struct import Struct
from typing import Literal

from soinspect.elf.image import Image
from soinspect.errors import FormatError
from soinspect.model.constants import ElfClass, SectionFlags
from soinspect.model.image import Section

_ZLIB, _ZSTD = 1, 2
_GNU_MAGIC = b"ZLIB"
_GNU_HEADER = 12
_MAX_LEB = 10

# Debug information shrinks to a third or a tenth. A section that claims to unpack to more than this many times its
# size, and to more than a small file may, is made to exhaust memory.
_MAX_EXPANSION = 100
_SMALL = 1 << 24


class UnreadableSection(Exception):
    """A section that is sound but cannot be unpacked here; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class DebugSection:
    """The bytes of one debug section: ``data[start:end]``; positions in it are absolute in ``data``."""

    path: str
    name: str
    data: bytes | mmap.mmap
    start: int
    end: int
    byteorder: Literal["little", "big"]

    def __len__(self) -> int:
        return self.end - self.start

    def error(self, position: int, field: str, value: int, why: str) -> FormatError:
        """A :class:`FormatError` at a position; its offset counts from the start of a compressed section."""
        return FormatError(self.path, offset=position, field=f"{self.name}: {field}", value=value, why=why)

    def integer(self, position: int, size: int) -> int:
        """The unsigned integer of ``size`` bytes at ``position``.

        :raises FormatError: it is not inside of the section.
        """
        if position < self.start or position + size > self.end:
            raise self.error(position, "offset", position - self.start, f"the section has {len(self):#x} bytes")
        return int.from_bytes(self.data[position : position + size], self.byteorder)

    def uleb(self, position: int) -> tuple[int, int]:
        """The unsigned LEB128 number at ``position``, and the position after it (DWARF 5, section 7.6).

        :raises FormatError: it does not end inside of the section, or has more than 64 bits.
        """
        value = shift = 0
        for at in range(position, min(position + _MAX_LEB, self.end)):
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at + 1
            shift += 7
        raise self.error(position, "LEB128", value, f"it does not end within {_MAX_LEB} bytes or in the section")

    def sleb(self, position: int) -> tuple[int, int]:
        """The signed LEB128 number at ``position``, and the position after it.

        :raises FormatError: as :meth:`uleb`.
        """
        value, after = self.uleb(position)
        bits = 7 * (after - position)
        return (value - (1 << bits) if value >> (bits - 1) else value), after

    def text(self, position: int) -> tuple[str, int]:
        """The NUL-terminated text at ``position``, and the position after it.

        :raises FormatError: it does not end inside of the section.
        """
        end = self.data.find(b"\0", position, self.end) if self.start <= position else -1
        if end < 0:
            raise self.error(position, "text", position - self.start, "it does not end inside of the section")
        return self.data[position:end].decode("utf-8", "surrogateescape"), end + 1


def open_section(image: Image, name: str) -> DebugSection | None:
    """The debug section ``.debug_<name>`` (or ``.zdebug_<name>``) of a file, None if it has none.

    :raises FormatError: it is compressed, and damaged.
    :raises UnreadableSection: it is compressed in a way that this Python cannot undo.
    """
    section = image.section(f".debug_{name}")
    if section is None:
        section = image.section(f".zdebug_{name}")
        return _unpacked_gnu(image, section) if section else None
    if section.flags & SectionFlags.COMPRESSED:
        return _unpacked(image, section)
    end = min(section.offset + section.size, image.size)
    start = min(section.offset, end)
    return DebugSection(image.path, section.name, image.data, start, end, image.header.byteorder)


def _unpacked(image: Image, section: Section) -> DebugSection:
    order = "<" if image.header.byteorder == "little" else ">"
    wide = image.header.elf_class is ElfClass.ELF64
    header = Struct(order + ("IIQQ" if wide else "III"))
    packed = image.section_data(section)
    if len(packed) < header.size:
        raise image.error(section.offset, "ch_type", len(packed), f"{section.name} is cut inside of its header")
    fields = header.unpack_from(packed)
    kind, size = fields[0], fields[2 if wide else 1]
    return _section(image, section, _inflate(image, section, packed[header.size :], kind, size))


def _unpacked_gnu(image: Image, section: Section) -> DebugSection:
    packed = image.section_data(section)
    if len(packed) < _GNU_HEADER or not packed.startswith(_GNU_MAGIC):
        raise image.error(section.offset, section.name, len(packed), "it does not start with ZLIB and a size")
    size = int.from_bytes(packed[len(_GNU_MAGIC) : _GNU_HEADER], "big")
    return _section(image, section, _inflate(image, section, packed[_GNU_HEADER:], _ZLIB, size))


def _section(image: Image, section: Section, data: bytes) -> DebugSection:
    return DebugSection(image.path, section.name, data, 0, len(data), image.header.byteorder)


def _inflate(image: Image, section: Section, packed: bytes, kind: int, size: int) -> bytes:
    if size > max(_SMALL, _MAX_EXPANSION * len(packed)):
        raise image.error(section.offset, "ch_size", size, f"{section.name} has {len(packed):#x} packed bytes")
    try:
        data = _decompress(packed, kind, size)
    except zlib.error as error:
        raise image.error(section.offset, section.name, size, f"it cannot be unpacked: {error}") from None
    if len(data) != size:
        raise image.error(section.offset, "ch_size", size, f"{section.name} unpacks to {len(data):#x} bytes")
    return data


def _decompress(packed: bytes, kind: int, size: int) -> bytes:
    """At most ``size`` bytes of what is packed."""
    if kind == _ZLIB:
        # A limit of 0 would mean none.
        return zlib.decompressobj().decompress(packed, size) if size else b""
    if kind != _ZSTD:
        raise UnreadableSection(f"packed in a way ({kind}) that is neither zlib (1) nor zstd (2)")
    try:
        zstd = import_module("compression.zstd")
    except ModuleNotFoundError:
        raise UnreadableSection("packed with zstd, which needs Python 3.14 or later") from None
    try:
        unpacked: bytes = zstd.ZstdDecompressor().decompress(packed, size)
    except zstd.ZstdError as error:
        raise zlib.error(str(error)) from None
    return unpacked
