"""Structures and unions by value: how they are written and shown, put into registers and taken from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from soinspect.calling.arguments import Argument, parse_argument, split_parts
from soinspect.calling.cgotypes import GoKind, go_bytes, go_kind, go_text
from soinspect.calling.passing import is_aligned, is_in_x87, is_known_here, pieces_of, travels_by_reference
from soinspect.calling.scalars import scalar_bytes, scalar_text
from soinspect.calling.values import quoted
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CMember, CType, TypeKind, array_of

_WORD = 8
_FOLLOWED = 8  # pointers of one result
_LEAVES = 1000
_TEXT = CType(text="const char *", kind=TypeKind.POINTER, size=_WORD, is_text=True)
_NAMED_MEMBER = re.compile(r"\.?(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>.*)", re.DOTALL)


def check_aggregate(kind: CType, where: str) -> None:
    """Whether values of the type can be passed at all.

    :raises UsageError: they cannot.
    """
    if not is_known_here():
        raise UsageError(f"structures by value are passed on x86-64 and AArch64 only: {where}")
    _check_members(kind, where)


def _check_members(kind: CType, where: str) -> None:
    if not kind.can_be_made:
        why = kind.obstacle or "its members are not known, too many, or of types that cannot be made"
        raise UsageError(f"{kind.text} cannot be made: {why}: {where}")


def fit_aggregate(argument: Argument, wanted: CType, where: str) -> Argument:
    """The structure that the user wrote as ``{x=3, y=1.5}``, as the worker passes it.

    :raises UsageError: it is no such text, or does not fit the type.
    """
    check_aggregate(wanted, where)
    data, pointers = value_bytes(argument.text, wanted, where)
    pieces = pieces_of(wanted)
    if pieces is None and travels_by_reference():
        return Argument(text=argument.text, kind=protocol.COPIED, value=data, pointers=pointers)
    if pieces is None:
        padded = data + bytes(-len(data) % _WORD)
        placed_at = protocol.ALIGNED if is_aligned(wanted) else protocol.STACKED
        return Argument(text=argument.text, kind=placed_at, value=padded, pointers=pointers)
    if wanted.is_wide:
        return Argument(text=argument.text, kind=protocol.WIDE, value=data, pointers=pointers)
    records = (protocol.PIECE.pack(p.register, p.size, data[p.offset : p.offset + p.size]) for p in pieces)
    # The address goes into the record of its eight bytes, behind class and size.
    placed = ((at // _WORD * protocol.PIECE.size + 2, target, more) for at, target, more in pointers)
    return Argument(text=argument.text, kind=protocol.PIECES, value=b"".join(records), pointers=tuple(placed))


def text_places(kind: CType) -> tuple[int, ...]:
    """The offsets of the pointers in a value that are followed to show it: those to texts, and to a slice's memory."""
    found = [offset for offset, leaf in islice(kind.leaves(), _LEAVES) if leaf.is_text]
    found += (member.offset for member in kind.members if go_kind(kind) is GoKind.SLICE and member.name == "data")
    return tuple(found[:_FOLLOWED])


def returned_at(kind: CType, offset: int) -> int:
    """Where the integer at an offset in a result comes back: an offset in memory, or in the integer registers."""
    pieces = pieces_of(kind) if kind.kind is TypeKind.AGGREGATE else None
    if pieces is None:
        return offset
    return _WORD * sum(1 for p in pieces if p.register == protocol.INTEGER and p.offset + p.size <= offset)


def returned_bytes(kind: CType, integers: Sequence[int], vectors: Sequence[bytes], pointed_to: bytes) -> bytes:
    """A returned structure, from the return registers, or from memory where it came back there."""
    pieces = pieces_of(kind)
    if is_in_x87(kind):
        return b"".join(vectors[2:4])[: kind.size]
    if pieces is None:
        return pointed_to[: kind.size]
    free = {
        protocol.INTEGER: iter([word.to_bytes(_WORD, "little") for word in integers]),
        protocol.VECTOR: iter(vectors),
    }
    return b"".join(next(free[piece.register])[: piece.size] for piece in pieces)


def aggregate_text(kind: CType, data: bytes, pointed_to: Mapping[int, bytes]) -> str | None:
    """``{x=3, y=1.5}``; None when ``data`` is cut. ``pointed_to`` is what pointers at some offsets lead to."""
    return value_text(kind, data, pointed_to) if len(data) == kind.size else None


