"""Files that users name, opened so that nothing waits: not for the other end of a FIFO, nor for a device."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader, BufferedWriter

from soinspect.errors import InputError, UsageError

# A larger file is mapped. One that is cut short while it is mapped ends the process (SIGBUS): cli/cutshort.py.
# Copying so much takes some milliseconds.
MAX_COPIED = 16 << 20
_PIPE_SECONDS = 10  # what writes to a pipe may be slow, but is not waited for without end
_AT_ONCE = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: str) -> BufferedReader:
    """The regular file at ``path``.

    :raises InputError: it is missing, a folder or not a regular file, or may not be read.
    """
    file = _open(path)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise InputError(path, "is not a regular file")


def read_small(path: str, most: int) -> bytes:
    """What the regular file at ``path`` holds, or the pipe there gives (``<(command)`` in a shell).

    :raises InputError: it is missing, neither a regular file nor a pipe, may not be read, or has more than ``most``
        bytes; nobody writes to the pipe, or not all within 10 s.
    """
    with _open(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InputError(path, "is not a regular file")
        try:
            # None, where the kernel would make us wait (/proc/kmsg)
            data = _read_pipe(path, file.fileno(), most + 1) if stat.S_ISFIFO(mode) else file.read(most + 1) or b""
        except OSError as error:
            raise InputError(path, why_unreadable(error, path)) from None
    if len(data) > most:
        raise InputError(path, f"has more than {most:,} bytes")
    return data


def open_to_write(path: str) -> BufferedWriter:
    """The file at ``path``, made or emptied; of a FIFO, the end that is written to.

    :raises UsageError: it cannot be written, or nobody reads from the FIFO.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _AT_ONCE, 0o666)
    except OSError as error:
        why = "is a FIFO that nobody reads, or a socket" if error.errno == errno.ENXIO else why_unreadable(error, path)
        raise UsageError(f"{path}: {why}") from None
    os.set_blocking(descriptor, True)  # a reader that is there may be slow
    return open(descriptor, "wb")  # noqa: PTH123


def _open(path: str) -> BufferedReader:
    try:
        return open(os.open(path, os.O_RDONLY | _AT_ONCE), "rb")  # noqa: PTH123
    except (OSError, ValueError) as error:
        raise InputError(path, why_unreadable(error, path)) from None


def _read_pipe(path: str, descriptor: int, most: int) -> bytes:
    from select import select
    from time import monotonic

    end = monotonic() + _PIPE_SECONDS
    data = b""
    while len(data) < most:
        try:
            part = os.read(descriptor, most - len(data))
        except BlockingIOError:
            if not select([descriptor], [], [], max(0, end - monotonic()))[0]:
                raise InputError(path, f"is a pipe whose writer took more than {_PIPE_SECONDS} s") from None
            continue
        if not part:
            break
        data += part
    if not data:
        raise InputError(path, "is a pipe to which nobody writes")
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
