"""A stopped process as a value: taken while it still exists, explained when it is gone."""

from __future__ import annotations

import os
from pathlib import Path

from soinspect.calling import ptrace
from soinspect.calling.ptrace import Registers, SignalInfo
from soinspect.calling.worker import protocol
from soinspect.model.lateclass import dataclass

_STACK = 256 * 1024
_CODE = 16
_MAPS = 4 << 20
# Below the stack pointer: the red zone, and the frame of a function that overflowed the stack.
_BELOW_STACK_POINTER = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A line of ``/proc/pid/maps``: addresses ``start`` to ``end``, file ``offset``.

    ``path`` is empty, or a name in brackets such as ``[stack]``, where there is no file.
    """

    start: int
    end: int
    permissions: str
    offset: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """One thread at one moment: why it stopped, where it was, and the memory that explains it.

    ``signal`` is None when it was stopped by us or was about to exit. ``stack`` is the memory from
    ``stack_start`` up, ``code`` the bytes at the program counter; both are empty where nothing is mapped.
    """

    thread: int
    signal: SignalInfo | None
    registers: Registers
    mappings: tuple[Mapping, ...]
    stack_start: int
    stack: bytes
    code: bytes

    def mapping_of(self, address: int) -> Mapping | None:
        """The mapping that contains ``address``, or None."""
        return next((m for m in self.mappings if m.start <= address < m.end), None)

    def word(self, address: int) -> int | None:
        """The 8 bytes of stack at ``address`` as a number, or None outside of the stack that was kept."""
        at = address - self.stack_start
        return int.from_bytes(self.stack[at : at + 8], "little") if 0 <= at <= len(self.stack) - 8 else None


def take(thread: int, signal: SignalInfo | None) -> Stopped:
    """Read a thread that is stopped under ptrace of this thread.

    :raises OSError: it is gone.
    """
    registers = ptrace.registers(thread)
    mappings = parse_mappings(_read(f"/proc/{thread}/maps", _MAPS))
    # A stack pointer in the guard page (overflow) has its stack in the next mapping up.
    wanted = max(0, registers.sp - _BELOW_STACK_POINTER)
    stack_start = next((max(wanted, m.start) for m in mappings if m.end > wanted), wanted)
    return Stopped(
        thread=thread,
        signal=signal,
        registers=registers,
        mappings=mappings,
        stack_start=stack_start,
        stack=_memory(thread, stack_start, _STACK),
        code=_memory(thread, registers.pc, _CODE),
    )


def read_scene(data: bytes) -> Stopped | None:
    """What a worker that nobody traces wrote down when a fatal signal came, or None; hostile, as all of its memory."""
    fields = protocol.SCENE.unpack_from(data)
    claimed, thread, maps_length, stack_start, stack_length, complete, information, *values, code = fields
    if claimed != 1 or complete != 1 or not ptrace.supported():
        return None
    machine = os.uname().machine
    names = protocol.SCENE_REGISTERS[machine]
    registers = dict(zip(names, values, strict=False))
    pc, sp = ptrace.PC_AND_SP[machine]
    try:
        mappings = parse_mappings(data[protocol.SCENE_MAPS :][:maps_length])
    except ValueError:  # the callee wrote over it
        return None
    return Stopped(
        thread=thread,
        signal=ptrace.read_signal_info(information),
        registers=Registers(names=names, values=tuple(registers.values()), pc=registers[pc], sp=registers[sp]),
        mappings=mappings,
        stack_start=stack_start,
        stack=data[protocol.SCENE_STACK : protocol.SCENE_MAPS][:stack_length],
        code=code,
    )


def parse_mappings(text: bytes) -> tuple[Mapping, ...]:
    """Decode ``/proc/pid/maps``."""
    found = []
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 5:
            continue
        start, _, end = fields[0].partition(b"-")
        path = fields[5] if len(fields) > 5 else b""
        found.append(
            Mapping(
                start=int(start, 16),
                end=int(end, 16),
                permissions=fields[1].decode("ascii"),
                offset=int(fields[2], 16),
                path=os.fsdecode(path),
            )
        )
    return tuple(found)


def handles(thread: int, signal: int) -> bool:
    """Whether the process has a handler of its own for ``signal``.

    :raises OSError: it is gone.
    """
    for line in _read(f"/proc/{thread}/status", 1 << 16).splitlines():
        key, _, mask = line.partition(b":")
        if key == b"SigCgt":
            return bool(int(mask, 16) >> (signal - 1) & 1)
    return False


def process_of(task: int) -> int:
    """The process that a thread belongs to; the thread itself when it is gone."""
    try:
        status = _read(f"/proc/{task}/status", 1 << 16)
    except OSError:
        return task
    return next((int(line[5:]) for line in status.splitlines() if line.startswith(b"Tgid:")), task)


def _read(path: str, limit: int) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(limit)


def _memory(thread: int, address: int, size: int) -> bytes:
    """Memory of the stopped thread; as much as is mapped from ``address`` on."""
    try:
        descriptor = os.open(f"/proc/{thread}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, size, address)
    except (OSError, OverflowError):
        return b""
    finally:
        os.close(descriptor)
