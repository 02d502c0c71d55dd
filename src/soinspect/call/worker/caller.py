"""Calls a function with arguments given by class, through the thunk where there is one."""

from __future__ import annotations

import ctypes
from struct import Struct
from time import perf_counter

from . import protocol
from .thunk import Returned, make_thunk

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable

_WORD = Struct("<Q")
_CALLBACK_REGISTERS = 6
_NO_VECTOR = bytes(16)


class Caller:
    """Made once a process, before foreign code can interfere.

    ``on_callback`` is told of each call of a callback: the position of the argument, and the integer registers.
    """

    def __init__(self, on_callback: Callable[[int, tuple[int, ...]], None]) -> None:
        self._thunk = make_thunk()
        self._on_callback = on_callback
        self._callbacks: list[object] = []  # a callee may keep the address: they live as long as the process

    def call(
        self, address: int, arguments: tuple[tuple[int, int | bytes], ...], *, with_lock: bool
    ) -> tuple[Returned, int, float, list[tuple[int, bytes]]]:
        """Call the function at ``address``.

        ``with_lock`` keeps Python's interpreter lock during the call. The result: what returned, errno, the seconds
        it took, and for each argument of bytes its position and the bytes after the call.
        """
        buffers: dict[int, ctypes.Array[ctypes.c_char]] = {}
        words: list[tuple[int, int | bytes]] = []
        for position, (kind, value) in enumerate(arguments):
            if kind == protocol.BYTES and isinstance(value, bytes):
                buffers[position] = ctypes.create_string_buffer(value, max(1, len(value)))
                words.append((protocol.INTEGER, ctypes.addressof(buffers[position])))
            elif kind == protocol.CALLBACK and isinstance(value, int):
                words.append((protocol.INTEGER, self._callback(position, value)))
            else:
                words.append((kind, value))
        if self._thunk is None:
            returned, errno, seconds = _call_directly(address, words, with_lock=with_lock)
        else:
            self._place(address, words)
            start = self._thunk.start
            # ctypes keeps errno apart only for functions that release the lock.
            function = ctypes.PYFUNCTYPE(None)(start) if with_lock else ctypes.CFUNCTYPE(None, use_errno=True)(start)
            ctypes.set_errno(0)
            started = perf_counter()
            function()
            seconds = perf_counter() - started
            errno = ctypes.get_errno()
            returned = self._thunk.outcome()
        return returned, errno, seconds, [(position, buffer.raw) for position, buffer in buffers.items()]

    def _callback(self, position: int, value: int) -> int:
        def called(*registers: int) -> int:
            self._on_callback(position, registers)
            return value

        prototype = ctypes.CFUNCTYPE(ctypes.c_uint64, *[ctypes.c_uint64] * _CALLBACK_REGISTERS)
        function = prototype(called)
        self._callbacks.append(function)
        return ctypes.cast(function, ctypes.c_void_p).value or 0

    def _place(self, address: int, words: list[tuple[int, int | bytes]]) -> None:
        """Distribute the arguments: registers of their class as long as there are some, then the stack."""
        thunk = self._thunk
        assert thunk is not None  # noqa: S101
        integers: list[int] = []
        vectors: list[bytes] = []
        stack = b""
        for kind, value in words:
            if isinstance(value, bytes):
                if kind == protocol.VECTOR and len(vectors) < thunk.vector_registers:
                    vectors.append(value)
                else:
                    stack += value
            elif len(integers) < thunk.integer_registers:
                integers.append(value)
            else:
                stack += _WORD.pack(value)
        thunk.prepare(address, integers, vectors, stack)


def _call_directly(
    address: int, words: list[tuple[int, int | bytes]], *, with_lock: bool
) -> tuple[Returned, int, float]:
    """Without a thunk: only the integer return register is known, and nothing is checked."""
    values = [
        ctypes.c_uint64(value) if isinstance(value, int) else ctypes.c_double.from_buffer_copy(value)
        for _, value in words
    ]
    if with_lock:
        function = ctypes.PYFUNCTYPE(ctypes.c_uint64)(address)
    else:
        function = ctypes.CFUNCTYPE(ctypes.c_uint64, use_errno=True)(address)
    ctypes.set_errno(0)
    started = perf_counter()
    value = function(*values)
    seconds = perf_counter() - started
    return Returned((value, 0), (_NO_VECTOR, _NO_VECTOR), None), ctypes.get_errno(), seconds
