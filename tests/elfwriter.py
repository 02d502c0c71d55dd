"""Small ELF images, odd on purpose, in a few lines: ``elf64(symbols=[("answer", ...)])`` gives the bytes.

One PT_LOAD maps the whole file at address 0, so that addresses and file offsets are the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

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


def elf64(
    symbols: tuple[Sym, ...] = (),
    *,
    order: str = "<",
    machine: int = 62,
    dynamic: tuple[tuple[int, int], ...] = (),
    texts: tuple[tuple[int, bytes], ...] = (),
    relocations: tuple[tuple[int, int], ...] = (),
    gnu_hash: bytes | None = None,
    overrides: dict[int, bytes] | None = None,
) -> bytes:
    """A shared object without section headers: ELF header, PT_LOAD, PT_DYNAMIC, .hash, .dynsym, .dynstr, .dynamic.

    ``dynamic`` adds entries, ``texts`` those whose value is a string (1 DT_NEEDED, 14 DT_SONAME, 29 DT_RUNPATH),
    ``relocations`` are pairs of a symbol's number and a type. ``overrides`` replaces bytes at file offsets in the end.
    """
    strings = bytearray(b"\0")
    rows = [struct.pack(order + "IBBHQQ", 0, 0, 0, 0, 0, 0)]
    for symbol in symbols:
        rows.append(
            struct.pack(
                order + "IBBHQQ",
                len(strings),
                symbol.info,
                symbol.other,
                symbol.shndx,
                symbol.value,
                symbol.size,
            )
        )
        strings += symbol.name + b"\0"
    named = []
    for tag, text in texts:
        named.append((tag, len(strings)))
        strings += text + b"\0"
    hash_at = EHDR + 2 * PHDR
    if gnu_hash is None:
        hashes = struct.pack(f"{order}2I{1 + len(rows)}I", 1, len(rows), *([0] * (1 + len(rows))))
        hash_tag = 4
    else:
        hashes, hash_tag = gnu_hash, 0x6FFFFEF5
    hashes += bytes(-len(hashes) % 8)
    symbols_at = hash_at + len(hashes)
    strings_at = symbols_at + SYM * len(rows)
    relocations_at = strings_at + len(strings) + -(strings_at + len(strings)) % 8
    rela = b"".join(struct.pack(order + "QQq", 0, symbol << 32 | kind, 0) for symbol, kind in relocations)
    dynamic_at = relocations_at + len(rela)
    entries = [
        (hash_tag, hash_at),
        (5, strings_at),
        (6, symbols_at),
        (10, len(strings)),
        (11, SYM),
        *(((7, relocations_at), (8, len(rela)), (9, 24)) if rela else ()),
        *named,
        *dynamic,
        (0, 0),
    ]
    size = dynamic_at + DYN * len(entries)
    image = bytearray(size)
    image[:16] = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    image[16:EHDR] = struct.pack(order + "HHIQQQIHHHHHH", 3, machine, 1, 0, EHDR, 0, 0, EHDR, PHDR, 2, SHDR, 0, 0)
    image[EHDR : EHDR + PHDR] = struct.pack(order + "IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 0x1000)
    image[EHDR + PHDR : hash_at] = struct.pack(
        order + "IIQQQQQQ", 2, 6, dynamic_at, dynamic_at, dynamic_at, size - dynamic_at, size - dynamic_at, 8
    )
    image[hash_at:symbols_at] = hashes
    image[symbols_at:strings_at] = b"".join(rows)
    image[strings_at : strings_at + len(strings)] = strings
    image[relocations_at:dynamic_at] = rela
    image[dynamic_at:] = b"".join(struct.pack(order + "QQ", *entry) for entry in entries)
    for offset, data in (overrides or {}).items():
        image[offset : offset + len(data)] = data
    return bytes(image)
