"""Damage to files, made by one who knows the format: a number gives the same edits of a file every time."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import InputError
from soinspect.go.binary import GoBinary
from soinspect.model.constants import DynamicTag, SectionType

_EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32,
             1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 8, (1 << 64) - 1)  # fmt: skip
UNDAMAGED = -1  # the number of the file itself
_MAX_FIELDS = 1 << 16  # bytes of one table that are of interest

_OF_SECTION = {
    SectionType.HASH: "I",
    SectionType.GNU_HASH: "I",
    SectionType.NOTE: "I",
    SectionType.GNU_VERSYM: "H",
    SectionType.GNU_VERDEF: "HHHHIIIII",
    SectionType.GNU_VERNEED: "HHIIIIHHII",
    SectionType.STRTAB: "B",
}
_OF_ADDRESS = {
    DynamicTag.HASH: "I",
    DynamicTag.GNU_HASH: "I",
    DynamicTag.STRTAB: "B",
    DynamicTag.VERSYM: "H",
    DynamicTag.VERDEF: "HHHHIIIII",
    DynamicTag.VERNEED: "HHIIIIHHII",
    DynamicTag.RELR: "Q",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """``removed`` bytes at ``offset`` of the sound file become ``data``."""

    offset: int
    removed: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Table:
    """Records of a known form, from one file offset to another; ``form`` is that of :mod:`struct`, a field a letter."""

    start: int
    end: int
    form: str


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The damaged file. Edits are made from the last offset to the first, so that one does not move another."""
    damaged = bytearray(data)
    for edit in sorted(edits, key=lambda it: it.offset, reverse=True):
        damaged[edit.offset : edit.offset + edit.removed] = edit.data
    return bytes(damaged)


class Mutator:
    """Damages one sound file; it may be of any format, but of ELF files the tables are known."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = ">" if data[5:6] == b"\x02" else "<"
        self._tables = _tables(data)

    def edits(self, number: int) -> list[Edit]:
        """The edits with this number."""
        if number == UNDAMAGED:
            return []
        dice = random.Random(number)
        return [self._edit(dice) for _ in range(dice.choice((1, 1, 1, 1, 2, 3, 8)))]

    def _edit(self, dice: random.Random) -> Edit:
        if self._tables and dice.random() < 0.75:
            return self._field(dice)
        size = len(self._data)
        offset, length = dice.randrange(size), dice.choice((1, 4, 16, 64, 512, 4096))
        match dice.randrange(5):
            case 0:
                return Edit(offset=offset, removed=1, data=bytes([self._data[offset] ^ 1 << dice.randrange(8)]))
            case 1:
                return Edit(offset=offset, removed=length, data=dice.randbytes(min(length, size - offset)))
            case 2:
                return Edit(offset=offset, removed=length, data=bytes([dice.choice((0, 0xFF))]) * length)
            case 3:
                return Edit(offset=offset, removed=size, data=b"")
        source = dice.randrange(size)  # a block twice: instead of another, or before it
        return Edit(offset=offset, removed=dice.choice((0, length)), data=self._data[source : source + length])

    def _field(self, dice: random.Random) -> Edit:
        table = dice.choice(self._tables)
        sizes = [struct.calcsize(self._order + letter) for letter in table.form]
        rows = max(1, (table.end - table.start) // sum(sizes))
        column = dice.randrange(len(sizes))
        offset = table.start + dice.randrange(rows) * sum(sizes) + [0, *accumulate(sizes)][column]
        width = min(sizes[column], len(self._data) - offset)
        byteorder: Literal["little", "big"] = "big" if self._order == ">" else "little"
        old = int.from_bytes(self._data[offset : offset + width], byteorder)
        other = dice.randrange(max(1, len(self._data) - width))
        new = dice.choice(
            (
                dice.choice(_EXTREMES),
                dice.choice(_EXTREMES),
                old + dice.choice((-1, 1, 8)),
                old ^ 1 << dice.randrange(8 * width),
                len(self._data) + dice.randrange(-8, 8),
                table.start,
                int.from_bytes(self._data[other : other + width], byteorder),
                dice.getrandbits(8 * width),
            )
        )
        data = (new & (1 << 8 * width) - 1).to_bytes(width, byteorder)
        return Edit(offset=offset, removed=width, data=data)


def _tables(data: bytes) -> list[Table]:
    """Where the tables of an ELF file are; none of what is no ELF file."""
    try:
        elf = ElfFile(Image("sound", data))
    except InputError:
        return []
    image = elf.image
    header, layout = image.header, image.layout
    forms = {name: getattr(layout, name).format.strip("<>") for name in ("header", "segment", "section", "symbol",
             "dynamic", "rela", "rel", "word")}  # fmt: skip
    tables = [
        Table(4, 8, "B"),
        Table(16, 16 + layout.header.size, forms["header"]),
        Table(header.phoff, header.phoff + header.phnum * layout.segment.size, forms["segment"]),
    ]
    tables += [Table(s.offset, s.offset + s.filesz, "I") for s in image.segments if s.type.name in ("NOTE", "INTERP")]
    tables += [
        Table(s.offset, s.offset + s.filesz, forms["dynamic"]) for s in image.segments if s.type.name == "DYNAMIC"
    ]
    of_section = _OF_SECTION | {
        SectionType.SYMTAB: forms["symbol"],
        SectionType.DYNSYM: forms["symbol"],
        SectionType.RELA: forms["rela"],
        SectionType.REL: forms["rel"],
        SectionType.RELR: forms["word"],
        SectionType.INIT_ARRAY: forms["word"],
    }
    if image.sections:
        tables.append(Table(header.shoff, header.shoff + header.shnum * layout.section.size, forms["section"]))
    for section in image.sections or ():
        form = of_section.get(section.type) or ("BBHI" if section.name.startswith((".debug", ".zdebug")) else "")
        if form and section.size:
            tables.append(Table(section.offset, section.offset + section.size, form))
    if elf.dynamic and all(section.type is not SectionType.DYNSYM for section in image.sections or ()):
        of_address = _OF_ADDRESS | {DynamicTag.SYMTAB: forms["symbol"], DynamicTag.RELA: forms["rela"]}
        for tag, form in of_address.items():
            offset = image.offset_of(elf.dynamic.get(tag, 0))
            if offset:
                tables.append(Table(offset, min(offset + 512, image.size), form))
    return [Table(t.start, min(t.end, t.start + _MAX_FIELDS), t.form) for t in (*tables, *_go_tables(elf))]


def _go_tables(elf: ElfFile) -> list[Table]:
    binary = GoBinary.of(elf)
    module = binary.module if binary else None
    if not module:
        return []
    spans = [
        (module.address, module.layout.offsets["hasmain"] + 64),
        (module.pclntab, 72),
        (module.pclntab, 1 << 14),
        (module.word("types"), 1 << 15),
        (module.slice("ptab").address, 8 * module.slice("ptab").length),
        (module.slice("pkghashes").address, 40 * module.slice("pkghashes").length),
    ]
    found = [(elf.image.offset_of(address), size) for address, size in spans]
    return [Table(offset, offset + size, "II" if size > 72 else "Q") for offset, size in found if offset and size]
