"""A call through a piece of machine code that checks the calling convention from both sides.

The code (thunk_x86_64.S, thunk_aarch64.S) loads the argument registers from a frame, plants sentinels in the registers
that a function must preserve, calls, and records what came back. So a function that breaks the convention is told
apart from one that keeps it, and the worker lives on: the thunk restores what it had itself.

The sentinels are addresses that are well-formed and never mapped: a fault at one of them, or a little above, proves
that the function took a register for input that no C caller fills.
"""

from __future__ import annotations

import ctypes
import os
from abc import ABC, abstractmethod
from struct import Struct

from .memory import EXECUTE, PAGE, READ, map_pages, protect

SENTINEL = 0x5350494E0000
SENTINEL_STEP = 0x100

_X86_64 = bytes.fromhex(
    "554889e55341544155415641574883ec084c8d1de80f00004989a3b8000000410fae9bc000000041d9bbc4000000498b8b8000000049"
    "8bb3880000004889c84883e001488d140148c1e2034829d44889e7f348a54989a3c80000004989abd0000000f3410f7e4340f3410f7e"
    "4b48f3410f7e5350f3410f7e5b58f3410f7e6360f3410f7e6b68f3410f7e7370f3410f7e7b78498b7b08498b7310498b5318498b4b20"
    "4d8b43284d8b4b30498b4338498b9b900000004d8ba3980000004d8baba00000004d8bb3a80000004d8bbbb000000041ff1348890535"
    "10000048891536100000488925ef0f000048892df00f000048891df10f00004c8925f20f00004c892df30f00004c8935f40f00004c89"
    "3df50f0000488b259e0f00009c8f05ff0f000068020200009d0fae05d2100000dbe3d92d8e0f00000fae15830f00004883c408415f41"
    "5e415d415c5b5dc3"
)
_AARCH64 = bytes.fromhex(
    "fd7bb5a9fd030091f35301a9f55b02a9f76303a9f96b04a9fb7305a9e827066dea2f076dec37086dee3f096da97e00100a443bd52a9d"
    "00f9ea0300912a9900f92a4540f92b4940f94c0500918cf97f92ff6f2ccbed030091aa0000b46e8540f8ae8500f84a0500d1fcffff17"
    "ea0300912a7514a9284d40f92085446d228d456d2495466d269d476d208540a9228d41a9249542a9269d43a933514aa935594ba93761"
    "4ca939694da93b714ea928254f6d2a2d506d2c35516d2e3d526d300140f900023fd6e979001020051fa92081803d2185803d2289803d"
    "238d803dea0300912a7515a9335116a9355917a9376118a9396919a93b711aa928251b6d2a2d1c6d2c351d6d2e3d1e6d0a443bd52a21"
    "01f92a9d40f90a441bd52a9940f95f010091ee3f496dec37486dea2f476de827466dfb7345a9f96b44a9f76343a9f55b42a9f35341a9"
    "fd7bcba8c0035fd6"
)


class Returned:
    """What a call left: two ``integers`` and four ``vectors`` (16 bytes each) are the return registers by class.

    On x86-64 the last two of the ``vectors`` are st0 and st1, zero where nothing was left there.
    ``violations`` says in words which rule was broken, one string a rule; it is empty when all were kept, and None
    where they could not be checked.
    """

    __slots__ = ("integers", "vectors", "violations")

    def __init__(self, integers: tuple[int, ...], vectors: tuple[bytes, ...], violations: list[str] | None) -> None:
        self.integers = integers
        self.vectors = vectors
        self.violations = violations


class Thunk(ABC):
    """The code in memory, and the frame behind it; what both machines share."""

    code: bytes
    sentinels: int  # offset in the frame
    preserved: tuple[str, ...]  # registers that hold sentinels, in the order of the frame
    integer_registers: int
    vector_registers: int
    result_at: int | None  # offset in the frame of the address for a result in memory; None: it is the first argument
    fills_up: bool  # whether registers that were too few for a structure are used for later arguments

    def __init__(self) -> None:
        start = map_pages(2 * PAGE)
        ctypes.memmove(start, self.code, len(self.code))
        protect(start, PAGE, READ | EXECUTE)  # never writable and executable at once
        self.start = start
        self._frame = start + PAGE
        planted = (SENTINEL + SENTINEL_STEP * (i + 1) for i in range(len(self.preserved)))
        self._write(self.sentinels, b"".join(_WORD.pack(value) for value in planted))

    def _write(self, offset: int, data: bytes) -> None:
        ctypes.memmove(self._frame + offset, data, len(data))

    def _read(self, offset: int, size: int) -> bytes:
        return ctypes.string_at(self._frame + offset, size)

    def _words(self, offset: int, count: int) -> tuple[int, ...]:
        return tuple(word for (word,) in _WORD.iter_unpack(self._read(offset, 8 * count)))

    def _lost(self, offset: int) -> list[str]:
        """The preserved registers that do not hold their sentinel any more."""
        expected = self._words(self.sentinels, len(self.preserved))
        found = self._words(offset, len(self.preserved))
        return [
            f"{name} is not preserved: {was:#x} became {now:#x}"
            for name, was, now in zip(self.preserved, expected, found, strict=True)
            if was != now
        ]

    @abstractmethod
    def prepare(self, function: int, integers: list[int], vectors: list[bytes], stack: bytes) -> None:
        """Fill the frame: register arguments by class (8 bytes each), and the words that go to the stack."""

    def take_result(self, address: int) -> list[int]:
        """Have the function write its result to ``address``; the integer arguments that tell it."""
        if self.result_at is None:
            return [address]
        self._write(self.result_at, _WORD.pack(address))
        return []

    def has_lost(self, address: int, returned: Returned) -> bool:
        """Whether the function should have given back the address of its result, and did not."""
        return self.result_at is None and returned.integers[0] != address

    @abstractmethod
    def outcome(self) -> Returned:
        """Read the frame after the call."""


