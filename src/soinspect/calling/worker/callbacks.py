"""Functions of the worker that a callee calls: each returns what it is told to, and tells of its first calls."""

from __future__ import annotations

import ctypes
from struct import Struct

from . import protocol
from .memory import peek

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A float lies in the low half of what a double takes, in registers and on the stack.
_TYPES: dict[int, type[ctypes.c_uint64 | ctypes.c_double]] = {
    protocol.INTEGER: ctypes.c_uint64,
    protocol.BYTES: ctypes.c_uint64,
    protocol.VECTOR: ctypes.c_double,
}
_PACKED = {protocol.INTEGER: Struct("<Q"), protocol.BYTES: Struct("<Q"), protocol.VECTOR: Struct("<d")}
_LONGEST_TEXT = 400


class Callbacks:
    """The callbacks that were made; none is freed, since a callee may keep its address.

    ``calls`` says how often each was called since it was last cleared. ``on_call`` is told of a callback, and of its
    arguments as CALLED_BACK has them; unless ``quiet`` is set.
    """

    def __init__(self, on_call: Callable[[tuple[int, int], bytes], None]) -> None:
        self._on_call = on_call
        self._made: list[object] = []
        self.calls: dict[tuple[int, int], int] = {}
        self.quiet = False

    def make(self, place: tuple[int, int], description: bytes) -> int:
        """The address of a new callback, by CALLBACK_RESULT and its parameters; ``place`` is its CALLBACK_PLACE."""
        kind, raw = protocol.CALLBACK_RESULT.unpack_from(description)
        kinds = description[protocol.CALLBACK_RESULT.size :]
        result: float = _PACKED[kind].unpack(raw)[0]

        def called(*values: float) -> float:
            calls = self.calls[place] = self.calls.get(place, 0) + 1
            if calls <= protocol.SHOWN_CALLBACKS and not self.quiet:
                self._on_call(place, _packed(kinds, values))
            return result

        # With use_errno, that of the callee is what it was when this returns.
        function = ctypes.CFUNCTYPE(_TYPES[kind], *[_TYPES[it] for it in kinds], use_errno=True)(called)
        self._made.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value or 0


def _packed(kinds: bytes, values: Sequence[float]) -> bytes:
    """The arguments of a call, each after its length, and texts with what they say."""
    packed = b""
    for kind, value in zip(kinds, values, strict=True):
        data = _PACKED[kind].pack(value)
        if kind == protocol.BYTES:
            data += peek(int(value), _LONGEST_TEXT)
        packed += protocol.CALLBACK_ARGUMENT.pack(len(data)) + data
    return packed
