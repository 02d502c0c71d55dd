"""The processes that a call started, where nobody traces them: known by a mark in the environment they inherited."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

MOST_PROCESSES = 64
_SWEEPS = 50  # of processes that go on multiplying while they are being killed


def bearers(mark: bytes) -> list[int]:
    """The processes with ``mark``, a ``NAME=VALUE``, in their environment; not those of other users."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone, or somebody else's
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def kill_bearers(mark: bytes) -> set[int]:
    """Kill all processes with ``mark`` in their environment, until there are no more; which they were."""
    killed: set[int] = set()
    for _ in range(_SWEEPS):
        alive = [process for process in bearers(mark) if _kill(process)]
        killed.update(alive)
        if not alive:
            break
    return killed


def _kill(process: int) -> bool:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
