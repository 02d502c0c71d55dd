"""What connects a monitor with its worker: pipes for output, and memory for the answer."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

OUTPUT_KILL = 16 << 20  # bytes of output after which a worker is ended
_CHUNK = 1 << 16


@dataclass(slots=True)
class Output:
    """What came through one pipe, cut at ``limit`` bytes."""

    fd: int
    limit: int
    kept: bytearray = field(default_factory=bytearray)
    total: int = 0

    def drain(self) -> bool:
        """Take what is there now; False when nothing will ever come again. The pipe does not block."""
        while self.total <= OUTPUT_KILL:
            try:
                chunk = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self.total += len(chunk)
            self.kept += chunk[: max(0, self.limit - len(self.kept))]
        return True


def sealed_memory(size: int) -> int:
    """Shared memory whose size nobody can change: a callee that shrank it would kill us with SIGBUS."""
    fd = os.memfd_create("soinspect", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def write_all(fd: int, data: bytes) -> None:
    """Write everything; the descriptor blocks."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
