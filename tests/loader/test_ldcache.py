"""ld.so.cache in all its formats, as ldconfig -p reads it, and damaged in every way."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest

from soinspect.loader.ldcache import parse_cache

X86_64, AARCH64 = 0x0303, 0x0A03
HWCAPS_ENTRY = 1 << 62


def old_cache(libraries: list[tuple[bytes, bytes]], order: str = "<") -> bytes:
    strings, rows = b"", b""
    for name, path in libraries:
        rows += struct.pack(order + "iII", 1, len(strings), len(strings) + len(name) + 1)
        strings += name + b"\0" + path + b"\0"
    return b"ld.so-1.7.0\0" + struct.pack(order + "I", len(libraries)) + rows + strings


def new_cache(libraries: list[tuple[bytes, bytes, int, int]], subfolders: tuple[bytes, ...] = (), order: str = "<"
              ) -> bytes:  # fmt: skip
    at = 48 + 24 * len(libraries)
    strings, rows = b"", b""
    for name, path, flags, hwcap in libraries:
        here = at + len(strings)
        rows += struct.pack(order + "iIIIQ", flags, here, here + len(name) + 1, 0, hwcap)
        strings += name + b"\0" + path + b"\0"
    indexes = b""
    for name in subfolders:
        indexes += struct.pack(order + "I", at + len(strings))
        strings += name + b"\0"
    strings += bytes(-(at + len(strings)) % 4)
    extension_at = at + len(strings) if subfolders else 0
    extension = struct.pack(order + "6I", 0xEAA42174, 1, 1, 0, extension_at + 24, len(indexes)) + indexes
    header = b"glibc-ld.so.cache1.1" + struct.pack(
        order + "IIB3xI12x", len(libraries), len(strings), 2 if order == "<" else 3, extension_at
    )
    return header + rows + strings + (extension if subfolders else b"")


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_first_library_of_the_machine_is_taken(order: str) -> None:
    data = new_cache(
        [(b"liba.so", b"/arm/liba.so", AARCH64, 0), (b"liba.so", b"/1/liba.so", X86_64, 0),
         (b"liba.so", b"/2/liba.so", X86_64, 0)], order=order
    )  # fmt: skip
    cache = parse_cache(data, "little" if order == "<" else "big")
    assert cache.remarks == ()
    assert cache.lookup("liba.so", X86_64, ()) == "/1/liba.so"
    assert cache.lookup("liba.so", AARCH64, ()) == "/arm/liba.so"
    assert cache.lookup("libb.so", X86_64, ()) is None


def test_the_best_usable_subfolder_wins() -> None:
    data = new_cache(
        [(b"liba.so", b"/v3", X86_64, HWCAPS_ENTRY | 1), (b"liba.so", b"/v2", X86_64, HWCAPS_ENTRY),
         (b"liba.so", b"/legacy", X86_64, 1 << 5), (b"liba.so", b"/plain", X86_64, 0)],
        subfolders=(b"x86-64-v2", b"x86-64-v3"),
    )  # fmt: skip
    cache = parse_cache(data, "little")
    assert cache.lookup("liba.so", X86_64, ("x86-64-v3", "x86-64-v2")) == "/v3"
    assert cache.lookup("liba.so", X86_64, ("x86-64-v2",)) == "/v2"
    assert cache.lookup("liba.so", X86_64, ()) == "/plain"


def test_the_old_format_alone_and_before_the_new_one() -> None:
    old = old_cache([(b"libold.so", b"/old/libold.so")])
    assert parse_cache(old, "little").lookup("libold.so", None, ()) == "/old/libold.so"
    both = old + bytes(-len(old) % 8)
    # The strings of the old part stand behind the new one in real files; the new one begins after the entries.
    combined = both[:28] + bytes(-28 % 8) + new_cache([(b"libnew.so", b"/new/libnew.so", X86_64, 0)])
    assert parse_cache(combined, "little").lookup("libnew.so", X86_64, ()) == "/new/libnew.so"


def test_the_cache_of_this_machine_is_read_as_ldconfig_reads_it() -> None:
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    theirs = re.findall(r"^\t(\S+) \([^)]*\) => (\S+)$", listed, re.MULTILINE)
    cache = parse_cache(Path("/etc/ld.so.cache").read_bytes(), "little")
    assert [(it.name, it.path) for it in cache.entries] == theirs
    assert cache.remarks == ()


def test_damaged_caches_end_in_remarks() -> None:
    whole = new_cache([(b"liba.so", b"/liba.so", X86_64, HWCAPS_ENTRY), (b"libb.so", b"/libb.so", X86_64, 0)],
                      subfolders=(b"x86-64-v2",))  # fmt: skip
    chance = random.Random(6)
    for size in range(len(whole)):
        parse_cache(whole[:size], "little")
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        parse_cache(bytes(data), "little").lookup("liba.so", X86_64, ("x86-64-v2",))
    assert parse_cache(b"", "little").remarks == ("ld.so.cache is of no known format: ignored",)
    huge = bytearray(whole)
    struct.pack_into("<I", huge, 20, 0xFFFFFFFF)
    assert parse_cache(bytes(huge), "little").remarks == (
        "ld.so.cache announces more libraries than it holds: ignored",
    )


def test_names_that_overlap_do_not_fill_the_memory() -> None:
    count, text = 20_000, b"x" * 100_000 + b"\0"
    at = 48 + 24 * count
    rows = b"".join(struct.pack("<iIIIQ", X86_64, at + n, at, 0, 0) for n in range(count))
    header = b"glibc-ld.so.cache1.1" + struct.pack("<IIB3xI12x", count, len(text), 2, 0)
    cache = parse_cache(header + rows + text, "little")
    assert sum(len(it.name) + len(it.path) for it in cache.entries) < 40_000_000
