"""The instruction that a fault stopped at: what it says, which memory it was after, and what its registers held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from soinspect.calling.ptrace import Registers
from soinspect.model.absence import Absent
from soinspect.model.calling import Instruction, Register
from soinspect.model.lateclass import dataclass

if TYPE_CHECKING:
    from capstone import CsInsn
    from capstone.arm64 import Arm64Op
    from capstone.x86 import X86Op

_MASK = (1 << 64) - 1
_ACCESSES = {1: "reads", 2: "writes", 3: "reads and writes"}
# The names of narrower parts of registers: eax, ax, al, ah, esi, sil, r8d, and w0 on AArch64.
_LETTER = re.compile(r"[er]?(?P<letter>[abcd])(?:x|l|h)")
_POINTER = re.compile(r"[er]?(?P<name>[sd]i|[sb]p)l?")
_NUMBERED = re.compile(r"(?P<name>r\d+)[dwb]?")
_NARROW = re.compile(r"[wx](?P<number>\d+)")
_ALIASES = {"fp": "x29", "lr": "x30"}
_SEGMENTS = {"fs": "fs_base", "gs": "gs_base"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    """One operand in memory: ``verb`` of ``size`` bytes (0 when that is not told) at ``address``."""

    verb: str
    size: int
    address: int

    def __str__(self) -> str:
        size = f"{self.size} bytes " if self.size > 1 else "1 byte " if self.size else ""
        return f"{self.verb} {size}at {self.address:#x}"


def disassemble(code: bytes, registers: Registers) -> Instruction | Absent:
    """The first instruction of ``code``, which lies at the program counter of ``registers``."""
    if not code:
        return Absent("no code can be read at the program counter")
    try:
        import capstone
    except ImportError:
        return Absent("instructions are read through capstone, which is not installed: pip install capstone")
    is_arm = "x30" in registers.names
    if is_arm:
        engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    else:
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    found = next(engine.disasm(code, registers.pc, 1), None)
    if found is None:
        return Absent(f"the bytes {code.hex(' ')} are no instruction")
    in_memory = [operand for operand in found.operands if operand.type == capstone.CS_OP_MEM]
    # What made up the addresses; of an instruction that is not after memory, all that it took for input.
    used = [part for operand in in_memory for part in (operand.mem.base, operand.mem.index)] or found.regs_access()[0]
    names = dict.fromkeys(_whole(found.reg_name(number)) for number in used if number)
    return Instruction(
        text=f"{found.mnemonic} {found.op_str}".strip(),
        effect=" and ".join(map(str, _accesses(found, in_memory, registers, is_arm=is_arm))),
        registers=tuple(
            Register(name=name, value=registers[name]) for name in names if name in registers.names and name != "rip"
        ),
    )


def _accesses(
    found: CsInsn, operands: list[X86Op | Arm64Op], registers: Registers, *, is_arm: bool
) -> Iterator[_Access]:
    """The operands in memory whose address the registers tell."""
    for operand in operands:
        place = operand.mem
        parts = [_value(found, part, registers) for part in (place.base, place.index)]
        if is_arm:
            # Capstone takes stores for reads as well; extended indexes (uxtw) are left out.
            verb = "writes" if found.mnemonic.startswith("st") else "reads"
            scale, size, segment = 1 << operand.shift.value, 0, 0
            known = not operand.ext
        else:
            verb = _ACCESSES.get(operand.access, "uses")
            scale, size = place.scale, operand.size
            segment = registers[_SEGMENTS[name]] if (name := found.reg_name(place.segment)) in _SEGMENTS else 0
            known = True
        base, index = parts
        if known and base is not None and index is not None:
            yield _Access(verb=verb, size=size, address=(segment + base + index * scale + place.disp) & _MASK)


def _value(found: CsInsn, number: int, registers: Registers) -> int | None:
    """What a register holds as a part of an address, 0 for none; None when that is not known."""
    name = found.reg_name(number)
    if name is None:
        return 0
    if name == "rip":  # counted from the next instruction
        return registers.pc + int(found.size)
    return registers[name] if name in registers.names else None


def _whole(name: str) -> str:
    """The register of 64 bits that one of this name is a part of."""
    for pattern, whole in ((_LETTER, "r{}x"), (_POINTER, "r{}"), (_NUMBERED, "{}"), (_NARROW, "x{}")):
        match = pattern.fullmatch(name)
        if match:
            return whole.format(match[1])
    return _ALIASES.get(name, name)
