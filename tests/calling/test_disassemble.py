"""The instruction of a fault: its text, the memory it was after, the registers it used."""

from __future__ import annotations

import pytest

from soinspect.calling.disassemble import disassemble
from soinspect.calling.ptrace import Registers
from soinspect.model.absence import Absent
from soinspect.model.calling import Instruction

X86 = {"rax": 0, "rcx": 5, "rsi": 16, "rdi": 32, "rip": 0x1000, "r8": 64, "fs_base": 0x7000}
ARM = {**{f"x{n}": n for n in range(31)}, "sp": 0x8000, "pc": 0x1000}


def registers(values: dict[str, int]) -> Registers:
    return Registers(names=tuple(values), values=tuple(values.values()), pc=0x1000, sp=0x8000)


@pytest.mark.parametrize(
    ("values", "code", "text", "effect", "used"),
    [
        (X86, "8b4008", "mov eax, dword ptr [rax + 8]", "reads 4 bytes at 0x8", ["rax"]),
        (X86, "48890425beba0000", "mov qword ptr [0xbabe], rax", "writes 8 bytes at 0xbabe", []),
        (X86, "48ff04c8", "inc qword ptr [rax + rcx*8]", "reads and writes 8 bytes at 0x28", ["rax", "rcx"]),
        (X86, "488b0d10000000", "mov rcx, qword ptr [rip + 0x10]", "reads 8 bytes at 0x1017", []),
        (X86, "64488b042528000000", "mov rax, qword ptr fs:[0x28]", "reads 8 bytes at 0x7028", []),
        (X86, "a4", "movsb byte ptr [rdi], byte ptr [rsi]",
         "writes 1 byte at 0x20 and reads 1 byte at 0x10", ["rdi", "rsi"]),
        (X86, "448901", "mov dword ptr [rcx], r8d", "writes 4 bytes at 0x5", ["rcx"]),
        (X86, "8840ff", "mov byte ptr [rax - 1], al", "writes 1 byte at 0xffffffffffffffff", ["rax"]),
        (X86, "f7f9", "idiv ecx", "", ["rax", "rdx", "rcx"]),
        (X86, "0f0b", "ud2", "", []),
        (ARM, "000840b9", "ldr w0, [x0, #8]", "reads at 0x8", ["x0"]),
        (ARM, "5f0000f9", "str xzr, [x2]", "writes at 0x2", ["x2"]),
        (ARM, "207862f8", "ldr x0, [x1, x2, lsl #3]", "reads at 0x11", ["x1", "x2"]),
        (ARM, "204862b8", "ldr w0, [x1, w2, uxtw]", "", ["x1", "x2"]),
    ],
)  # fmt: skip
def test_instructions(values: dict[str, int], code: str, text: str, effect: str, used: list[str]) -> None:
    found = disassemble(bytes.fromhex(code) + bytes(4), registers(values))
    assert isinstance(found, Instruction)
    assert (found.text, found.effect) == (text, effect)
    assert [register.name for register in found.registers] == [name for name in used if name in values]


def test_what_is_no_instruction() -> None:
    for code in (b"", b"\x06", b"\x0f"):
        assert isinstance(disassemble(code, registers(X86)), Absent)
