"""Arguments and results of functions whose prototype is known."""

from __future__ import annotations

import struct

from soinspect.call.arguments import Argument
from soinspect.call.values import c_string
from soinspect.call.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CType, Signature, TypeKind

_WORD = 1 << 64


def fit_arguments(arguments: tuple[Argument, ...], prototype: Signature) -> tuple[Argument, ...]:
    """The arguments in the classes that the prototype asks for: ``2`` becomes a double where one is expected.

    :raises UsageError: there are too few or too many, or one cannot be what the prototype says.
    """
    if prototype.returns.kind is TypeKind.AGGREGATE:
        raise UsageError(f"{prototype.text}: functions that return a structure by value are not called")
    expected = len(prototype.parameters)
    if prototype.prototyped and (len(arguments) < expected or (len(arguments) > expected and not prototype.variadic)):
        least = "at least " if prototype.variadic else ""
        raise UsageError(f"{prototype.text} takes {least}{expected} arguments, not {len(arguments)}")
    fitted = [_fit(a, p.type, prototype) for a, p in zip(arguments, prototype.parameters, strict=False)]
    return (*fitted, *(_promote(argument) for argument in arguments[expected:]))


def _fit(argument: Argument, wanted: CType, prototype: Signature) -> Argument:
    kind, value = argument.kind, argument.value
    if wanted.kind is TypeKind.FLOAT and kind in (protocol.INTEGER, protocol.VECTOR):
        number = _number(argument)
        packed = struct.pack("<f", number) if wanted.size == 4 else struct.pack("<d", number)
        return Argument(text=argument.text, kind=protocol.VECTOR, value=packed.ljust(8, b"\0"))
    if wanted.kind is TypeKind.POINTER and kind != protocol.VECTOR:
        return argument
    if wanted.kind in (TypeKind.INTEGER, TypeKind.BOOLEAN) and isinstance(value, int) and kind == protocol.INTEGER:
        signed = value - _WORD if value >= _WORD >> 1 else value
        bits = 8 * wanted.size
        if not -(1 << (bits - 1)) <= signed < 1 << bits and not (bits == 64):
            raise UsageError(f"{argument.text} does not fit into {wanted.text}: {prototype.text}")
        return argument
    raise UsageError(f"{argument.text} cannot be passed as {wanted.text}: {prototype.text}")


def _promote(argument: Argument) -> Argument:
    """A variadic argument: C passes a float as a double there."""
    if argument.kind == protocol.VECTOR and argument.text.startswith("f32:"):
        return Argument(text=argument.text, kind=argument.kind, value=struct.pack("<d", _number(argument)))
    return argument


def _number(argument: Argument) -> float:
    value = argument.value
    if isinstance(value, int):
        return float(value - _WORD if value >= _WORD >> 1 else value)
    number: float = struct.unpack_from("<f" if argument.text.startswith("f32:") else "<d", value)[0]
    return number


def result_text(kind: CType, integer: int, vector: bytes, pointed_to: bytes) -> str | None:
    """The result as C would show it; None where the type has no value, or none that registers can tell."""
    if kind.kind is TypeKind.BOOLEAN:
        low = integer & 0xFF
        return {0: "false", 1: "true"}.get(low, f"{low}, which is neither true nor false")
    if kind.kind is TypeKind.INTEGER:
        value = integer % (1 << (8 * kind.size)) if kind.size else integer
        return str(value - (1 << (8 * kind.size)) if kind.signed and value >> (8 * kind.size - 1) else value)
    if kind.kind is TypeKind.FLOAT:
        return repr(struct.unpack_from("<f" if kind.size == 4 else "<d", vector)[0])
    if kind.kind is TypeKind.POINTER:
        if not integer:
            return "NULL"
        text = c_string(pointed_to) if kind.is_text else None
        return f'"{text}"' if text is not None else f"{integer:#x}"
    return None
