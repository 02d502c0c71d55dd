"""In which registers structures and unions by value travel.

Sources: System V ABI for x86-64, 3.2.3 "Parameter Passing"; AAPCS64 (Procedure Call Standard for the Arm 64-bit
Architecture), 5.9.5 "Homogeneous Aggregates" and 6.8.2 "Parameter passing rules".
"""

from __future__ import annotations

import os
from itertools import islice

from soinspect.calling.worker import protocol
from soinspect.model.lateclass import dataclass
from soinspect.model.signature import CType, TypeKind

_MACHINE = os.uname().machine
_WORD = 8
_LARGEST_IN_REGISTERS = 16
_MOST_OF_ONE_KIND = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The part of a value that one register takes: its class (INTEGER or VECTOR), and where the part is."""

    register: int
    offset: int
    size: int


def is_known_here() -> bool:
    """Whether the rules of this machine are known."""
    return _MACHINE in _RULES


def travels_by_reference() -> bool:
    """Whether this machine passes the address of a structure that registers cannot hold, instead of a copy."""
    return _MACHINE == "aarch64"


def passes_wide() -> bool:
    """Whether long doubles and integers of 128 bits are passed on this machine."""
    return _MACHINE == "x86_64"


def is_in_x87(kind: CType) -> bool:
    """Whether results of the type come back in x87 registers; as arguments they lie in memory.

    Those are a long double alone, and a complex number of two: a structure of two is too large for registers.
    """
    leaves = list(islice(kind.leaves(), kind.size))
    return all(leaf.kind is TypeKind.EXTENDED for _, leaf in leaves) and (
        kind.is_complex or kind.size <= _LARGEST_IN_REGISTERS
    )


def is_aligned(kind: CType) -> bool:
    """Whether copies of the value on the stack lie at multiples of 16, as wide numbers that are not packed do."""
    return kind.is_wide and not any(offset % leaf.size for offset, leaf in kind.leaves())


def pieces_of(kind: CType) -> tuple[Piece, ...] | None:
    """The parts of a structure or union, one a register; None when it travels in memory."""
    return _RULES[_MACHINE](kind)


def _pieces_on_x86_64(kind: CType) -> tuple[Piece, ...] | None:
    if kind.size > _LARGEST_IN_REGISTERS:
        return None
    classes = [protocol.VECTOR] * -(-kind.size // _WORD)
    for offset, leaf in kind.leaves():
        if offset % leaf.size or leaf.kind is TypeKind.EXTENDED:
            return None  # packed, or of a class that no argument may have
        if leaf.kind is not TypeKind.FLOAT:
            for word in range(offset // _WORD, -(-(offset + leaf.size) // _WORD)):
                classes[word] = protocol.INTEGER
    return _words(kind.size, classes)


def _pieces_on_aarch64(kind: CType) -> tuple[Piece, ...] | None:
    leaves = list(islice(kind.leaves(), kind.size))
    sizes = {leaf.size if leaf.kind is TypeKind.FLOAT else 0 for _, leaf in leaves}
    places = sorted({offset for offset, _ in leaves})  # those of a union coincide
    size = min(sizes)
    if size and len(sizes) == 1 and len(places) <= _MOST_OF_ONE_KIND and size * len(places) == kind.size:
        return tuple(Piece(register=protocol.VECTOR, offset=place, size=size) for place in places)
    if kind.size > _LARGEST_IN_REGISTERS:
        return None
    return _words(kind.size, [protocol.INTEGER] * -(-kind.size // _WORD))


def _words(size: int, classes: list[int]) -> tuple[Piece, ...]:
    """Eight bytes to each register, but for what is left to the last."""
    return tuple(
        Piece(register=register, offset=_WORD * i, size=min(_WORD, size - _WORD * i))
        for i, register in enumerate(classes)
    )


_RULES = {"x86_64": _pieces_on_x86_64, "aarch64": _pieces_on_aarch64}
