"""Small ELF images, odd on purpose, in a few lines: ``elf64(symbols=[("answer", ...)])`` gives the bytes.

One PT_LOAD maps the whole file at address 0, so that addresses and file offsets are the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import Literal

EHDR, PHDR, SHDR, SYM, DYN = 64, 56, 64, 24, 16


@dataclass(frozen=True, kw_only=True)
class Sym:
    """A dynamic symbol of the image."""

    name: bytes
    value: int = 0x1000
    size: int = 4
    info: int = 0x12  # GLOBAL FUNC
    other: int = 0
    shndx: int = 1


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A further program header."""

    type: int
    flags: int = 4
    offset: int = 0
    vaddr: int = 0
    filesz: int = 0
    memsz: int = 0
    align: int = 1


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section; ``data`` is placed behind the dynamic section, unless ``offset`` says that the bytes are elsewhere."""

    name: bytes
    type: int = 1
    flags: int = 0
    addr: int = 0
    data: bytes = b""
    offset: int | None = None
    size: int | None = None
    link: int = 0
    info: int = 0
    entsize: int = 0


def elf(
    symbols: tuple[Sym, ...] = (),
    *,
    bits: Literal[32, 64] = 64,
    order: str = "<",
    machine: int = 62,
    dynamic: tuple[tuple[int, int], ...] = (),
    texts: tuple[tuple[int, bytes], ...] = (),
    tables: tuple[tuple[int, bytes], ...] = (),
    relocations: tuple[tuple[int, int], ...] = (),
    gnu_hash: bytes | None = None,
    segments: tuple[Segment, ...] = (),
    sections: tuple[Section, ...] = (),
    overrides: dict[int, bytes] | None = None,
) -> bytes:
    """A shared object: ELF header, PT_LOAD, PT_DYNAMIC, .hash, .dynsym, .dynstr, relocations, tables, .dynamic.

    ``dynamic`` adds entries, ``texts`` those whose value is a string (1 DT_NEEDED, 14 DT_SONAME, 29 DT_RUNPATH),
    ``tables`` those whose value is the address of these bytes, ``relocations`` are pairs of a symbol's number and a
    type. Section headers are written only if there are ``sections``; .shstrtab is added to them.
    ``overrides`` replaces bytes at file offsets in the end.
    """
    word = "Q" if bits == 64 else "I"
    ehdr, phdr = (EHDR, PHDR) if bits == 64 else (52, 32)
    strings = bytearray(b"\0")
    rows = [_symbol(bits, order, 0, Sym(name=b"", value=0, size=0, info=0, shndx=0))]
    for symbol in symbols:
        rows.append(_symbol(bits, order, len(strings), symbol))
        strings += symbol.name + b"\0"
    named = []
    for tag, text in texts:
        named.append((tag, len(strings)))
        strings += text + b"\0"
    hash_at = ehdr + (2 + len(segments)) * phdr
    if gnu_hash is None:
        hashes = struct.pack(f"{order}2I{1 + len(rows)}I", 1, len(rows), *([0] * (1 + len(rows))))
        hash_tag = 4
    else:
        hashes, hash_tag = gnu_hash, 0x6FFFFEF5
    symbols_at = _aligned(hash_at + len(hashes))
    strings_at = symbols_at + len(rows[0]) * len(rows)
    relocations_at = _aligned(strings_at + len(strings))
    shift = 32 if bits == 64 else 8
    rela = b"".join(struct.pack(order + word * 3, 0, symbol << shift | kind, 0) for symbol, kind in relocations)
    blocks = {hash_at: hashes, symbols_at: b"".join(rows), strings_at: bytes(strings), relocations_at: rela}
    at = relocations_at + len(rela)
    for tag, table in tables:
        at = _aligned(at)
        blocks[at] = table
        named.append((tag, at))
        at += len(table)
    dynamic_at = _aligned(at)
    entries = [
        (hash_tag, hash_at),
        (5, strings_at),
        (6, symbols_at),
        (10, len(strings)),
        (11, len(rows[0])),
        *(((7, relocations_at), (8, len(rela)), (9, len(rela) // len(relocations))) if rela else ()),
        *named,
        *dynamic,
        (0, 0),
    ]
    blocks[dynamic_at] = b"".join(struct.pack(order + 2 * word, *entry) for entry in entries)
    size = dynamic_at + len(blocks[dynamic_at])
    headers = (
        Segment(type=1, flags=5, filesz=size, memsz=size, align=0x1000),
        Segment(type=2, flags=6, offset=dynamic_at, vaddr=dynamic_at, filesz=size - dynamic_at,
                memsz=size - dynamic_at, align=8),
        *segments,
    )  # fmt: skip
    blocks[ehdr] = b"".join(_segment(bits, order, header) for header in headers)
    shoff = shnum = 0
    if sections:
        size, shnum = _place_sections(bits, order, sections, size, blocks)
        shoff = size - shnum * (SHDR if bits == 64 else 40)
    blocks[0] = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    blocks[16] = struct.pack(f"{order}HHI3{word}I6H", 3, machine, 1, 0, ehdr, shoff, 0, ehdr, phdr, len(headers),
                             SHDR if bits == 64 else 40, shnum, max(shnum - 1, 0))  # fmt: skip
    image = bytearray(size)
    for offset, data in (*blocks.items(), *(overrides or {}).items()):
        image[offset : offset + len(data)] = data
    return bytes(image)


elf64 = partial(elf, bits=64)
elf32 = partial(elf, bits=32)


def _aligned(offset: int) -> int:
    return offset + -offset % 8


def _symbol(bits: int, order: str, name: int, symbol: Sym) -> bytes:
    numbers = (symbol.info, symbol.other, symbol.shndx)
    if bits == 64:
        return struct.pack(order + "IBBHQQ", name, *numbers, symbol.value, symbol.size)
    return struct.pack(order + "IIIBBH", name, symbol.value, symbol.size, *numbers)


def _segment(bits: int, order: str, it: Segment) -> bytes:
    if bits == 64:
        return struct.pack(order + "2I6Q", it.type, it.flags, it.offset, it.vaddr, it.vaddr, it.filesz, it.memsz,
                           it.align)  # fmt: skip
    return struct.pack(order + "8I", it.type, it.offset, it.vaddr, it.vaddr, it.filesz, it.memsz, it.flags, it.align)


def _place_sections(
    bits: int, order: str, sections: tuple[Section, ...], end: int, blocks: dict[int, bytes]
) -> tuple[int, int]:
    """Add the contents of sections, their names and their headers from ``end`` on; the new end and their number."""
    names = bytearray(b"\0")
    headers = [(0,) * 10]
    for section in (*sections, Section(name=b".shstrtab", type=3)):
        name = len(names)
        names += section.name + b"\0"
        data = bytes(names) if section.name == b".shstrtab" else section.data
        offset = end if section.offset is None else section.offset
        size = len(data) if section.size is None else section.size
        headers.append((name, section.type, section.flags, section.addr, offset, size, section.link, section.info, 1,
                        section.entsize))  # fmt: skip
        if section.offset is None:
            blocks[offset] = data
            end = _aligned(end + len(data))
    record = struct.Struct(order + ("2I4Q2I2Q" if bits == 64 else "10I"))
    blocks[end] = b"".join(record.pack(*header) for header in headers)
    return end + len(blocks[end]), len(headers)
