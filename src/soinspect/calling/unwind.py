"""The callers of a stopped thread, from its registers, its stack, and the unwind tables of the files it runs.

Where a file has no table for the place (Go code, hand-written assembly), the frame pointer leads on; at the very start
of a function, the return address is where the call left it. A step is taken only if it ends in executable memory and
higher up the stack, so that a damaged stack ends the walk and does not mislead it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import groupby

from soinspect.calling.locate import Locator
from soinspect.calling.stopped import Stopped
from soinspect.elf.ehframe import FrameTable, Row, Rule, RuleKind
from soinspect.errors import FormatError
from soinspect.model.lateclass import dataclass

_MAX_FRAMES = 64
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """DWARF register numbers of a machine (psABI, "DWARF Register Number Mapping")."""

    registers: tuple[str, ...]
    stack_pointer: int
    frame_pointer: int
    return_address: int

    @property
    def has_link_register(self) -> bool:
        """Whether a call leaves the return address in a register, not on the stack."""
        return "rip" not in self.registers


_MACHINES = {
    "x86_64": _Machine(
        registers=("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)), "rip"),
        stack_pointer=7,
        frame_pointer=6,
        return_address=16,
    ),
    "aarch64": _Machine(
        registers=(*(f"x{n}" for n in range(31)), "sp"), stack_pointer=31, frame_pointer=29, return_address=30
    ),
}


def backtrace(stopped: Stopped, locator: Locator) -> tuple[str, ...]:
    """Where the thread was and who called it, innermost first, in the words of :meth:`Locator.locate`."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return (locator.locate(stopped.registers.pc),)
    return tuple(_Walk(stopped, locator, machine).frames())


def _folded(frames: list[str], *, is_whole: bool) -> list[str]:
    """Runs of the same frame, as recursion makes them, as one line; unless ``is_whole``, the last may go on."""
    folded = []
    for frame, run in groupby(frames):
        times = len(list(run))
        folded.append(frame if times == 1 else f"{frame} ({times} times)")
    if times > 1 and not is_whole:
        folded[-1] = f"{frame} (at least {times} times)"
    return folded


