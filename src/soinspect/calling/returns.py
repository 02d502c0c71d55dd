"""What came back from one call, in words: value, errno, changed buffers, whether the calling convention was kept."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence

from soinspect.calling.aggregates import aggregate_text, returned_at, text_places
from soinspect.calling.arguments import Argument
from soinspect.calling.callbacks import callbacks_text
from soinspect.calling.journal import Event
from soinspect.calling.passing import passes_wide
from soinspect.calling.plan import PlannedAction
from soinspect.calling.scalars import scalar_text
from soinspect.calling.typed import result_text
from soinspect.calling.values import SHOWN_BYTES, c_string, floating_text, hex_text, register_text
from soinspect.calling.worker import protocol
from soinspect.model.calling import AbiCheck, CallValue, Outcome, Step, StepResult, Timing
from soinspect.model.lateclass import dataclass
from soinspect.model.signature import CType, TypeKind, array_of

_SHOWN_ELEMENTS = 64
_GO_PROVES_NOTHING = (
    "; it is a Go function and was called without a goroutine: that it returned proves nothing, for only functions "
    "that touch neither the stack bound nor the heap get this far"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConvention:
    """A calling convention that the worker checks: its name, and the first return registers of each class."""

    name: str
    integer: str
    vector: str


_CONVENTIONS = {
    "x86_64": CheckedConvention(name="System V ABI for x86-64", integer="rax", vector="xmm0"),
    "aarch64": CheckedConvention(name="AAPCS64", integer="x0", vector="v0"),
}


_EXTENDED = CType(text="long double", kind=TypeKind.EXTENDED, size=16)
_VECTORS = (TypeKind.FLOAT, TypeKind.AGGREGATE)  # which do not, or need not, come back in the one integer register


def report_return(
    step: Step,
    planned: PlannedAction,
    events: tuple[Event, ...],
    *,
    callbacks: Mapping[tuple[int, int], Argument],
    in_go_plugin: bool,
) -> StepResult:
    """The result of a step whose last event is that its function returned.

    ``callbacks`` are those of all steps, for this function may have kept one (see :func:`callbacks_text`).
    """
    last = events[-1]
    if len(last.payload) < protocol.RETURNED_PAYLOAD.size:
        return StepResult(step=step, outcome=Outcome.RETURNED, detail="returned; the answer was overwritten")
    value, second, *vectors, errno, seconds = protocol.RETURNED_PAYLOAD.unpack_from(last.payload)
    memory = last.payload[protocol.RETURNED_PAYLOAD.size :]
    followed = dict(pointed_to_by(events))
    convention = _CONVENTIONS.get(os.uname().machine)
    prototype = planned.prototype
    check = next((e for e in events if e.kind == protocol.CONVENTION), None)
    if prototype and not check and (prototype.returns.is_wide or prototype.returns.kind in _VECTORS):
        shown, detail = None, f"{prototype.text}: where it returns its value cannot be read on this machine"
    elif prototype and prototype.returns.kind is TypeKind.UNTOLD:
        shown, unknown = _untyped(value, vectors, followed.get(0, b""), convention)
        detail = f"{prototype.text} (from {prototype.source}); {unknown}"
    elif prototype:
        kind = prototype.returns
        pointed_to = {at: followed.get(returned_at(kind, at), b"") for at in text_places(kind)}
        shown = result_text(kind, (value, second), vectors, memory, pointed_to)
        detail = f"{prototype.text} (from {prototype.source})"
        if prototype.returns.kind is TypeKind.OTHER:
            detail += ", a result of that type cannot be shown"
    else:
        shown, detail = _untyped(value, vectors, followed.get(0, b""), convention)
    detail += "".join(f"; {note}" for note in planned.notes)
    if errno:
        detail += f"; errno = {errno} ({os.strerror(errno)})"
    timing = _timing(events)
    if timing:
        detail += f"; {timing_text(timing)}"
    detail += "".join(f"; {text}" for text in callbacks_text(events, callbacks))
    changed = tuple(_changed_buffers(planned, events))
    detail += "".join(f"; argument {change.argument} now holds {change.text}" for change in changed)
    overruns = tuple(_overruns(planned, events))
    detail = "; ".join((*overruns, detail))
    if in_go_plugin:
        detail += _GO_PROVES_NOTHING
    abi = None
    if check and convention:
        abi = AbiCheck(convention=convention.name, violations=tuple(check.text.splitlines()))
        detail += f"; {abi.convention} {'kept' if abi.kept else 'violated: ' + '; '.join(abi.violations)}"
    outcome = Outcome.OVERRAN if overruns else Outcome.RETURNED
    if abi and not abi.kept:
        outcome = Outcome.VIOLATED
    return StepResult(
        step=step,
        outcome=outcome,
        value=shown,
        type=(prototype.returns.text or None) if prototype else None,
        detail=detail,
        seconds=seconds,
        abi=abi,
        changed=changed,
        timing=timing,
    )


def timing_text(timing: Timing) -> str:
    """``called 1,000 times: 1.2 µs in the median, at least 0.9 µs``."""
    times = "once" if timing.calls == 1 else f"{timing.calls:,} times"
    return f"called {times}: {_duration(timing.median)} in the median, at least {_duration(timing.minimum)}"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _timing(events: tuple[Event, ...]) -> Timing | None:
    event = next((e for e in events if e.kind == protocol.TIMED), None)
    calls, median, minimum = (event and event.fields(protocol.TIMED_PAYLOAD)) or (0, 0.0, 0.0)
    plausible = calls and 0 <= minimum <= median < math.inf  # the callee can write there
    return Timing(calls=int(calls), median=median, minimum=minimum) if plausible else None


def _untyped(
    value: int, vectors: Sequence[bytes], pointed_to: bytes, convention: CheckedConvention | None
) -> tuple[str, str]:
    """The return registers of a function whose type is not known: the value as shown, and the honest sentence."""
    text = c_string(pointed_to)
    shown = f'{value:#x}, the address of "{text}"' if text else register_text(value)
    name, vector_name = (convention.integer, convention.vector) if convention else ("return register", "")
    detail = f"return type unknown: {name} = {shown}"
    number = floating_text(vectors[0]) if convention else None
    if number:
        shown += f", or {vector_name} = {number}"
        detail += f", {vector_name} = {number}"
    extended = scalar_text(_EXTENDED, vectors[2]) if any(vectors[2]) else None  # nothing is on the x87 stack
    if extended and "nan" not in extended:  # as MMX registers are
        shown = f"{extended}, in st0"
        detail += f", st0 = {extended} as a long double"
    return shown, detail


def pointed_to_by(events: tuple[Event, ...]) -> Iterator[tuple[int, bytes]]:
    """What pointers in a result or variable lead to: where they are in it, and the bytes."""
    size = protocol.FOLLOWED_PAYLOAD.size
    for event in events:
        if event.kind == protocol.FOLLOWED and len(event.payload) > size:
            yield protocol.FOLLOWED_PAYLOAD.unpack_from(event.payload)[0], event.payload[size:]


def _changed_buffers(planned: PlannedAction, events: tuple[Event, ...]) -> Iterator[CallValue]:
    """The arguments in memory that the callee wrote to, as they are after the call."""
    for event in events:
        if event.kind != protocol.BUFFER or len(event.payload) < protocol.BUFFER_PAYLOAD.size:
            continue
        (position,) = protocol.BUFFER_PAYLOAD.unpack_from(event.payload)
        after = event.payload[protocol.BUFFER_PAYLOAD.size :]
        if position < len(planned.arguments):
            kind = _pointed_to(planned, position, len(after))
            whole = kind and aggregate_text(kind, after, {})
            if kind and whole:
                yield CallValue(type=kind.text, text=whole, argument=position + 1, cut=False)
                continue
            text = c_string(after)
            shown = json.dumps(text) if text else f'"{hex_text(after)}"'
            yield CallValue(
                type=f"{len(after)} bytes", text=shown, argument=position + 1, cut=not text and len(after) > SHOWN_BYTES
            )


def _pointed_to(planned: PlannedAction, position: int, size: int) -> CType | None:
    """The structure, or the array of ``size`` bytes, that the prototype says an argument leads to, if it is known."""
    parameters = planned.prototype.parameters if planned.prototype else ()
    pointer = parameters[position].type if position < len(parameters) else None
    target = pointer.target if pointer and not pointer.is_text else None
    if not target or not target.can_be_made or (target.is_wide and not passes_wide()):
        return None
    count, rest = divmod(size, target.size)
    is_array = target.kind is not TypeKind.AGGREGATE and not rest and count <= _SHOWN_ELEMENTS
    return array_of(target, count) if is_array else target


def _overruns(planned: PlannedAction, events: tuple[Event, ...]) -> Iterator[str]:
    """What the callee wrote outside of the memory that it was given."""
    for event in events:
        fields = event.fields(protocol.OVERRUN_PAYLOAD) if event.kind == protocol.OVERRUN else None
        if fields and fields[0] < len(planned.arguments):
            position, front, behind = map(int, fields)
            what = f"of argument {position + 1}, {planned.arguments[position].text}"
            if behind:
                yield f"it wrote {_bytes_text(behind)} past the end {what}"
            if front:
                yield f"it wrote {_bytes_text(front)} in front {what}"


def _bytes_text(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"
