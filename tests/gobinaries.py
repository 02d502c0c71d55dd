"""What the tests of Go binaries share: sources, types of fixtures, and the removal of section headers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"
EVERY_TYPE = FIXTURES / "go-plugin-of-every-type" / "everytype.go"
LIBRARY = FIXTURES / "go-c-shared-library" / "library.go"
STRIPPED = ("plain", "no-debug", "stripped", "headless")

GoBuild = Callable[..., Path]
Variant = Callable[[str, str, str], Path]


def remove_section_headers(path: Path) -> None:
    """Forget the section headers: e_shoff, e_shnum and e_shstrndx become 0, the headers themselves zeros."""
    data = bytearray(path.read_bytes())
    (offset,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    data[offset : offset + size * count] = bytes(size * count)
    struct.pack_into("<Q", data, 40, 0)
    struct.pack_into("<HH", data, 60, 0, 0)
    path.write_bytes(data)
