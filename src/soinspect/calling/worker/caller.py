"""Calls a function with arguments given by class, through the thunk where there is one."""

from __future__ import annotations

import ctypes
from struct import Struct
from time import perf_counter

from . import protocol
from .callbacks import Callbacks
from .memory import linked, places
from .thunk import Returned, make_thunk

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable

    from .memory import Guarded, Place
    from .protocol import Argument

_WORD = Struct("<Q")
_NO_VECTOR = bytes(16)
_MEMBERS = {
    (protocol.VECTOR, 4): ctypes.c_float,
    (protocol.VECTOR, 8): ctypes.c_double,
    (protocol.ALIGNED, 16): ctypes.c_longdouble,
}
_IN_MEMORY = (protocol.BYTES, protocol.COPIED)
_ALIGNED = (protocol.ALIGNED, protocol.WIDE)


class Arguments:
    """The arguments of an action: their places in memory are made once, and filled anew before each call."""

    def __init__(self, arguments: tuple[Argument, ...], callback: Callable[[int, bytes], int]) -> None:
        self._words: list[tuple[int, int | bytes, list[tuple[int, Place]]]] = []
        self.places: list[tuple[int, Guarded]] = []  # with the positions of the arguments
        for position, (kind, value, pointers) in enumerate(arguments):
            if isinstance(value, bytes) and kind == protocol.CALLBACK:
                value = callback(position, value)
            if isinstance(value, int):
                self._words.append((kind, value, []))
                continue
            inner = places(((0, value, pointers),) if kind in _IN_MEMORY else pointers)
            self._words.append((kind, value, inner))
            if kind != protocol.COPIED:
                self.places += ((position, place.memory) for _, place in inner)

    def fill(self) -> list[tuple[int, int | bytes]]:
        """Set all memory to what it is before a call; the arguments as registers and the stack take them."""
        words: list[tuple[int, int | bytes]] = []
        for kind, value, inner in self._words:
            if kind in _IN_MEMORY:
                words.append((protocol.INTEGER, inner[0][1].fill()))
            elif isinstance(value, bytes):
                words.append((kind, linked(value, inner)))
            else:
                words.append((protocol.INTEGER, value))
        return words


class Caller:
    """Made once a process, before foreign code can interfere; ``on_callback`` is that of :class:`Callbacks`."""

    def __init__(self, on_callback: Callable[[tuple[int, int], bytes], None]) -> None:
        self._thunk = make_thunk()
        self.callbacks = Callbacks(on_callback)

    def place(self, action: int, arguments: tuple[Argument, ...]) -> Arguments:
        """Memory for the arguments of an action."""
        return Arguments(arguments, lambda position, value: self.callbacks.make((action, position), value))

    def call(
        self, address: int, arguments: Arguments, result: Guarded | None, *, with_lock: bool
    ) -> tuple[Returned, int, float]:
        """Call the function at ``address``, which writes its result to ``result`` if that is too large for registers.

        ``with_lock`` keeps Python's interpreter lock during the call. The result: what returned, errno, and the
        seconds it took.
        """
        words = arguments.fill()
        if result:
            result.fill(bytes(result.size))
        if self._thunk is None:
            first = [(protocol.INTEGER, result.address)] if result else []  # as on x86-64
            return _call_directly(address, [*first, *words], with_lock=with_lock)
        self._place(address, words, result)
        start = self._thunk.start
        # ctypes keeps errno apart only for functions that release the lock.
        function = ctypes.PYFUNCTYPE(None)(start) if with_lock else ctypes.CFUNCTYPE(None, use_errno=True)(start)
        ctypes.set_errno(0)
        started = perf_counter()
        function()
        seconds = perf_counter() - started
        errno = ctypes.get_errno()
        returned = self._thunk.outcome()
        if result and returned.violations is not None and self._thunk.has_lost(result.address, returned):
            returned.violations.append("the return register does not hold the address of the result")
        return returned, errno, seconds

    def _place(self, address: int, words: list[tuple[int, int | bytes]], result: Guarded | None) -> None:
        """Distribute the arguments: registers of their class as long as there are some, then the stack."""
        thunk = self._thunk
        assert thunk is not None  # noqa: S101
        integers = thunk.take_result(result.address) if result else []
        vectors: list[bytes] = []
        stack = b""
        for kind, value in words:
            if kind == protocol.PIECES and isinstance(value, bytes):
                pieces = list(protocol.PIECE.iter_unpack(value))
                whole = [int.from_bytes(data, "little") for kind, _, data in pieces if kind == protocol.INTEGER]
                floating = [data for kind, _, data in pieces if kind == protocol.VECTOR]
                if (
                    len(integers) + len(whole) <= thunk.integer_registers
                    and len(vectors) + len(floating) <= thunk.vector_registers
                ):
                    integers += whole
                    vectors += floating
                else:
                    stack += _in_memory(pieces)
                    if whole and not thunk.fills_up:
                        integers += [0] * (thunk.integer_registers - len(integers))
                    if floating and not thunk.fills_up:
                        vectors += [_NO_VECTOR[:8]] * (thunk.vector_registers - len(vectors))
            elif kind == protocol.WIDE and isinstance(value, bytes) and len(integers) + 2 <= thunk.integer_registers:
                integers += (word for (word,) in _WORD.iter_unpack(value))
            elif kind in _ALIGNED and isinstance(value, bytes):
                stack += bytes(-len(stack) % 16) + value
            elif isinstance(value, bytes):
                if kind == protocol.VECTOR and len(vectors) < thunk.vector_registers:
                    vectors.append(value)
                else:
                    stack += value
            elif len(integers) < thunk.integer_registers:
                integers.append(value)
            else:
                stack += _WORD.pack(value)
        thunk.prepare(address, integers, vectors, stack)


def _in_memory(pieces: list[tuple[int, int, bytes]]) -> bytes:
    """The structure that was cut into these pieces, padded to whole words."""
    data = b"".join(data[:size] for _, size, data in pieces)
    return data + bytes(-len(data) % _WORD.size)


def _call_directly(
    address: int, words: list[tuple[int, int | bytes]], *, with_lock: bool
) -> tuple[Returned, int, float]:
    """Without a thunk: only the integer return register is known, and nothing is checked."""
    values = [_direct(kind, value) for kind, value in words]
    if with_lock:
        function = ctypes.PYFUNCTYPE(ctypes.c_uint64)(address)
    else:
        function = ctypes.CFUNCTYPE(ctypes.c_uint64, use_errno=True)(address)
    ctypes.set_errno(0)
    started = perf_counter()
    value = function(*values)
    seconds = perf_counter() - started
    return Returned((value, 0), (_NO_VECTOR,) * 4, None), ctypes.get_errno(), seconds


def _direct(kind: int, value: int | bytes) -> ctypes.c_uint64 | ctypes.c_double | ctypes.Structure:
    """An argument as ctypes passes it; a structure as another one whose parts are of the same classes."""
    if isinstance(value, int):
        return ctypes.c_uint64(value)
    if kind == protocol.VECTOR:
        return ctypes.c_double.from_buffer_copy(value)
    size = 16 if kind == protocol.ALIGNED else _WORD.size
    words = [(kind, size, value[at : at + size]) for at in range(0, len(value), size)]
    pieces = list(protocol.PIECE.iter_unpack(value)) if kind == protocol.PIECES else words

    class Pieces(ctypes.Structure):
        _fields_ = [
            (f"piece{i}", _MEMBERS.get((kind, size), ctypes.c_uint64)) for i, (kind, size, _) in enumerate(pieces)
        ]

    return Pieces.from_buffer_copy(_in_memory(pieces))