class _Walk:
    def __init__(self, stopped: Stopped, locator: Locator, machine: _Machine) -> None:
        self._stopped = stopped
        self._locator = locator
        self._machine = machine
        self._tables: dict[int, FrameTable] = {}

    def frames(self) -> list[str]:
        machine = self._machine
        registers: dict[int, int] = {
            number: self._stopped.registers[name] for number, name in enumerate(machine.registers)
        }
        pc, exact, found = self._stopped.registers.pc, True, []
        is_whole = False
        for _ in range(_MAX_FRAMES):
            found.append(self._locator.locate(pc, called_from=not exact))
            sp = registers[machine.stack_pointer]
            step = self._step(registers, pc, exact=exact)
            if step is None:
                break
            registers, pc, exact = step
            # Go's signal handler has this function called as if by the instruction that faulted.
            exact = exact or found[-1].startswith("runtime.sigpanic+")
            mapping = self._stopped.mapping_of(pc)
            if mapping is None or "x" not in mapping.permissions:
                break
            # Anonymous executable memory is the worker's own thunk: whoever called that is of no interest.
            is_whole = not mapping.path
            if is_whole:
                break
            # A function without a frame, which only the innermost can be, leaves its return address in a register.
            higher = 0 if len(found) == 1 and machine.has_link_register else 1
            if registers[machine.stack_pointer] < sp + higher:
                break
        else:
            return [*_folded(found, is_whole=False), f"... (unwound no further than {_MAX_FRAMES} frames)"]
        return _folded(found, is_whole=is_whole)

    def _step(self, registers: dict[int, int], pc: int, *, exact: bool) -> tuple[dict[int, int], int, bool] | None:
        """The registers of the caller, its program counter, and whether that is exact (not a return address)."""
        file, vaddr = self._locator.file_at(pc if exact else pc - 1)
        if file is not None and vaddr is not None:
            table = self._tables.get(id(file))
            try:
                if table is None:
                    table = self._tables[id(file)] = FrameTable(file.elf.image)
                description = table.find(vaddr)
            except FormatError:
                description = None
            row = description.row(vaddr) if description else None
            if description and row:
                caller = self._apply(registers, row, description.return_register)
                return (*caller, description.signal_frame) if caller else None
        if exact and (vaddr is None or file is None or file.is_start(vaddr)):
            return self._just_called(registers)
        return self._by_frame_pointer(registers)

    def _apply(self, registers: dict[int, int], row: Row, return_register: int) -> tuple[dict[int, int], int] | None:
        if row.cfa_expression:
            cfa = self._evaluate(row.cfa_expression, registers, ())
        else:
            cfa = registers.get(row.cfa_register, 0) + row.cfa_offset
        if cfa is None:
            return None
        caller = {**registers, self._machine.stack_pointer: cfa & _MASK}
        for number, rule in row.rules:
            value = self._value(rule, number, registers, cfa)
            if value is None:
                if number in (return_register, self._machine.stack_pointer):
                    return None
                caller.pop(number, None)
            else:
                caller[number] = value
        pc = caller.get(return_register)
        return (caller, pc) if pc else None

    def _value(self, rule: Rule, number: int, registers: dict[int, int], cfa: int) -> int | None:
        match rule.kind:
            case RuleKind.OFFSET:
                return self._stopped.word(cfa + rule.number)
            case RuleKind.VALUE_OFFSET:
                return (cfa + rule.number) & _MASK
            case RuleKind.REGISTER:
                return registers.get(rule.number)
            case RuleKind.SAME_VALUE:
                return registers.get(number)
            case RuleKind.EXPRESSION:
                address = self._evaluate(rule.expression, registers, (cfa,))
                return None if address is None else self._stopped.word(address)
            case RuleKind.VALUE_EXPRESSION:
                return self._evaluate(rule.expression, registers, (cfa,))
            case RuleKind.UNDEFINED:
                return None

    def _just_called(self, registers: dict[int, int]) -> tuple[dict[int, int], int, bool] | None:
        """No instruction of the function ran yet: the call instruction's work is untouched."""
        machine = self._machine
        if machine.has_link_register:
            link = registers.get(machine.return_address)
            return None if link is None else (registers, link, False)
        sp = registers[machine.stack_pointer]
        pc = self._stopped.word(sp)
        return None if pc is None else ({**registers, machine.stack_pointer: sp + 8}, pc, False)

    def _by_frame_pointer(self, registers: dict[int, int]) -> tuple[dict[int, int], int, bool] | None:
        machine = self._machine
        frame = registers.get(machine.frame_pointer, 0)
        saved, pc = self._stopped.word(frame), self._stopped.word(frame + 8)
        if saved is None or pc is None:
            return None
        return {**registers, machine.frame_pointer: saved, machine.stack_pointer: frame + 16}, pc, False

    def _evaluate(self, expression: bytes, registers: dict[int, int], start: tuple[int, ...]) -> int | None:
        """A DWARF expression (DWARF 5, 2.5) of the operations that unwind tables use; None for any other."""
        stack = list(start)
        at = 0
        try:
            while at < len(expression):
                operation = expression[at]
                at += 1
                if 0x30 <= operation <= 0x4F:  # DW_OP_lit0 to lit31
                    stack.append(operation - 0x30)
                elif 0x70 <= operation <= 0x8F:  # DW_OP_breg0 to breg31
                    offset, at = _sleb(expression, at)
                    stack.append((registers[operation - 0x70] + offset) & _MASK)
                elif operation == 0x23:  # DW_OP_plus_uconst
                    offset, at = _uleb(expression, at)
                    stack.append((stack.pop() + offset) & _MASK)
                elif operation == 0x06:  # DW_OP_deref
                    word = self._stopped.word(stack.pop())
                    if word is None:
                        return None
                    stack.append(word)
                elif operation in _BINARY:
                    second, first = stack.pop(), stack.pop()
                    stack.append(_BINARY[operation](first, second) & _MASK)
                else:
                    return None
            return stack[-1]
        except (IndexError, KeyError):  # an expression that runs out of operands, or of its own bytes
            return None


_BINARY: dict[int, Callable[[int, int], int]] = {
    0x1A: lambda a, b: a & b,
    0x1C: lambda a, b: a - b,
    0x21: lambda a, b: a | b,
    0x22: lambda a, b: a + b,
    0x24: lambda a, b: a << (b & 63),
    0x25: lambda a, b: a >> (b & 63),
    0x29: lambda a, b: int(a == b),
    0x2A: lambda a, b: int(a >= b),
    0x2B: lambda a, b: int(a > b),
    0x2C: lambda a, b: int(a <= b),
    0x2D: lambda a, b: int(a < b),
    0x2E: lambda a, b: int(a != b),
}


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _sleb(data: bytes, at: int) -> tuple[int, int]:
    value, end = _uleb(data, at)
    bits = 7 * (end - at)
    return (value - (1 << bits) if value >> (bits - 1) & 1 else value), end
