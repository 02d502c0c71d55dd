"""Structures and unions by value: in which registers they travel, and how they are written and shown.

Source: System V ABI for x86-64, 3.2.3 "Parameter Passing". The rules of other machines differ, and are not known here.
"""

from __future__ import annotations

import os
import re

from soinspect.call.arguments import Argument, parse_argument, split_parts
from soinspect.call.scalars import scalar_bytes, scalar_text
from soinspect.call.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CMember, CType, TypeKind

_WORD = 8
_LARGEST_IN_REGISTERS = 16
_NAMED_MEMBER = re.compile(r"\.?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*)", re.DOTALL)


def check_aggregate(kind: CType, where: str) -> None:
    """Whether values of the type can be passed at all.

    :raises UsageError: they cannot.
    """
    if os.uname().machine != "x86_64":
        raise UsageError(f"structures by value are passed on x86-64 only: {where}")
    if not kind.members:
        raise UsageError(
            f"{kind.text} cannot be passed by value: its members are not known, too many, or other than numbers, "
            f"pointers, arrays and structures: {where}"
        )


def classes_of(kind: CType) -> tuple[int, ...] | None:
    """For each eight bytes of the type the class of register it travels in; None when it travels in memory."""
    if kind.size > _LARGEST_IN_REGISTERS:
        return None
    classes = [protocol.VECTOR] * -(-kind.size // _WORD)
    for offset, leaf in kind.leaves():
        if offset % leaf.size:
            return None  # packed
        if leaf.kind is not TypeKind.FLOAT:
            classes[offset // _WORD] = protocol.INTEGER
    return tuple(classes)


def fit_aggregate(argument: Argument, wanted: CType, where: str) -> Argument:
    """The structure that the user wrote as ``{x=3, y=1.5}``, as the worker passes it.

    :raises UsageError: it is no such text, or does not fit the type.
    """
    check_aggregate(wanted, where)
    if argument.kind != protocol.LITERAL:
        raise UsageError(f"{argument.text} cannot be passed as {wanted.text}, write {{...}}: {where}")
    data = bytearray(wanted.size)
    _fill(data, 0, wanted, argument.text, where)
    padded = bytes(data) + bytes(-len(data) % _WORD)
    classes = classes_of(wanted)
    if classes is None:
        return Argument(text=argument.text, kind=protocol.STACKED, value=padded)
    pieces = (protocol.PIECE.pack(kind, padded[_WORD * i : _WORD * (i + 1)]) for i, kind in enumerate(classes))
    return Argument(text=argument.text, kind=protocol.PIECES, value=b"".join(pieces))


def returned_bytes(kind: CType, integers: tuple[int, int], vectors: tuple[bytes, bytes], pointed_to: bytes) -> bytes:
    """A returned structure, from the return registers, or from memory where it came back there."""
    classes = classes_of(kind)
    if classes is None:
        return pointed_to[: kind.size]
    free = {
        protocol.INTEGER: iter([word.to_bytes(_WORD, "little") for word in integers]),
        protocol.VECTOR: iter([vector[:_WORD] for vector in vectors]),
    }
    return b"".join(next(free[kind]) for kind in classes)[: kind.size]


def aggregate_text(kind: CType, data: bytes) -> str | None:
    """``{x=3, y=1.5}``; None when ``data`` is cut."""
    return _text(kind, data) if len(data) == kind.size else None


def _text(kind: CType, data: bytes) -> str:
    if kind.kind is not TypeKind.AGGREGATE:
        return scalar_text(kind, data) or "?"
    parts = (
        (f"{member.name}=" if member.name else "") + _text(member.type, data[member.offset :][: member.type.size])
        for member in kind.members
    )
    return f"{{{', '.join(parts)}}}"


def _fill(data: bytearray, start: int, kind: CType, text: str, where: str) -> None:
    """Write what ``{...}`` says; as in C, members that it leaves out are zero."""
    position = 0
    for part in split_parts(text.strip()[1:-1]):
        named = _NAMED_MEMBER.fullmatch(part.strip())
        if named:
            position = next((i for i, member in enumerate(kind.members) if member.name == named["name"]), -1)
        if not 0 <= position < len(kind.members):
            raise UsageError(f"{part.strip()!r} has no place in {kind.text}, which has {_names(kind.members)}: {where}")
        member = kind.members[position]
        position += 1
        value = (named["value"] if named else part).strip()
        offset = start + member.offset
        if member.type.kind is not TypeKind.AGGREGATE:
            data[offset : offset + member.type.size] = scalar_bytes(parse_argument(value), member.type, where)
        elif value.startswith("{") and value.endswith("}"):
            _fill(data, offset, member.type, value, where)
        else:
            raise UsageError(f"{value!r} cannot be passed as {member.type.text}, write {{...}}: {where}")


def _names(members: tuple[CMember, ...]) -> str:
    return ", ".join(member.name for member in members) if members[0].name else f"{len(members)} elements"
