"""The worker's life: take the request, confine itself, load, carry out the actions, unload, leave."""

from __future__ import annotations

import ctypes
import os
from time import perf_counter

from . import protocol
from .caller import Caller
from .limits import limit
from .memory import Guarded, linked, map_pages, peek, places
from .protocol import Action, Request
from .sandbox import build_walls

_RTLD_LAZY = 1
_RTLD_NOW = 2
_RTLD_NOLOAD = 4
_NEW_NAMESPACE = -1
_POINTED_TO = 4096
_HIGHEST_FD = 4096
_FLUSH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)

TYPE_CHECKING = False  # the typing module costs milliseconds; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable


class _Log:
    """The worker's side of the log.

    Each event writes the whole log again, from a private copy: a callee that overwrote it destroys only what it
    does not outlive.
    """

    def __init__(self) -> None:
        self._start = map_pages(protocol.LOG_SIZE + protocol.SCENE_SIZE, protocol.LOG_FD)
        self._events = b""
        self._owner = os.getpid()

    @property
    def scene(self) -> int:
        """The address of the scene."""
        return self._start + protocol.LOG_SIZE

    def write(self, kind: int, action: int = 0, payload: bytes = b"") -> None:
        if os.getpid() != self._owner:
            os._exit(0)  # a child that the callee forked came back from the call; the answer is its parent's
        events = self._events + protocol.EVENT.pack(kind, action, len(payload)) + payload
        if protocol.COMMITTED.size + len(events) > protocol.LOG_SIZE:
            return
        self._events = events
        ctypes.memmove(self._start + protocol.COMMITTED.size, events, len(events))
        ctypes.memmove(self._start, protocol.COMMITTED.pack(len(events)), protocol.COMMITTED.size)


class _Loader:
    """dlopen and its family, called directly: ctypes' own way in knows neither RTLD_LAZY nor dlvsym.

    With ``namespace``, all that is opened lies in link maps of its own, beside those of the process.
    """

    def __init__(self, *, namespace: bool) -> None:
        libc = ctypes.CDLL(None)
        self.namespace = namespace
        self._dlmopen = getattr(libc, "dlmopen", None) if namespace else None  # musl has none
        self._dlopen, self._dlsym, self._dlvsym = libc.dlopen, libc.dlsym, libc.dlvsym
        self._dlclose, self._dlerror = libc.dlclose, libc.dlerror
        self._flush: Callable[[None], int] | None = _FLUSH(("fflush", libc))
        self._dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
        self._dlsym.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
        self._dlvsym.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
        self._dlclose.argtypes = (ctypes.c_void_p,)
        if self._dlmopen:
            self._dlmopen.argtypes = (ctypes.c_long, ctypes.c_char_p, ctypes.c_int)
            self._dlmopen.restype = ctypes.c_void_p
        for function in (self._dlopen, self._dlsym, self._dlvsym):
            function.restype = ctypes.c_void_p
        self._dlerror.restype = ctypes.c_char_p
        self.handle: int | None = None

    def open(self, path: bytes, mode: int) -> bool:
        if self.namespace and not self._dlmopen:
            return False
        self.handle = self._dlmopen(_NEW_NAMESPACE, path, mode) if self._dlmopen else self._dlopen(path, mode)
        if self.handle and self._dlmopen:  # it has a C library of its own, whose buffers are to be written out
            flush = self._dlsym(self.handle, b"fflush")
            self._flush = _FLUSH(flush) if flush else None
        return self.handle is not None

    def base(self) -> int:
        """The load address: the first field of the link map that the handle points to."""
        return ctypes.c_uint64.from_address(self.handle or 0).value

    def find(self, name: bytes, version: bytes | None) -> int | None:
        if version is None:
            address: int | None = self._dlsym(self.handle, name)
        else:
            address = self._dlvsym(self.handle, name, version)
        return address

    def close(self) -> None:
        self._dlclose(self.handle)

    def error(self) -> bytes:
        if self.namespace and not self._dlmopen:
            return b"this C library has no dlmopen: leave --namespace out"
        text: bytes | None = self._dlerror()
        return text or b"the dynamic linker gives no reason"

    def flush(self) -> None:
        """Write out what the callee left in the buffers of C's stdio."""
        if self._flush:
            self._flush(None)


def main() -> None:
    """Run the request that waits on REQUEST_FD."""
    with os.fdopen(protocol.REQUEST_FD, "rb") as pipe:
        request = Request.unpack(pipe.read())
    log = _Log()
    os.closerange(protocol.REQUEST_FD, _HIGHEST_FD)
    loader = _Loader(namespace=request.namespace)
    current = 0  # the action that is going on
    caller = Caller(
        lambda callback, arguments: log.write(
            protocol.CALLED_BACK, current, protocol.CALLBACK_PLACE.pack(*callback) + arguments
        )
    )
    os.chdir(request.folder)
    if request.sandbox and not _confined(log, request):
        os._exit(0)
    limit(request.parent, request.cpu_seconds, request.memory)
    if request.untraced:
        from .faults import record_faults

        record_faults(log.scene)
    log.write(protocol.READY)
    if _load(loader, log, request.path, _RTLD_LAZY if request.lazy else _RTLD_NOW):
        for index, action in enumerate(request.actions):
            current = index
            _act(loader, caller, log, index, action)
        _unload(loader, log)
    log.write(protocol.DONE)
    os._exit(0)


