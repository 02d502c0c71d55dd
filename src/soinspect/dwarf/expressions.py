"""The location expressions (DWARF 5, section 2.5) that describe interfaces: one address, or one constant."""

from __future__ import annotations

from soinspect.dwarf.constants import Op
from soinspect.dwarf.sections import DebugSection
from soinspect.dwarf.units import Unit

_UNSIGNED: dict[int, int] = {Op.CONST1U: 1, Op.CONST2U: 2, Op.CONST4U: 4, Op.CONST8U: 8}
_SIGNED: dict[int, int] = {Op.CONST1S: 1, Op.CONST2S: 2, Op.CONST4S: 4, Op.CONST8S: 8}


def fixed_address(unit: Unit, expression: bytes) -> int | None:
    """The address that an expression of just DW_OP_addr gives, None for any other."""
    if len(expression) == 1 + unit.shape.address_size and expression[0] == Op.ADDR:
        return int.from_bytes(expression[1:], unit.section.byteorder)
    return None


def address_index(unit: Unit, expression: bytes) -> int | None:
    """The index into .debug_addr that an expression of just DW_OP_addrx gives, None for any other.

    :raises FormatError: the index is cut.
    """
    if expression[:1] not in (bytes((Op.ADDRX,)), bytes((Op.GNU_ADDR_INDEX,))):
        return None
    value, after = _operand(unit, expression).uleb(1)
    return value if after == len(expression) else None


def constant(unit: Unit, expression: bytes) -> int | None:
    """The number that an expression of one operation gives or adds, None for any other.

    DWARF 2 gives the offset of a member as DW_OP_plus_uconst, all versions the slot of a method as DW_OP_constu.

    :raises FormatError: the number is cut.
    """
    operation = expression[0] if expression else 0
    section = _operand(unit, expression)
    if Op.LIT0 <= operation <= Op.LIT31:
        value, after = operation - Op.LIT0, 1
    elif operation in (Op.CONSTU, Op.PLUS_UCONST):
        value, after = section.uleb(1)
    elif operation == Op.CONSTS:
        value, after = section.sleb(1)
    elif operation in _UNSIGNED or operation in _SIGNED:
        size = _UNSIGNED.get(operation) or _SIGNED[operation]
        value, after = section.integer(1, size), 1 + size
        if operation in _SIGNED and value >> (8 * size - 1):
            value -= 1 << 8 * size
    else:
        return None
    return value if after == len(expression) else None


def _operand(unit: Unit, expression: bytes) -> DebugSection:
    section = unit.section
    return DebugSection(section.path, f"{section.name}: expression", expression, 0, len(expression), section.byteorder)
