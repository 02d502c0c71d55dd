"""Limits that hold for the worker and everything it starts, whether there is a sandbox or not."""

from __future__ import annotations

import ctypes
import os
from struct import Struct

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_SIGPIPE = 13
_SIGINT = 2
_SIG_DFL = 0
_FILE_SIZE = 256 << 20
# The resource module costs half a millisecond. The numbers are those of every Linux; rlim_t is 64 bits wide.
_RLIMIT_CPU, _RLIMIT_FSIZE, _RLIMIT_DATA, _RLIMIT_CORE = 0, 1, 2, 4
_LIMITS = Struct("=QQ")  # soft, hard


def limit(parent: int, cpu_seconds: int, memory: int) -> None:
    """Apply the limits. ``parent`` is the process id of the monitor, ``memory`` is in bytes.

    To be called after the sandbox is built: a change of credentials clears the wish to die with the parent.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(_SIGKILL), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    for number in (_SIGPIPE, _SIGINT):  # as in a C program; Python had changed them
        libc.signal(number, ctypes.c_void_p(_SIG_DFL))
    # Data, not address space: Go's runtime reserves more addresses than it uses. A soft CPU limit equal to
    # the hard one would be SIGKILL at once, which says nothing; below it, it is SIGXCPU.
    for limit, soft, hard in (
        (_RLIMIT_CORE, 0, 0),
        (_RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (_RLIMIT_FSIZE, _FILE_SIZE, _FILE_SIZE),
        (_RLIMIT_DATA, memory, memory),
    ):
        present = ctypes.create_string_buffer(_LIMITS.size)
        libc.getrlimit(limit, present)
        _, ceiling = _LIMITS.unpack(present)  # "unlimited" is the highest number
        libc.setrlimit(limit, _LIMITS.pack(min(soft, ceiling), min(hard, ceiling)))