_WORD = Struct("<Q")


class ThunkX86(Thunk):
    """System V ABI for x86-64."""

    code = _X86_64
    sentinels = 144
    preserved = ("rbx", "r12", "r13", "r14", "r15")
    integer_registers = 6
    vector_registers = 8
    result_at = None
    fills_up = True

    _direction_flag, _alignment_flag = 1 << 10, 1 << 18
    _mxcsr_control = 0xFFC0
    _highest_x87_values = 2  # a complex long double comes back in st0 and st1

    def prepare(self, function: int, integers: list[int], vectors: list[bytes], stack: bytes) -> None:
        """As in the base."""
        self._stack = ctypes.create_string_buffer(stack, max(1, len(stack)))
        self._write(0, _WORD.pack(function))
        self._write(8, b"".join(map(_WORD.pack, integers)).ljust(48, b"\0"))
        self._write(56, _WORD.pack(len(vectors)))  # al: the vector registers that a variadic call uses
        self._write(64, b"".join(vectors).ljust(64, b"\0"))
        self._write(128, _WORD.pack(len(stack) // 8) + _WORD.pack(ctypes.addressof(self._stack)))

    def outcome(self) -> Returned:
        """As in the base."""
        sp_before, bp_before, sp, bp = self._words(200, 4)
        (flags,) = self._words(288, 1)
        state = self._read(512, 512)
        violations = self._lost(232)
        if bp != bp_before:
            violations.append(f"rbp is not preserved: {bp_before:#x} became {bp:#x}")
        if sp != sp_before:
            violations.append(f"rsp is off by {sp - sp_before:+d} bytes after the return")
        if flags & self._direction_flag:
            violations.append("the direction flag is left set")
        if flags & self._alignment_flag:
            violations.append("the alignment check flag is left set")
        mxcsr_before = int.from_bytes(self._read(192, 4), "little") & self._mxcsr_control
        mxcsr = int.from_bytes(state[24:28], "little") & self._mxcsr_control
        if mxcsr != mxcsr_before:
            violations.append(f"the control bits of MXCSR are changed: {mxcsr_before:#x} became {mxcsr:#x}")
        x87_before = int.from_bytes(self._read(196, 2), "little")
        x87 = int.from_bytes(state[0:2], "little")
        if x87 != x87_before:
            violations.append(f"the x87 control word is changed: {x87_before:#x} became {x87:#x}")
        used = state[4].bit_count()
        if used > self._highest_x87_values:
            violations.append(f"{used} x87 registers are left in use (MMX without EMMS?)")
        x87_values = (state[32:48] if used else bytes(16), state[48:64] if used > 1 else bytes(16))
        return Returned(self._words(272, 2), (state[160:176], state[176:192], *x87_values), violations)


class ThunkArm(Thunk):
    """AAPCS64."""

    code = _AARCH64
    sentinels = 160
    preserved = (*(f"x{n}" for n in range(19, 29)), *(f"d{n}" for n in range(8, 16)))
    integer_registers = 8
    vector_registers = 8
    result_at = 152  # x8
    fills_up = False  # 6.8.2, rules C.3 and C.13

    def prepare(self, function: int, integers: list[int], vectors: list[bytes], stack: bytes) -> None:
        """As in the base."""
        self._stack = ctypes.create_string_buffer(stack, max(1, len(stack)))
        self._write(0, _WORD.pack(function))
        self._write(8, b"".join(map(_WORD.pack, integers)).ljust(64, b"\0"))
        self._write(72, b"".join(vectors).ljust(64, b"\0"))
        self._write(136, _WORD.pack(len(stack) // 8) + _WORD.pack(ctypes.addressof(self._stack)))

    def outcome(self) -> Returned:
        """As in the base."""
        sp_before, fp_before, sp, fp = self._words(320, 4)
        fpcr_before, fpcr = self._words(312, 1)[0], self._words(576, 1)[0]
        violations = self._lost(352)
        if fp != fp_before:
            violations.append(f"x29 is not preserved: {fp_before:#x} became {fp:#x}")
        if sp != sp_before:
            violations.append(f"sp is off by {sp - sp_before:+d} bytes after the return")
        if fpcr != fpcr_before:
            violations.append(f"FPCR is changed: {fpcr_before:#x} became {fpcr:#x}")
        vectors = self._read(512, 64)
        return Returned(self._words(496, 2), tuple(vectors[i : i + 16] for i in range(0, 64, 16)), violations)


def make_thunk() -> Thunk | None:
    """The thunk for this machine, or None where there is none or the system allows no new code."""
    kind = {"x86_64": ThunkX86, "aarch64": ThunkArm}.get(os.uname().machine)
    try:
        return kind() if kind else None
    except OSError:
        return None
