"""Callbacks: what one returns whose type a prototype tells, and the words for what they were called with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from soinspect.calling.arguments import Argument, callback_bytes, parse_argument
from soinspect.calling.journal import Event
from soinspect.calling.scalars import fit_scalar, scalar_text
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CType, Signature, TypeKind

_IN_ONE_REGISTER = (TypeKind.BOOLEAN, TypeKind.INTEGER, TypeKind.FLOAT, TypeKind.POINTER)
_WORD = 8


def fit_callback(argument: Argument, function: Signature, where: str) -> Argument:
    """The callback that the user wrote, as one that returns what ``function`` does and is told its arguments.

    :raises UsageError: it cannot return that.
    """
    returns = function.returns
    written = parse_argument(argument.text.removeprefix("cb:").removeprefix("ret=") or "0")
    if returns.kind is not TypeKind.VOID:
        if not _is_in_one_register(returns):
            raise UsageError(f"{argument.text} cannot return {returns.text}, only a number or a pointer: {where}")
        written = fit_scalar(written, returns, f"the result of {where}")
    listed = [it.type for it in function.parameters]
    is_known = function.prototyped and all(map(_is_in_one_register, listed))
    return replace(
        argument,
        kind=protocol.CALLBACK,
        value=callback_bytes(written, bytes(map(_class_of, listed)) if is_known else None),
        function=function if is_known else None,
    )


def _is_in_one_register(kind: CType) -> bool:
    return kind.kind in _IN_ONE_REGISTER and kind.size <= _WORD


def _class_of(kind: CType) -> int:
    if kind.is_text:
        return protocol.BYTES
    return protocol.VECTOR if kind.kind is TypeKind.FLOAT else protocol.INTEGER


def callbacks_text(events: tuple[Event, ...], made: Mapping[tuple[int, int], Argument]) -> Iterator[str]:
    """What was called back during a step, a sentence a callback: how often, and the arguments of the first calls.

    ``made`` are all callbacks, by the index of the action and the position of the argument.
    """
    for event in events:
        fields = event.fields(protocol.CALLBACK_CALLS_PAYLOAD) if event.kind == protocol.CALLBACK_CALLS else None
        if not fields:
            continue
        action, position, count = map(int, fields)
        if (action, position) not in made:
            continue
        function = made[action, position].function
        head = protocol.CALLBACK_PLACE.pack(action, position)
        shown = [
            _arguments_text(it.payload[len(head) :], function)
            for it in events
            if it.kind == protocol.CALLED_BACK and it.payload.startswith(head)
        ]
        which = f"argument {position + 1} was " if len(made) > 1 else ""
        times = "once" if count == 1 else f"{count:,} times"
        registers = "" if function else "the integer registers "
        more = ", ..." if count > len(shown) else ""
        yield f"{which}called back {times}, with {registers}{', '.join(shown)}{more}"


def _arguments_text(payload: bytes, function: Signature | None) -> str:
    """The arguments of one call as C writes them; those of a function of unknown type as registers."""
    texts = []
    for position, data in enumerate(_parts(payload)):
        if function and position < len(function.parameters) and len(data) >= _WORD:
            texts.append(scalar_text(function.parameters[position].type, data[:_WORD], data[_WORD:]) or "?")
        else:
            texts.append(hex(int.from_bytes(data[:_WORD], "little")))
    return f"({', '.join(texts)})"


def _parts(payload: bytes) -> Iterator[bytes]:
    while payload:
        (size,) = protocol.CALLBACK_ARGUMENT.unpack_from(payload.ljust(protocol.CALLBACK_ARGUMENT.size, b"\0"))
        end = protocol.CALLBACK_ARGUMENT.size + size
        yield payload[protocol.CALLBACK_ARGUMENT.size : end]
        payload = payload[end:]
