"""How values of a structure travel to and from functions: by address, on the stack, or in which registers.

For x86-64 by the System V psABI, 3.2.3: each eight bytes of at most sixteen have a class. Objects of C++ classes that
have a destructor or copy constructor of their own travel by address everywhere (Itanium C++ ABI, 3.1.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.model.constants import Machine
from soinspect.model.prototype import (
    Aggregate,
    ArrayType,
    BaseType,
    CallingConvention,
    DerivedType,
    Encoding,
    MemberPointer,
    Prototypes,
    Typedef,
)

_EIGHTBYTE = 8
_LARGEST = 16
_VECTOR = frozenset({Encoding.FLOAT, Encoding.COMPLEX_FLOAT, Encoding.DECIMAL_FLOAT})
_GENERAL_REGISTER, _VECTOR_REGISTER = "general", "vector"
_IN_MEMORY = "on the stack"


def passed(side: Prototypes, index: int, aggregate: Aggregate, machine: Machine) -> str | None:
    """How values of the aggregate with this index travel, in words; None where that cannot be told."""
    if aggregate.user_provided or aggregate.convention is CallingConvention.PASS_BY_REFERENCE:
        return "by address, since copying or destroying it runs code"
    if machine is not Machine.X86_64 or aggregate.size is None or aggregate.variants:
        return None
    classes = _classes(side, index) if aggregate.size <= _LARGEST else None
    if classes is None:
        return _IN_MEMORY
    return f"in registers: {', '.join(classes)}" if classes else None


def _classes(side: Prototypes, index: int) -> list[str] | None:
    """The register of each eight bytes; None if a scalar lies across its alignment, or is an x87 number."""
    found: dict[int, str] = {}
    for offset, size, register in _scalars(side, index):
        if size == 0 or offset % min(size, _EIGHTBYTE) or (register is _VECTOR_REGISTER and size > _EIGHTBYTE):
            return None
        part = offset // _EIGHTBYTE
        # One integer among them puts eight bytes into a general register.
        found[part] = register if found.get(part, register) == register else _GENERAL_REGISTER
    return [found[part] for part in sorted(found)]


def _scalars(side: Prototypes, whole: int) -> Iterator[tuple[int, int, str]]:
    """Offset, size and kind of register of each scalar in a type of at most sixteen bytes, in no order.

    Each type is looked into once at each offset, whatever the debug information nests.
    """
    seen: set[tuple[int, int]] = set()
    todo = [(whole, 0)]
    while todo:
        index, start = todo.pop()
        if (index, start) in seen:
            continue
        seen.add((index, start))
        match side.types[index]:
            case Typedef(target=target):
                todo.append((target, start))
            case DerivedType(derivation=derivation, target=target) if derivation.qualifies:
                todo.append((target, start))
            case Aggregate(members=members, bases=bases):
                parts = ((it.offset, it.type) for both in (bases, members) for it in both)
                todo += (
                    (part, start + offset)
                    for offset, part in parts
                    if offset is not None and offset >= 0 and start + offset + (side.size_of(part) or 0) <= _LARGEST
                )
            case ArrayType(element=element, vector=False):
                step, size = side.size_of(element) or 0, side.size_of(index) or 0
                offsets = range(0, size, step) if 0 < step <= size <= _LARGEST else ()
                todo += ((element, start + offset) for offset in offsets)
            case BaseType(size=size, encoding=encoding):
                yield start, size, _VECTOR_REGISTER if encoding in _VECTOR else _GENERAL_REGISTER
            case MemberPointer():
                for offset in range(0, side.size_of(index) or 0, side.word_size):
                    yield start + offset, side.word_size, _GENERAL_REGISTER
            case ArrayType():
                yield start, min(side.size_of(index) or 0, _EIGHTBYTE), _VECTOR_REGISTER
            case _:
                yield start, side.size_of(index) or 0, _GENERAL_REGISTER
