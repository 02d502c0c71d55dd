"""A file that is cut short while it is mapped: SIGBUS becomes an error in a line.

Python's own handlers cannot do that: they run after the instruction that was interrupted, which never comes to its end.
A C function runs at once. The thread is reading bytes then: it holds Python's lock, and none of the C library's.
"""

from __future__ import annotations

import ctypes
import os
import signal

from soinspect.cli.exits import Exit
from soinspect.render.text import printable

_SA_SIGINFO = 4


class _SigInfo(ctypes.Structure):
    """The beginning of ``siginfo_t``; ``address`` is what could not be read."""

    _fields_ = (
        ("number", ctypes.c_int),
        ("errno", ctypes.c_int),
        ("code", ctypes.c_int),
        ("address", ctypes.c_void_p),
    )


class _SigAction(ctypes.Structure):
    """``struct sigaction`` of glibc and musl."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_char * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def _end(_number: int, info: ctypes._Pointer[_SigInfo], _context: int | None) -> None:
    text = f"soinspect: {_place(info.contents.address or 0)}: run again when it is whole\n"
    os.write(2, text.encode("utf-8", "backslashreplace"))
    os._exit(Exit.UNREADABLE)


def _place(address: int) -> str:
    """What was cut short: the file that is mapped at ``address``, and the offset in it that was read."""
    with open("/proc/self/maps", encoding="utf-8", errors="backslashreplace") as lines:  # noqa: PTH123
        for line in lines:
            bounds, _, offset, _, _, path = line.rstrip("\n").split(" ", 5)
            start, end = (int(it, 16) for it in bounds.split("-"))
            if start <= address < end:
                at = int(offset, 16) + address - start
                return f"{printable(path.lstrip())}: was cut short while it was read, to less than {at:#x} bytes"
    return "a file was cut short while it was read"


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(_SigInfo), ctypes.c_void_p)(_end)  # kept for good


def end_with_an_error() -> None:
    """From now on, reading what a mapped file no longer holds ends the process with an error and exit code 2."""
    action = _SigAction(handler=ctypes.cast(_HANDLER, ctypes.c_void_p), flags=_SA_SIGINFO)
    ctypes.CDLL(None).sigaction(signal.SIGBUS, ctypes.byref(action), None)
