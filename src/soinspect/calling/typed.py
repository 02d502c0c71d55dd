"""Arguments and results of functions whose prototype is known."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from soinspect.calling.aggregates import (
    aggregate_text,
    check_aggregate,
    fit_aggregate,
    pointed_bytes,
    returned_bytes,
)
from soinspect.calling.arguments import INTEGER, NAME, Argument
from soinspect.calling.callbacks import fit_callback
from soinspect.calling.passing import is_in_x87, passes_wide, pieces_of
from soinspect.calling.scalars import fit_scalar, number_of, scalar_text
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CType, Signature, TypeKind

# Prototypes that would tell the types of arguments that start like this.
_HINTS = {
    "&": "int f(const int *)', or types: &{i32:3, f64:1.5}",
    "cb:": "enum e { ... }; void f(enum e (*)(int))'",
    "": "typedef struct { ... } t; int f(t)'",
}


def fit_arguments(arguments: tuple[Argument, ...], prototype: Signature) -> tuple[Argument, ...]:
    """The arguments in the classes that the prototype asks for.

    :raises UsageError: there are too few or too many, or one cannot be what the prototype says.
    """
    expected = len(prototype.parameters)
    if prototype.prototyped and (len(arguments) < expected or (len(arguments) > expected and not prototype.variadic)):
        least = "at least " if prototype.variadic else ""
        plural = "" if expected == 1 else "s"
        first = ", and one in front if it is a member function, the address of its object" if prototype.this else ""
        known = f"{prototype.text} (from {prototype.source})"
        raise UsageError(f"{known} takes {least}{expected} argument{plural}{first}, not {len(arguments)}")
    pairs = enumerate(zip(arguments, prototype.parameters, strict=False), 1)
    fitted = [_fit(a, p.type, f"parameter {p.name or number} of {prototype.text}") for number, (a, p) in pairs]
    return (*fitted, *(_promote(argument) for argument in arguments[expected:]))


def check_untyped(arguments: tuple[Argument, ...]) -> None:
    """Whether the arguments say all by themselves.

    :raises UsageError: one is a structure, whose type nobody gives.
    """
    for argument in arguments:
        if argument.kind == protocol.LITERAL and NAME.fullmatch(argument.text):
            raise UsageError(f"{argument.text!r} is not an argument: no prototype says that it is an enumerator")
        if argument.kind == protocol.LITERAL and INTEGER.fullmatch(argument.text):
            raise UsageError(f"{argument.text} does not fit into 64 bits")
        if argument.kind == protocol.LITERAL:
            hint = next(hint for start, hint in _HINTS.items() if argument.text.startswith(start))
            raise UsageError(f"{argument.text}: which type is it? Give a prototype: --sig '{hint}")


def result_room(kind: CType, where: str) -> int:
    """How many bytes of memory the caller provides for a result of this type; 0 where it comes back in registers.

    :raises UsageError: such a result cannot be taken.
    """
    _check_wide(kind, where)
    if kind.kind is not TypeKind.AGGREGATE:
        return 0
    check_aggregate(kind, where)
    return kind.size if pieces_of(kind) is None and not is_in_x87(kind) else 0


def _check_wide(kind: CType, where: str) -> None:
    if kind.is_wide and not passes_wide():
        raise UsageError(f"{kind.text} is passed on x86-64 only: {where}")


def _fit(argument: Argument, wanted: CType, where: str) -> Argument:
    _check_wide(wanted, where)
    if wanted.kind is TypeKind.AGGREGATE:
        return fit_aggregate(argument, wanted, where)
    is_typed = argument.kind != protocol.LITERAL  # as &{i32:3, f64:1.5} is
    if wanted.target and argument.text.startswith("&{") and (wanted.target.can_be_made or not is_typed):
        _check_wide(wanted.target, where)
        data, pointers = pointed_bytes(argument.text, wanted.target, where)
        return Argument(text=argument.text, kind=protocol.BYTES, value=data, pointers=pointers)
    if wanted.function and argument.text.startswith("cb:"):
        return fit_callback(argument, wanted.function, where)
    return fit_scalar(argument, wanted, where)


def _promote(argument: Argument) -> Argument:
    """A variadic argument: C passes a float as a double there."""
    check_untyped((argument,))
    if argument.kind == protocol.VECTOR and argument.text.startswith("f32:"):
        return Argument(text=argument.text, kind=argument.kind, value=struct.pack("<d", number_of(argument)))
    return argument


def result_text(
    kind: CType,
    integers: Sequence[int],
    vectors: Sequence[bytes],
    memory: bytes,
    pointed_to: Mapping[int, bytes],
) -> str | None:
    """The result as C would show it; None where the type has no value, or none that registers can tell.

    ``memory`` is a result that came back there, ``pointed_to`` what pointers at some offsets of the result lead to.
    """
    if kind.kind is TypeKind.AGGREGATE:
        return aggregate_text(kind, returned_bytes(kind, integers, vectors, memory), pointed_to)
    if kind.kind is TypeKind.FLOAT:
        return scalar_text(kind, vectors[0])
    if kind.kind is TypeKind.EXTENDED:
        return scalar_text(kind, vectors[2])
    return scalar_text(kind, b"".join(it.to_bytes(8, "little") for it in integers), pointed_to.get(0, b""))
