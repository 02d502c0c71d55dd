"""The worker's log, read as the hostile input that it is."""

from __future__ import annotations

from struct import Struct

from soinspect.calling.worker import protocol
from soinspect.model.lateclass import dataclass

_MAX_EVENTS = 10_000
_OF_ACTIONS = range(protocol.BEGUN, protocol.UNLOADING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of :mod:`soinspect.calling.worker.protocol`."""

    kind: int
    action: int
    payload: bytes

    @property
    def text(self) -> str:
        """The payload as text; what could steer a terminal is written as an escape."""
        text = self.payload.decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)

    def fields(self, record: Struct) -> tuple[int | float, ...] | None:
        """The numbers at the start of the payload, or None if it is too short for them."""
        return record.unpack_from(self.payload) if len(self.payload) >= record.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The events, in order; ``damaged`` when the log was overwritten and they may not be all, or not be true."""

    events: tuple[Event, ...]
    damaged: bool

    def first(self, kind: int) -> Event | None:
        """The first event of this kind, or None."""
        return next((e for e in self.events if e.kind == kind), None)

    def about(self, action: int) -> tuple[Event, ...]:
        """The events of one action, in order."""
        return tuple(e for e in self.events if e.kind in _OF_ACTIONS and e.action == action)


def read_journal(log: bytes) -> Journal:
    """Decode the log as far as it makes sense."""
    (length,) = protocol.COMMITTED.unpack_from(log)
    end = protocol.COMMITTED.size + length
    if end > len(log):
        return Journal(events=(), damaged=True)
    events: list[Event] = []
    at = protocol.COMMITTED.size
    while at + protocol.EVENT.size <= end and len(events) < _MAX_EVENTS:
        kind, action, size = protocol.EVENT.unpack_from(log, at)
        at += protocol.EVENT.size
        if not protocol.READY <= kind <= protocol.DONE or at + size > end:
            return Journal(events=tuple(events), damaged=True)
        events.append(Event(kind=kind, action=action, payload=log[at : at + size]))
        at += size
    return Journal(events=tuple(events), damaged=at != end)
