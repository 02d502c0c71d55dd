"""The bytes of one ELF file with its headers: the only object with a lifetime.

Decoded by hand from :mod:`struct` records rather than through a library: every count and offset is checked
against the file's length before it is used, and one broken table never hides the others.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from struct import Struct, calcsize
from typing import Literal, Self

from soinspect.elf.identify import what_is
from soinspect.elf.layout import Layout, layout_for
from soinspect.elf.strings import StringTable
from soinspect.errors import FormatError, InputError, NotElf
from soinspect.model.absence import Absent
from soinspect.model.constants import (
    ElfClass,
    Machine,
    ObjectType,
    SectionFlags,
    SectionType,
    SegmentFlags,
    SegmentType,
)
from soinspect.model.image import Anomaly, Header, Section, Segment
from soinspect.regularfile import MAX_COPIED, open_regular, why_unreadable

_IDENT_SIZE = 16
_HEADER_FIELDS = (
    *("e_type", "e_machine", "e_version", "e_entry", "e_phoff", "e_shoff", "e_flags"),
    *("e_ehsize", "e_phentsize", "e_phnum", "e_shentsize", "e_shnum", "e_shstrndx"),
)
_CHUNK = 1 << 16  # bytes compared at a time: few enough to stay in the processor's cache
_LARGE = 1 << 20
_MAX_COMPARED = 16 << 30  # a sparse file costs nothing, and may have terabytes
_PN_XNUM = 0xFFFF
_SHN_XINDEX = 0xFFFF


class Image:
    """An ELF file in memory, mapped if it is large: headers, and reads by file offset or virtual address.

    Use it as a context manager, or call :meth:`close`. Addresses are those of the file (before relocation to a
    load address), in bytes.
    """

    def __init__(self, path: str, data: bytes | mmap.mmap, *, on_disk: bool = False) -> None:
        """Read the headers of ``data``; ``on_disk`` says that it is what the file at ``path`` holds.

        :raises NotElf: it is something else.
        :raises FormatError: the ELF header or program headers contradict the file's length.
        """
        self.path = path
        self.data = data
        self._on_disk = on_disk
        self.size = len(data)
        self._anomalies: dict[Anomaly, None] = {}
        self.header = self._read_header()
        self.layout: Layout = layout_for(self.header.elf_class, self.header.byteorder)
        self.segments = tuple(self._read_segments())
        self.sections = self._read_sections()
        self._loads = sorted((s for s in self.segments if s.type is SegmentType.LOAD), key=lambda s: s.vaddr)
        self._starts = [s.vaddr for s in self._loads]
        self._remark_overlaps()

    @classmethod
    def open(cls, path: str) -> Self:
        """Read the file at ``path``, or map it.

        :raises InputError: it is missing, empty, a directory or not a regular file, or may not be read.
        """
        with open_regular(path) as file:
            try:
                size = os.fstat(file.fileno()).st_size
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size > MAX_COPIED else file.read(size)
            except (OSError, ValueError) as error:
                raise InputError(path, why_unreadable(error, path)) from None
        if not data:
            raise InputError(path, "is empty (0 bytes)")
        try:
            return cls(path, data, on_disk=True)
        except InputError:
            if isinstance(data, mmap.mmap):
                data.close()
            raise

    def close(self) -> None:
        """Release the memory map."""
        if isinstance(self.data, mmap.mmap):
            self.data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- headers -------------------------------------------------------------------------------------------

    def _read_header(self) -> Header:
        ident = self.data[:_IDENT_SIZE]
        if not ident.startswith(b"\x7fELF"):
            raise NotElf(self.path, what_is(self.data[:8192], self.path if self._on_disk else None))
        if len(ident) < _IDENT_SIZE:
            raise self.error(
                0, "e_ident", None, f"the file has {len(ident)} bytes, the ELF identification {_IDENT_SIZE}"
            )
        if ident[4] not in (1, 2):
            raise self.error(4, "EI_CLASS", ident[4], "neither ELFCLASS32 nor ELFCLASS64")
        if ident[5] not in (1, 2):
            raise self.error(5, "EI_DATA", ident[5], "neither little-endian nor big-endian")
        elf_class = ElfClass(ident[4])
        byteorder: Literal["little", "big"] = "little" if ident[5] == 1 else "big"
        layout = layout_for(elf_class, byteorder)
        header_size = _IDENT_SIZE + layout.header.size
        if self.size < header_size:
            missing = [name for name in _HEADER_FIELDS if self._field(name, layout) <= self.size][-1]
            raise self.error(self._field(missing, layout), missing, None,
                             f"the file has {self.size} bytes, the ELF header {header_size}")  # fmt: skip
        (e_type, machine, _version, entry, phoff, shoff, flags, _ehsize, phentsize, phnum, shentsize, shnum,
         shstrndx) = layout.header.unpack_from(self.data, _IDENT_SIZE)  # fmt: skip
        if phnum and phentsize != layout.segment.size:
            raise self.error(self._field("e_phentsize", layout), "e_phentsize", phentsize,
                             f"program headers of this class have {layout.segment.size} bytes")  # fmt: skip
        if shoff and shentsize != layout.section.size:
            self.remark("section headers", f"e_shentsize is {shentsize}, not {layout.section.size}: ignored")
            shoff = 0
        extended = shnum == 0 or phnum == _PN_XNUM or shstrndx == _SHN_XINDEX
        if shoff and extended and shoff + layout.section.size <= self.size:
            # More than the header's 16 bits can count: the real numbers are in section header 0.
            zero = layout.section.unpack_from(self.data, shoff)
            shnum = shnum or zero[5]
            shstrndx = zero[6] if shstrndx == _SHN_XINDEX else shstrndx
            phnum = zero[7] if phnum == _PN_XNUM else phnum
        return Header(
            elf_class=elf_class,
            byteorder=byteorder,
            osabi=ident[7],
            type=ObjectType(e_type),
            machine=Machine(machine),
            entry=entry,
            flags=flags,
            phoff=phoff,
            shoff=shoff,
            phnum=phnum,
            shnum=shnum,
            shstrndx=shstrndx,
        )

    @staticmethod
    def _field(name: str, layout: Layout) -> int:
        """File offset of a field of the ELF header."""
        # The format is the byte order, then a letter for each field.
        return _IDENT_SIZE + calcsize(layout.header.format[: 1 + _HEADER_FIELDS.index(name)])

    def _read_segments(self) -> Iterator[Segment]:
        header, record = self.header, self.layout.segment
        if not header.phnum:
            return
        end = header.phoff + header.phnum * record.size
        if end > self.size:
            raise self.error(self._field("e_phnum", self.layout), "e_phnum", header.phnum,
                             f"the program headers would end at {end:#x}, the file at {self.size:#x}")  # fmt: skip
        for fields in record.iter_unpack(self.data[header.phoff : end]):
            if header.elf_class is ElfClass.ELF64:
                p_type, flags, offset, vaddr, _, filesz, memsz, align = fields
            else:
                p_type, offset, vaddr, _, filesz, memsz, flags, align = fields
            segment = Segment(
                type=SegmentType(p_type),
                flags=SegmentFlags(flags),
                offset=offset,
                vaddr=vaddr,
                filesz=filesz,
                memsz=memsz,
                align=align,
            )
            if offset + filesz > self.size:
                self.remark(
                    f"segment {segment.type.name}",
                    f"ends at {offset + filesz:#x}, past the end of the file ({self.size:#x}): the file is truncated",
                )
            yield segment

    def _read_sections(self) -> tuple[Section, ...] | Absent:
        header, record = self.header, self.layout.section
        if not header.shoff or not header.shnum:
            return Absent("no section headers (they were stripped, or e_shoff is unusable)")
        end = header.shoff + header.shnum * record.size
        if end > self.size:
            self.remark(
                "section headers",
                f"{header.shnum} headers at {header.shoff:#x} would end past the end of the file ({self.size:#x})",
            )
            return Absent("the section headers lie outside of the file")
        rows = list(record.iter_unpack(self.data[header.shoff : end]))
        names = StringTable(b"")
        if header.shstrndx < len(rows):
            _, _, _, _, offset, size = rows[header.shstrndx][:6]
            names = StringTable(self.at(offset, min(size, max(0, self.size - offset))))
        return tuple(
            Section(
                name=names.get(name),
                type=SectionType(sh_type),
                flags=SectionFlags(flags),
                addr=addr,
                offset=offset,
                size=size,
                link=link,
                info=info,
                entsize=entsize,
            )
            for name, sh_type, flags, addr, offset, size, link, info, _align, entsize in rows
        )

    def _remark_overlaps(self) -> None:
        for one, other in pairwise(self._loads):
            if other.vaddr < one.vaddr + one.memsz:
                self.remark("segments", f"the LOAD at {other.vaddr:#x} begins inside of the one at {one.vaddr:#x}")
        outside = [s for s in self.sections or () if s.type is not SectionType.NOBITS and s.offset + s.size > self.size]
        if outside:
            self.remark(
                "section headers",
                f"{len(outside)} of {self.header.shnum} sections end past the end of the file",
            )

    # -- reading -------------------------------------------------------------------------------------------

    def section(self, name: str) -> Section | None:
        """The first section of this name whose contents lie in the file, or None."""
        for section in self.sections or ():
            if section.name == name and section.type is not SectionType.NOBITS:
                return section
        return None

    def section_data(self, section: Section) -> bytes:
        """The contents of a section, cut at the end of the file."""
        return self.at(section.offset, min(section.size, max(0, self.size - section.offset)))

    def at(self, offset: int, size: int) -> bytes:
        """``size`` bytes at a file offset.

        :raises FormatError: they lie outside of the file.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise self.error(offset, "offset", offset, f"{size} bytes there would end past {self.size:#x}")
        data = self.data[offset : offset + size]
        if size >= _LARGE and isinstance(self.data, mmap.mmap):
            # Whole tables are read once: their pages of the map would count as our memory besides the copy.
            start = offset - offset % mmap.PAGESIZE
            self.data.madvise(mmap.MADV_DONTNEED, start, offset + size - start)
        return data

    def same_bytes(self, other: Image) -> bool:
        """Whether two files are the same, told without a copy of either; of huge ones, False."""
        starts = range(0, self.size, _CHUNK)
        if self.size != other.size or self.size > _MAX_COMPARED:
            return False
        return all(self.data[at : at + _CHUNK] == other.data[at : at + _CHUNK] for at in starts)

    def segment_of(self, vaddr: int) -> Segment | None:
        """The loaded segment whose memory contains ``vaddr``, or None."""
        index = bisect_right(self._starts, vaddr) - 1
        if index < 0:
            return None
        segment = self._loads[index]
        return segment if vaddr < segment.vaddr + segment.memsz else None

    def offset_of(self, vaddr: int) -> int | None:
        """The file offset of the byte at ``vaddr``, or None if the file holds none (unmapped, or .bss)."""
        segment = self.segment_of(vaddr)
        if segment is None or vaddr >= segment.vaddr + segment.filesz:
            return None
        offset = segment.offset + vaddr - segment.vaddr
        return offset if offset < self.size else None

    def available(self, vaddr: int) -> int:
        """How many bytes the file holds from ``vaddr`` to the end of its segment."""
        offset = self.offset_of(vaddr)
        if offset is None:
            return 0
        segment = self.segment_of(vaddr)
        assert segment is not None  # noqa: S101
        return min(segment.vaddr + segment.filesz - vaddr, self.size - offset)

    def read(self, vaddr: int, size: int) -> bytes:
        """``size`` bytes of the loaded image at ``vaddr``; memory beyond the file's part of a segment is zero.

        :raises FormatError: the range is not wholly inside of one segment, or the file is cut short there.
        """
        segment = self.segment_of(vaddr)
        if segment is None or size < 0 or vaddr + size > segment.vaddr + segment.memsz:
            raise self.error(0, "address", vaddr, f"{size} bytes there are not inside of a loaded segment")
        in_file = max(0, min(size, segment.vaddr + segment.filesz - vaddr))
        data = self.at(segment.offset + vaddr - segment.vaddr, in_file) if in_file else b""
        return data if in_file == size else data + bytes(min(size - in_file, 1 << 26))

    def unpack(self, record: Struct, vaddr: int) -> tuple[int, ...]:
        """One record of integers at ``vaddr``.

        :raises FormatError: as :meth:`read`.
        """
        return record.unpack(self.read(vaddr, record.size))

    # -- trouble -------------------------------------------------------------------------------------------

    def error(self, offset: int, field: str, value: int | None, why: str) -> FormatError:
        """A :class:`FormatError` of this file, to be raised."""
        return FormatError(self.path, offset=offset, field=field, value=value, why=why)

    def remark(self, where: str, what: str) -> None:
        """Record something odd that does not stop the reading."""
        self._anomalies[Anomaly(where=where, what=what)] = None

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What was odd in all that has been read so far, in the order it was met."""
        return tuple(self._anomalies)