def _confined(log: _Log, request: Request) -> bool:
    """Build the sandbox; False when it has gaps and must not."""
    standing, missing = build_walls(writable=request.writable, network=request.network, processes=request.processes)
    for wall in standing:
        log.write(protocol.WALL, payload=wall.encode())
    for wall in missing:
        log.write(protocol.NO_WALL, payload=wall.encode())
    return not (missing and request.strict)


def _load(loader: _Loader, log: _Log, path: bytes, mode: int) -> bool:
    if not loader.namespace and loader.open(path, _RTLD_LAZY | _RTLD_NOLOAD):
        log.write(protocol.NOTE, payload=b"the Python that hosts the call had loaded it before: constructors ran then")
    log.write(protocol.LOADING)
    started = perf_counter()
    opened = loader.open(path, mode)
    if not opened:
        reason = loader.error()
        if b"undefined symbol" in reason:
            opened = loader.open(path, _RTLD_LAZY)
        if not opened:
            log.write(protocol.LOAD_FAILED, payload=reason)
            return False
        log.write(protocol.NOTE, payload=b"loads only when functions are bound lazily (RTLD_LAZY): " + reason)
    seconds = perf_counter() - started
    loader.flush()
    log.write(protocol.LOADED, payload=protocol.LOADED_PAYLOAD.pack(loader.base(), seconds))
    return True


def _act(loader: _Loader, caller: Caller, log: _Log, index: int, action: Action) -> None:
    address = loader.find(action.name, action.version) if action.name else loader.base() + action.offset
    if address is None:
        log.write(protocol.NO_SYMBOL, index, loader.error())
        return
    log.write(protocol.BEGUN, index)
    if action.kind == protocol.READ:
        contents = peek(address, action.size)
        _follow(log, index, action, contents)
        log.write(protocol.CONTENTS, index, protocol.CONTENTS_PAYLOAD.pack(address) + contents)
    elif action.kind == protocol.ASSIGN:
        data = linked(action.data, places(action.pointers))
        ctypes.memmove(address, data, len(data))
        log.write(protocol.ASSIGNED, index)
    else:
        _call(caller, log, index, action, address)
        loader.flush()


def _call(caller: Caller, log: _Log, index: int, action: Action, address: int) -> None:
    with_lock = action.kind == protocol.CALL_WITH_INTERPRETER_LOCK
    arguments = caller.place(index, action.arguments)
    for position, place in arguments.places:
        log.write(protocol.PLACED, index, protocol.PLACED_PAYLOAD.pack(position, place.address, place.size))
    result = Guarded(action.result_room) if action.result_room else None
    times = []
    for number in range(action.repeat):
        caller.callbacks.calls.clear()
        caller.callbacks.quiet = number < action.repeat - 1
        returned, errno, seconds = caller.call(address, arguments, result, with_lock=with_lock)
        times.append(seconds)
        if returned.violations:
            break
    if action.repeat > 1:
        times.sort()
        log.write(protocol.TIMED, index, protocol.TIMED_PAYLOAD.pack(len(times), times[len(times) // 2], times[0]))
    if returned.violations is not None:
        log.write(protocol.CONVENTION, index, "\n".join(returned.violations).encode())
    for callback, calls in list(caller.callbacks.calls.items()):  # threads of the library may go on calling
        log.write(protocol.CALLBACK_CALLS, index, protocol.CALLBACK_CALLS_PAYLOAD.pack(*callback, calls))
    for position, place in arguments.places:
        if place.changed:
            log.write(protocol.BUFFER, index, protocol.BUFFER_PAYLOAD.pack(position) + place.contents())
        if any(place.overrun()):
            log.write(protocol.OVERRUN, index, protocol.OVERRUN_PAYLOAD.pack(position, *place.overrun()))
    contents = result.contents() if result else b""
    _follow(log, index, action, contents or protocol.RETURNED_INTEGERS.pack(*returned.integers))
    payload = protocol.RETURNED_PAYLOAD.pack(*returned.integers, *returned.vectors, errno, seconds)
    log.write(protocol.RETURNED, index, payload + contents)


def _follow(log: _Log, index: int, action: Action, image: bytes) -> None:
    """Tell what the pointers in ``image`` lead to."""
    for offset in action.followed:
        target = int.from_bytes(image[offset : offset + 8], "little")
        log.write(protocol.FOLLOWED, index, protocol.FOLLOWED_PAYLOAD.pack(offset) + peek(target, _POINTED_TO))


def _unload(loader: _Loader, log: _Log) -> None:
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208  (pathlib is slow)
    if threads > 1:
        log.write(protocol.NOTE, payload=b"not unloaded: %d threads of the library still run" % (threads - 1))
        return
    log.write(protocol.UNLOADING)
    loader.close()
    loader.flush()
