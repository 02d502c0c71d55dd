"""A file that is cut short while it is mapped: SIGBUS becomes an error in a line.

Python's own handlers cannot do that: they run after the instruction that was interrupted, which never comes to its end.
A C function runs at once. The thread is reading bytes then: it holds Python's lock, and none of the C library's.
"""

from __future__ import annotations

import ctypes
import os
import signal

from soinspect.cli.exits import Exit


def _end(_number: int) -> None:
    os.write(2, b"soinspect: a file was cut short while it was read: run again when it is whole\n")
    os._exit(Exit.UNREADABLE)


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)(_end)  # for as long as the process lives


def end_with_an_error() -> None:
    """From now on, reading what a mapped file no longer holds ends the process with an error and exit code 2."""
    ctypes.CDLL(None).signal(signal.SIGBUS, _HANDLER)
