"""Memory for arguments: what a callee writes outside of it is noticed.

In front and behind are canaries, and right behind these a page that nobody may touch: a small overrun is seen when
the call is over, a larger one stops the callee at once.
"""

from __future__ import annotations

import ctypes
import os
from struct import Struct

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    from .protocol import Pointers

PAGE = 4096
READ, WRITE, EXECUTE = 1, 2, 4
_SHARED, _PRIVATE_ANONYMOUS = 0x01, 0x22
_ALIGNMENT = 16
_FRONT = 64
_CANARY = b"\xc5"
_ADDRESS = Struct("=Q")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def map_pages(size: int, file: int = -1) -> int:
    """The address of ``size`` new bytes, filled with zeros, or of those of ``file``, shared with who else maps it."""
    start: int = _libc.mmap(None, size, READ | WRITE, _PRIVATE_ANONYMOUS if file < 0 else _SHARED, file, 0)
    if start == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return start


def protect(start: int, size: int, rights: int) -> None:
    """Allow only ``rights`` (READ, WRITE, EXECUTE) in whole pages."""
    if _libc.mprotect(start, size, rights):
        raise OSError(ctypes.get_errno(), "mprotect")


def peek(address: int, size: int) -> bytes:
    """Up to ``size`` bytes at ``address``, as many as are mapped; read by the kernel, which does not fault."""
    try:
        memory = os.open("/proc/self/mem", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(memory, size, address)
    except (OSError, OverflowError):
        return b""
    finally:
        os.close(memory)


class Guarded:
    """``size`` bytes at ``address``, which is aligned for every type."""

    def __init__(self, size: int) -> None:
        padded = -(-size // _ALIGNMENT) * _ALIGNMENT
        page = os.sysconf("SC_PAGESIZE")
        mapped = -(-(_FRONT + padded) // page) * page
        start = map_pages(mapped + page)
        protect(start + mapped, page, 0)
        self.address = start + mapped - padded
        self.size = size
        self._behind = padded - size
        self._filled = b""

    def fill(self, data: bytes) -> None:
        """Set the contents, and the canaries around them."""
        self._filled = data
        whole = _CANARY * _FRONT + data + _CANARY * self._behind
        ctypes.memmove(self.address - _FRONT, whole, len(whole))

    def contents(self) -> bytes:
        """The bytes as they are now."""
        return ctypes.string_at(self.address, self.size)

    @property
    def changed(self) -> bool:
        """Whether the contents are not what they were filled with."""
        return self.contents() != self._filled

    def overrun(self) -> tuple[int, int]:
        """How far in front of the memory, and how far behind it, something was written: bytes, 0 for nothing."""
        front = ctypes.string_at(self.address - _FRONT, _FRONT)
        behind = ctypes.string_at(self.address + self.size, self._behind)
        return len(front.lstrip(_CANARY)), len(behind.rstrip(_CANARY))


class Place:
    """Data at an address of its own, with pointers in it to other such data."""

    def __init__(self, data: bytes, pointers: Pointers) -> None:
        self.memory = Guarded(len(data))
        self._data = data
        self._inner = places(pointers)

    def fill(self) -> int:
        """Set the memory, and all that it points to, to what it is before a call; its address."""
        self.memory.fill(linked(self._data, self._inner))
        return self.memory.address


def places(pointers: Pointers) -> list[tuple[int, Place]]:
    """Memory for what ``pointers`` lead to, with their offsets."""
    return [(offset, Place(data, inner)) for offset, data, inner in pointers]


def linked(data: bytes, inner: list[tuple[int, Place]]) -> bytes:
    """The data with the addresses of places at their offsets; the places are filled."""
    for offset, place in inner:
        data = data[:offset] + _ADDRESS.pack(place.fill()) + data[offset + _ADDRESS.size :]
    return data
