"""Callbacks: what one returns whose type a prototype tells, and the words for what they were called with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from soinspect.calling.arguments import Argument, callback_bytes, parse_argument
from soinspect.calling.journal import Event
from soinspect.calling.scalars import fit_scalar, scalar_text
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CType, Signature, TypeKind

_IN_ONE_REGISTER = (TypeKind.BOOLEAN, TypeKind.INTEGER, TypeKind.FLOAT, TypeKind.POINTER)
_WORD = 8
_MOST_ARGUMENTS = 64


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
    is_known = function.prototyped and len(listed) <= _MOST_ARGUMENTS and all(map(_is_in_one_register, listed))
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
    counted = [event for event in events if event.kind == protocol.CALLBACK_CALLS]
    told = [event.payload for event in events if event.kind == protocol.CALLED_BACK]
    in_last = " in the last call" if any(event.kind == protocol.TIMED for event in events) else ""
    for place, argument in made.items():
        head = protocol.CALLBACK_PLACE.pack(*place)
        counts = (event.fields(protocol.CALLBACK_CALLS_PAYLOAD) for event in counted if event.payload.startswith(head))
        fields = next(counts, None)
        if not fields:
            continue
        count, function = int(fields[-1]), argument.function
        payloads = islice((it[len(head) :] for it in told if it.startswith(head)), protocol.SHOWN_CALLBACKS)
        shown = [_arguments_text(payload, function) for payload in payloads]
        which = f"argument {place[1] + 1} was " if len(made) > 1 else ""
        times = ("once" if count == 1 else f"{count:,} times") + in_last
        registers = "" if function else "the integer registers "
        more = ", ..." if count > len(shown) else ""
        yield f"{which}called back {times}, with {registers}{', '.join(shown)}{more}"


def _arguments_text(payload: bytes, function: Signature | None) -> str:
    """The arguments of one call as C writes them; those of a function of unknown type as registers."""
    texts = []
    for position, data in enumerate(islice(_parts(payload), _MOST_ARGUMENTS)):
        if function and position < len(function.parameters) and len(data) >= _WORD:
            texts.append(scalar_text(function.parameters[position].type, data[:_WORD], data[_WORD:]) or "?")
        else:
            texts.append(hex(int.from_bytes(data[:_WORD], "little")))
    return f"({', '.join(texts)})"


def _parts(payload: bytes) -> Iterator[bytes]:
    start = protocol.CALLBACK_ARGUMENT.size
    while start <= len(payload):
        (size,) = protocol.CALLBACK_ARGUMENT.unpack_from(payload, start - protocol.CALLBACK_ARGUMENT.size)
        yield payload[start : start + size]
        start += size + protocol.CALLBACK_ARGUMENT.size
