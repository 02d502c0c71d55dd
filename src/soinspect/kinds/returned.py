"""What a function returns that does nothing but return a constant, read from its code.

Instructions: Intel SDM volume 2, Arm ARM C6.2. Hosts ask many plugins for their version by such a function; compilers
make two or three instructions of it.
"""

from __future__ import annotations

import re
from struct import Struct

from soinspect.elf.file import ElfFile
from soinspect.kinds.pluginfile import integer
from soinspect.model.absence import Absent
from soinspect.model.constants import Machine
from soinspect.model.symbol import Symbol

_LONGEST = 32
# [endbr64] [push rbp; mov rbp, rsp] <load of eax or rax> [pop rbp | leave] ret
_X86_64 = re.compile(
    rb"(?:\xf3\x0f\x1e\xfa)?(?:\x55\x48\x89\xe5)?"
    rb"(?:\x48\x8d\x05(?P<address>.{4})|\x48\x8b\x05(?P<pointer>.{4})|\x8b\x05(?P<int>.{4})"
    rb"|(?:\xb8|\x48\xc7\xc0)(?P<constant>.{4})|(?P<zero>\x31\xc0))"
    rb"[\x5d\xc9]?(?:\xf3)?\xc3",
    re.DOTALL,
)
_BTI_C, _RET = 0xD503245F, 0xD65F03C0
_WORDS = Struct("<4I")


def returned(elf: ElfFile, symbol: Symbol) -> int | Absent:
    """The constant, or the address of this file, that the function returns.

    :raises FormatError: the file does not hold the code, or what it loads.
    """
    machine = elf.image.header.machine
    if machine is Machine.X86_64:
        found = _x86_64(elf, symbol.value)
    elif machine is Machine.AARCH64:
        found = _aarch64(elf, symbol.value)
    else:
        return Absent(f"code of {machine.name} is not read, only of x86-64 and AArch64")
    return Absent(f"{symbol.name} does more than return a constant") if found is None else found


def _x86_64(elf: ElfFile, address: int) -> int | None:
    code = elf.image.read(address, min(_LONGEST, elf.image.available(address)))
    match = _X86_64.match(code)
    if match is None:
        return None
    if match["zero"]:
        return 0
    way = next(name for name in ("address", "pointer", "int", "constant") if match[name] is not None)
    value = int.from_bytes(match[way], "little", signed=True)
    target = address + match.end(way) + value
    match way:
        case "constant":
            return value & 0xFFFFFFFF
        case "pointer":
            return elf.pointer(target)
        case "int":
            return integer(elf, target)
    return target


def _aarch64(elf: ElfFile, address: int) -> int | None:
    if elf.image.available(address) < _WORDS.size:
        return None
    code = elf.image.unpack(_WORDS, address)
    if code[0] == _BTI_C:
        address, code = address + 4, code[1:]
    first, second, *rest = code
    if first & 0xFFE0001F == 0x52800000 and second == _RET:  # movz w0, #imm16
        return first >> 5 & 0xFFFF
    if first & 0x9F00001F != 0x90000000 or rest[0] != _RET:  # adrp x0, page
        return None
    pages = (first >> 5 & 0x7FFFF) << 2 | first >> 29 & 3
    page = (address & ~0xFFF) + ((pages ^ 1 << 20) - (1 << 20) << 12)
    offset = second >> 10 & 0xFFF
    match second & 0xFFC003FF:
        case 0x91000000:  # add x0, x0, #offset
            return page + offset
        case 0xF9400000:  # ldr x0, [x0, #offset]
            return elf.pointer(page + 8 * offset)
        case 0xB9400000:  # ldr w0, [x0, #offset]
            return integer(elf, page + 4 * offset)
    return None