def value_text(kind: CType, data: bytes, pointed_to: Mapping[int, bytes], start: int = 0) -> str:
    """A value of any type, ``start`` bytes after the start of ``data``, as C would write it."""
    here = data[start : start + kind.size]
    if kind.kind is not TypeKind.AGGREGATE:
        return scalar_text(kind, here, pointed_to.get(start, b"")) or "?"
    in_go = go_text(kind, here, pointed_to.get(start, b""))
    if in_go is not None:
        return in_go
    if _is_characters(kind):
        raw = here.partition(b"\0")[0]
        return quoted(raw, len(raw))
    parts = (
        (f"{member.name}=" if member.name else "") + value_text(member.type, data, pointed_to, start + member.offset)
        for member in kind.members
    )
    return f"{{{', '.join(parts)}}}"


def value_bytes(text: str, kind: CType, where: str) -> tuple[bytes, protocol.Pointers]:
    """A value as it lies in memory, with what its pointers lead to; as in C, members that are left out are zero.

    :raises UsageError: the text is no value of the type.
    """
    in_go = go_bytes(text, kind, where)
    if in_go is not None:
        return in_go
    if kind.target and text.startswith("&{"):
        return bytes(kind.size), ((0, *pointed_bytes(text, kind.target, where)),)
    if kind.kind is not TypeKind.AGGREGATE:
        return scalar_bytes(parse_argument(text), kind, where)
    if _is_characters(kind) and text[:1] + text[-1:] == '""':
        (_, raw, _) = scalar_bytes(parse_argument(text), _TEXT, where)[1][0]
        if len(raw) - 1 > kind.size:
            raise UsageError(f"{text} does not fit into {kind.text}: {where}")
        return raw.ljust(kind.size, b"\0")[: kind.size], ()
    if text[:1] + text[-1:] != "{}":
        raise UsageError(f"{text} cannot be passed as {kind.text}, write {{...}}: {where}")
    data = bytearray(kind.size)
    pointers: list[tuple[int, bytes, protocol.Pointers]] = []
    position = 0
    for part in split_parts(text[1:-1]):
        named = _NAMED_MEMBER.fullmatch(part.strip())
        if named:  # elements of an array may have several members of that name
            found = tuple(member for member in _all_members(kind) if member.name == named["name"])
        else:
            found = kind.members[position : position + 1]
        if len(found) != 1:
            raise UsageError(f"{part.strip()!r} has no place in {kind.text}, which has {_names(kind)}: {where}")
        member = found[0]
        if not named:
            position += 1
        else:  # what comes after a member of a nameless structure needs a name, too
            position = kind.members.index(member) + 1 if member in kind.members else len(kind.members)
        value, inner = value_bytes((named["value"] if named else part).strip(), member.type, where)
        data[member.offset : member.offset + member.type.size] = value
        pointers += ((member.offset + at, target, more) for at, target, more in inner)
    return bytes(data), tuple(pointers)


def pointed_bytes(text: str, target: CType, where: str) -> tuple[bytes, protocol.Pointers]:
    """What ``&{...}`` leads to: a structure, or any number of other values in a row.

    :raises UsageError: it cannot be made of the type ``target``.
    """
    if target.kind in (TypeKind.VOID, TypeKind.OTHER):
        raise UsageError(f"{text}: {target.text} says no type; give each value one, as in &{{i32:3, f64:1.5}}: {where}")
    _check_members(target, where)
    if target.kind is TypeKind.AGGREGATE or not text.endswith("}"):
        return value_bytes(text[1:], target, where)
    return value_bytes(text[1:], array_of(target, sum(1 for _ in split_parts(text[2:-1]))), where)


def _is_characters(kind: CType) -> bool:
    """Whether the type is an array of ``char``."""
    first = kind.members[0] if kind.members else None
    return first is not None and not first.name and first.type.text.removeprefix("const ") == "char"


def _all_members(kind: CType, start: int = 0) -> Iterator[CMember]:
    """The members that have names, at their offsets; those of nameless structures are the outer one's, too."""
    for member in kind.members:
        if member.name:
            yield replace(member, offset=start + member.offset)
        else:
            yield from _all_members(member.type, start + member.offset)


def _names(kind: CType) -> str:
    names = [member.name for member in _all_members(kind)]
    is_structure = names and len({*names}) == len(names)
    return ", ".join(names) if is_structure else f"{len(kind.members)} elements"
