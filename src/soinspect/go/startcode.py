"""The code that a plugin runs when it is opened: it links its module data into the list of the host.

Source: gentext in src/cmd/link/internal/{amd64,arm64}/asm.go (go.link.addmoduledata), and runtime.addmoduledata in
src/runtime/asm_{amd64,arm64}.s, which stores the address at the offset of ``moduledata.next``.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from soinspect.go.memory import WORD, Memory
from soinspect.model.constants import DynamicTag, Machine
from soinspect.model.lateclass import dataclass

_MAX_CODE = 64
_INT32 = Struct("<i")
_THREE_INSTRUCTIONS = Struct("<3I")
_TWO_INSTRUCTIONS = Struct("<2I")
_INSTRUCTION = Struct("<I")
_MAX_JUMPS = 2

# The offset of moduledata.next, and the releases that have it there.
_NEXT_OFFSETS = {
    0x1B0: ((8, 9),),
    0x1C0: ((10, 15),),
    0x210: ((16, 17),),
    0x220: ((18, 19),),
    0x230: ((20, 20), (27, 27)),
    0x240: ((23, 25),),
    0x248: ((21, 22), (26, 26)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A call of runtime.addmoduledata: its argument (the address of the module data), the address called."""

    argument: int
    target: int


def registrations(memory: Memory) -> Iterator[Registration]:
    """The functions of DT_INIT_ARRAY that do what the linker's go.link.addmoduledata does."""
    dynamic = memory.elf.dynamic
    array = dynamic.get(DynamicTag.INIT_ARRAY) if dynamic else None
    if not dynamic or array is None:
        return
    size = min(dynamic.get(DynamicTag.INIT_ARRAYSZ, 0), memory.image.available(array))
    for entry in range(array, array + size - size % WORD, WORD):
        function = memory.word(entry)
        registration = _decode(memory, function, _code(memory, function))
        if registration is not None:
            yield registration


def next_offsets(memory: Memory) -> Iterator[tuple[int, int]]:
    """The ranges of releases whose ``moduledata.next`` lies where this plugin's code stores it."""
    for offset in stored_next_offsets(memory):
        yield from _NEXT_OFFSETS.get(offset, ())


def stored_next_offsets(memory: Memory) -> Iterator[int]:
    """Where this plugin's code stores the link from the host's last module to its own: ``moduledata.next``."""
    for registration in registrations(memory):
        code = _code(memory, _behind_jumps(memory, registration.target))
        offset = _stored_offset(memory.image.header.machine, code)
        if offset:
            yield offset


def known_next_offsets(first: int, last: int) -> set[int]:
    """The offsets of ``moduledata.next`` in the releases from go1.``first`` to go1.``last``."""
    return {
        offset for offset, ranges in _NEXT_OFFSETS.items() if any(low <= last and first <= high for low, high in ranges)
    }


def _code(memory: Memory, address: int) -> bytes:
    """The instructions at an address, as far as the file has them; padded, so that decoding needs no bounds."""
    size = min(memory.image.available(address), _MAX_CODE)
    return memory.block(address, size).ljust(_MAX_CODE, b"\0")


def _decode(memory: Memory, address: int, code: bytes) -> Registration | None:
    match memory.image.header.machine:
        case Machine.X86_64:  # lea rdi, [rip+distance]; call target; ret
            if code[:3] == b"\x48\x8d\x3d" and code[7] == 0xE8 and code[12] == 0xC3:
                argument = address + 7 + _int32(code, 3)
                return Registration(argument=argument, target=address + 12 + _int32(code, 8))
        case Machine.AARCH64:  # adrp x0, page; add x0, x0, #offset; b target
            adrp, add, branch = _THREE_INSTRUCTIONS.unpack_from(code)
            if adrp & 0x9F00001F == 0x90000000 and add & 0xFFC003FF == 0x91000000 and branch >> 26 == 5:
                return Registration(
                    argument=_page(address, adrp) + (add >> 10 & 0xFFF),
                    target=address + 8 + 4 * _signed(branch & 0x3FFFFFF, 26),
                )
    return None


def _behind_jumps(memory: Memory, address: int) -> int:
    """The function behind a slot of the procedure linkage table, or the address itself."""
    for _ in range(_MAX_JUMPS):
        slot = _slot(memory, address, _code(memory, address))
        if slot is None or memory.image.available(slot) < WORD:
            break
        address = memory.word(slot)
    return address


def _slot(memory: Memory, address: int, code: bytes) -> int | None:
    """The word through which the code at ``address`` jumps, if jumping is what it does."""
    if memory.image.header.machine is Machine.X86_64:  # [endbr64;] [bnd] jmp [rip+distance]
        start = code.find(b"\xff\x25", 0, 8)
        return None if start < 0 else address + start + 6 + _int32(code, start + 2)
    adrp, load = (int(word) for word in _TWO_INSTRUCTIONS.unpack_from(code))
    # adrp x16, page; ldr x17, [x16, #offset]
    if adrp & 0x9F00001F == 0x90000010 and load & 0xFFC003FF == 0xF9400211:
        return _page(address, adrp) + (load >> 10 & 0xFFF) * WORD
    return None


def _stored_offset(machine: Machine, code: bytes) -> int:
    """Where runtime.addmoduledata stores its argument, relative to the last module of the list; 0 if unclear."""
    if machine is Machine.X86_64:  # mov [rax+offset], rdi
        start = code.find(b"\x48\x89\xb8")
        return _int32(code, start + 3) if 0 <= start <= _MAX_CODE - 7 else 0
    for (instruction,) in _INSTRUCTION.iter_unpack(code):  # str x0, [x1, #offset]
        if instruction & 0xFFC003FF == 0xF9000020:
            return int(instruction >> 10 & 0xFFF) * WORD
    return 0


def _int32(code: bytes, position: int) -> int:
    (value,) = _INT32.unpack_from(code, position)
    return int(value)


def _page(address: int, adrp: int) -> int:
    """What ``adrp`` at ``address`` puts into its register."""
    pages = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
    return (address & ~0xFFF) + (_signed(pages, 21) << 12)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
