"""``/etc/ld.so.cache``: which file ldconfig found for a name (glibc, ``elf/cache.c`` and ``dl-cache.h``).

Three formats: the one of libc 5, the one of glibc 2.2, and the first with the second behind it. Entries of the
second may name a ``glibc-hwcaps`` subfolder (glibc 2.33), whose names stand in an extension at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Literal

from soinspect.elf.strings import StringTable
from soinspect.model.lateclass import dataclass

_OLD_MAGIC = b"ld.so-1.7.0"
_NEW_MAGIC = b"glibc-ld.so.cache1.1"
_OLD_HEADER_SIZE = 16
_NEW_HEADER_SIZE = 48
_EXTENSION_MAGIC = 0xEAA42174
_HWCAPS_TAG = 1
_HWCAPS_ENTRY = 1 << 30  # in the upper half of an entry's hwcap: the lower half is an index into the extension
_ISA_LEVEL_MASK = 0x3FF


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """A library of the cache; ``hwcaps`` is its ``glibc-hwcaps`` subfolder, empty for every processor."""

    name: str
    path: str
    flags: int
    hwcaps: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LdCache:
    """The entries of the cache in file order, and what of it could not be read."""

    entries: tuple[CacheEntry, ...]
    remarks: tuple[str, ...]

    def lookup(self, name: str, flags: int | None, hwcaps: tuple[str, ...]) -> str | None:
        """The path for a name: the best subfolder of ``hwcaps`` if there is one, else the first for any processor.

        ``flags`` are those of the libraries of one machine; None takes any machine's.
        """
        matching = [it for it in self.entries if it.name == name and flags in (None, it.flags)]
        for wanted in (*hwcaps, ""):
            for entry in matching:
                if entry.hwcaps == wanted:
                    return entry.path
        return None


def parse_cache(data: bytes, byteorder: Literal["little", "big"]) -> LdCache:
    """Read a cache; ``byteorder`` is that of the machine it was made for.

    What is damaged is left out and named in the remarks, as the loader ignores what it cannot use.
    """
    order = "<" if byteorder == "little" else ">"
    remarks: list[str] = []
    start = 0
    if data.startswith(_OLD_MAGIC):
        entries = tuple(_old_entries(data, order, remarks))
        start = _OLD_HEADER_SIZE + 12 * _count(data, 12, order)
        start += -start % 8
        if not data.startswith(_NEW_MAGIC, start):
            return LdCache(entries=entries, remarks=tuple(remarks))
    if not data.startswith(_NEW_MAGIC, start) or len(data) < start + _NEW_HEADER_SIZE:
        return LdCache(entries=(), remarks=("ld.so.cache is of no known format: ignored",))
    return LdCache(entries=tuple(_new_entries(data[start:], order, remarks)), remarks=tuple(remarks))


def _count(data: bytes, offset: int, order: str) -> int:
    return int.from_bytes(data[offset : offset + 4], "little" if order == "<" else "big")


def _old_entries(data: bytes, order: str, remarks: list[str]) -> Iterator[CacheEntry]:
    record = Struct(order + "iII")
    strings = _OLD_HEADER_SIZE + record.size * _count(data, 12, order)
    if strings > len(data):
        remarks.append("ld.so.cache announces more libraries than it holds: ignored")
        return
    names = StringTable(data[strings:])
    for flags, key, value in record.iter_unpack(data[_OLD_HEADER_SIZE:strings]):
        yield from _entry(names, key, value, flags, "", remarks)


def _new_entries(data: bytes, order: str, remarks: list[str]) -> Iterator[CacheEntry]:
    record = Struct(order + "iIIIQ")
    end = _NEW_HEADER_SIZE + record.size * _count(data, 20, order)
    if end > len(data):
        remarks.append("ld.so.cache announces more libraries than it holds: ignored")
        return
    subfolders = _hwcaps_names(data, order, remarks)
    strings = StringTable(data)
    for flags, key, value, _osversion, hwcap in record.iter_unpack(data[_NEW_HEADER_SIZE:end]):
        index = hwcap & 0xFFFFFFFF
        if not hwcap:
            yield from _entry(strings, key, value, flags, "", remarks)
        elif hwcap >> 32 & ~_ISA_LEVEL_MASK == _HWCAPS_ENTRY and index < len(subfolders):
            yield from _entry(strings, key, value, flags, subfolders[index], remarks)
        # Anything else is for processors named by bits that no loader since glibc 2.37 looks at.


def _entry(
    strings: StringTable, key: int, value: int, flags: int, hwcaps: str, remarks: list[str]
) -> Iterator[CacheEntry]:
    if max(key, value) < len(strings):
        yield CacheEntry(name=strings.get(key), path=strings.get(value), flags=flags, hwcaps=hwcaps)
    elif not remarks:
        remarks.append(f"ld.so.cache has names outside of it (the first at {max(key, value):#x}): left out")


def _hwcaps_names(data: bytes, order: str, remarks: list[str]) -> tuple[str, ...]:
    """The names of the ``glibc-hwcaps`` subfolders, by index."""
    at = _count(data, 32, order)
    if not at:
        return ()
    if _count(data, at, order) != _EXTENSION_MAGIC:
        remarks.append("ld.so.cache has a damaged extension: its glibc-hwcaps entries are left out")
        return ()
    sections = data[at + 8 : at + 8 + 16 * _count(data, at + 4, order)]
    for tag, _flags, offset, size in Struct(order + "4I").iter_unpack(sections[: len(sections) - len(sections) % 16]):
        if tag == _HWCAPS_TAG:
            raw = data[offset : offset + size]
            strings = StringTable(data)
            return tuple(strings.get(at) for (at,) in Struct(order + "I").iter_unpack(raw[: len(raw) - len(raw) % 4]))
    return ()
