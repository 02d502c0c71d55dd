"""Files that users name, opened so that nothing waits: not for the writer of a FIFO, not for a terminal or a device."""

from __future__ import annotations

import os
import stat
from io import BufferedReader

from soinspect.errors import InputError

# A larger file is mapped. One that is cut short while it is mapped ends the process (SIGBUS): cli/cutshort.py.
# Copying so much takes some milliseconds.
MAX_COPIED = 16 << 20


def open_regular(path: str) -> BufferedReader:
    """The regular file at ``path``.

    :raises InputError: it is missing, a folder or not a regular file, or may not be read.
    """
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb")  # noqa: PTH123, SIM115
    except (OSError, ValueError) as error:
        raise InputError(path, why_unreadable(error, path)) from None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise InputError(path, "is not a regular file")


def read_regular(path: str, most: int) -> bytes:
    """What the regular file at ``path`` holds.

    :raises InputError: as :func:`open_regular`, or it has more than ``most`` bytes.
    """
    with open_regular(path) as file:
        try:
            data = file.read(most + 1) or b""  # None, where the kernel would make us wait (/proc/kmsg)
        except OSError as error:
            raise InputError(path, why_unreadable(error, path)) from None
    if len(data) > most:
        raise InputError(path, f"has more than {most:,} bytes")
    return data


def why_unreadable(error: OSError | ValueError, path: str) -> str:
    """What an exception of the system means for the file at ``path``, in a few words."""
    if isinstance(error, FileNotFoundError):
        dangling = os.path.islink(path)  # noqa: PTH114
        return f"a link to {os.readlink(path)}, which does not exist" if dangling else "no such file"  # noqa: PTH115
    if isinstance(error, IsADirectoryError):  # as which Python refuses to open it
        return "is a directory: name a file in it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
