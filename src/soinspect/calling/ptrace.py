"""ptrace(2) through ctypes: the few requests that observing a process takes (x86-64 and AArch64).

All requests about a process must come from the thread that attached to it. Each raises
:class:`ProcessLookupError` when the process is gone or was killed meanwhile, and :class:`PermissionError`
where the kernel refuses.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from struct import Struct

from soinspect.model.lateclass import dataclass

_CONT = 7
_GETEVENTMSG = 0x4201
_GETSIGINFO = 0x4202
_GETREGSET = 0x4204
_SEIZE = 0x4206
_INTERRUPT = 0x4207
_NT_PRSTATUS = 1

_TRACE_FORK, _TRACE_VFORK, _TRACE_CLONE, _TRACE_EXEC, _TRACE_EXIT = 0x2, 0x4, 0x8, 0x10, 0x40
_EXITKILL = 0x100000
BIRTHS = frozenset({1, 2, 3})  # fork, vfork, clone
EVENT_EXIT = 6
EVENT_STOP = 128

# wait(2): all children, however cloned, but only those of this thread; nobody else's child is ever reaped.
WALL_OWN = 0x40000000 | 0x20000000

_SIGINFO_SIZE = 128
_SIGINFO = Struct("<iiiiQ")  # si_signo, si_errno, si_code, padding, si_addr (or si_pid and si_uid)

# Order of struct user_regs_struct (x86-64: sys/user.h) and struct user_pt_regs (AArch64: asm/ptrace.h).
_REGISTERS = {
    "x86_64": ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
               "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
    "aarch64": (*(f"x{n}" for n in range(31)), "sp", "pc", "pstate"),
}  # fmt: skip
PC_AND_SP = {"x86_64": ("rip", "rsp"), "aarch64": ("pc", "sp")}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalInfo:
    """A signal: its number, ``si_code``, and ``si_addr`` (for kill(2): the process id of the sender)."""

    number: int
    code: int
    address: int

    @property
    def sender(self) -> int:
        """The process that sent it, where ``code`` says that one did (``code <= 0``)."""
        return self.address & 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """General registers of a thread, by name, in the order of the kernel's record."""

    names: tuple[str, ...]
    values: tuple[int, ...]
    pc: int
    sp: int

    def __getitem__(self, name: str) -> int:
        return self.values[self.names.index(name)]


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def seize(pid: int) -> None:
    """Attach to ``pid`` and all that it will ever start, without stopping it; they die with this thread."""
    options = _TRACE_FORK | _TRACE_VFORK | _TRACE_CLONE | _TRACE_EXEC | _TRACE_EXIT | _EXITKILL
    _request(_SEIZE, pid, 0, options)


def resume(pid: int, signal: int = 0) -> None:
    """Let a stopped thread run on, delivering ``signal``."""
    _request(_CONT, pid, 0, signal)


def interrupt(pid: int) -> None:
    """Stop a running thread: it will report EVENT_STOP."""
    _request(_INTERRUPT, pid, 0, 0)


def event_message(pid: int) -> int:
    """What belongs to the event that ``pid`` stopped for: the wait status at EVENT_EXIT."""
    message = ctypes.c_ulong()
    _request(_GETEVENTMSG, pid, 0, ctypes.addressof(message))
    return message.value


def signal_info(pid: int) -> SignalInfo:
    """The signal that ``pid`` stopped for."""
    buffer = ctypes.create_string_buffer(_SIGINFO_SIZE)
    _request(_GETSIGINFO, pid, 0, ctypes.addressof(buffer))
    return read_signal_info(buffer.raw)


def read_signal_info(data: bytes) -> SignalInfo:
    """Decode a ``siginfo_t``."""
    number, _, code, _, address = _SIGINFO.unpack_from(data)
    return SignalInfo(number=number, code=code, address=address)


def registers(pid: int) -> Registers:
    """The general registers of a stopped thread."""
    machine = os.uname().machine
    names = _REGISTERS[machine]
    buffer = (ctypes.c_uint64 * len(names))()
    vector = _IoVec(ctypes.addressof(buffer), ctypes.sizeof(buffer))
    _request(_GETREGSET, pid, _NT_PRSTATUS, ctypes.addressof(vector))
    by_name = dict(zip(names, buffer, strict=True))
    pc, sp = PC_AND_SP[machine]
    return Registers(names=names, values=tuple(buffer), pc=by_name[pc], sp=by_name[sp])


def supported() -> bool:
    """Whether the registers of this machine are known here."""
    return os.uname().machine in _REGISTERS


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_ulong, ctypes.c_ulong)
    libc.ptrace.restype = ctypes.c_long
    return libc


def _request(request: int, pid: int, address: int, data: int) -> None:
    if _libc().ptrace(request, pid, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
