"""The Go host as a child process: started, listened to, ended in time, and nothing of it left behind.

What the child writes is hostile: the plugin runs in the same process and can write to every descriptor.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from soinspect.calling.descendants import MOST_PROCESSES, bearers, kill_bearers
from soinspect.errors import CannotRun
from soinspect.model.calling import CallLimits, CallValue, Sandbox

_CHUNK = 1 << 16
_EVENT_BYTES = 8 << 20
_AFTER_QUIT = 2.0  # seconds for the goroutine dump that SIGQUIT asks for
_MARK = "SOINSPECT_CALL"
_BETWEEN_COUNTS = 0.1  # seconds, where processes may be started
_WORKER = Path(__file__).parent / "worker" / "__main__.py"
_LAUNCHER_EVENTS = _WALL, _NO_WALL, _NOT_STARTED = "wall", "no-wall", "not-started"
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent:
    """One line from the host; ``step`` is -1 while the plugin is being opened. Fields as in its source.

    ``raw`` are values as they lie in memory, None for a nil error: the preloaded host does not know types.
    """

    name: str
    step: int
    reason: str
    type: str
    values: tuple[CallValue, ...]
    changed: tuple[CallValue, ...]
    nanoseconds: int
    goroutines: int
    state: int
    stack: str
    raw: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRun:
    """How a run of the host went.

    ``returncode`` as in :mod:`subprocess`; ``timed_out`` and ``too_many_processes`` tell why we ended it.
    ``left_behind`` counts processes of the plugin that were still there afterwards, and were killed. ``walls`` of the
    sandbox stood, ``missing`` ones could not be had.
    """

    events: tuple[HostEvent, ...]
    returncode: int
    timed_out: bool
    too_many_processes: bool
    left_behind: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    walls: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Kept:
    """The beginning and the end of a stream, ``limit`` bytes in all."""

    limit: int
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    lost: int = 0

    def add(self, data: bytes) -> None:
        room = self.limit // 2 - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        excess = len(self.tail) - (self.limit - self.limit // 2)
        if excess > 0:
            self.lost += excess
            del self.tail[:excess]

    def text(self) -> bytes:
        cut = b"\n[... %d bytes left out ...]\n" % self.lost if self.lost else b""
        return bytes(self.head + cut + self.tail)


def run_child(
    executable: Path, request: bytes, variables: Mapping[str, str], limits: CallLimits, sandbox: Sandbox
) -> ChildRun:
    """Run the host with a request until it ends or the time is up; no process of it survives.

    :raises OSError: the host cannot be started.
    :raises CannotRun: the sandbox has a gap, and must not.
    """
    ours, theirs = socket.socketpair()
    mark = secrets.token_hex(16)
    marked = f"{_MARK}={mark}".encode()
    with ours, tempfile.TemporaryDirectory(prefix="soinspect-") as folder:
        with theirs:
            environment = {**variables, "SOINSPECT_FD": str(theirs.fileno()), _MARK: mark}
            command = [str(executable)]
            if sandbox.on:
                environment["TMPDIR"] = folder
                # The launcher is a Python, which is not to be preloaded with what is for the host.
                preload = {name: environment.pop(name) for name in ("LD_PRELOAD",) if name in environment}
                command = _launcher(str(executable), folder, preload, limits, sandbox)
            child = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            with child:
                run = _listen(child, ours, request, marked, limits, may_fork=not sandbox.on or sandbox.processes)
        finally:
            _end(child, marked)
    return _without_launcher(run, sandbox)


def _launcher(
    program: str, folder: str, variables: Mapping[str, str], limits: CallLimits, sandbox: Sandbox
) -> list[str]:
    """The command that starts the program inside of the sandbox, with ``variables`` added to its environment."""
    asked = {
        "program": program,
        "variables": variables,
        "parent": os.getpid(),
        "writable": [os.path.realpath(path) for path in (folder, *sandbox.writable)],
        "network": sandbox.network,
        "processes": sandbox.processes,
        "strict": sandbox.strict,
        # All threads count together.
        "cpu_seconds": math.ceil(limits.timeout + _AFTER_QUIT + 1) * (os.cpu_count() or 1),
        "memory": limits.memory,
    }
    return [sys.executable, "-I", "-S", "-E", str(_WORKER), "launch", json.dumps(asked)]


def _without_launcher(run: ChildRun, sandbox: Sandbox) -> ChildRun:
    """The run with what the launcher told, in the first events, where it belongs."""
    told = list(itertools.takewhile(lambda event: event.name in _LAUNCHER_EVENTS, run.events if sandbox.on else ()))
    for event in told:
        if event.name == _NOT_STARTED:
            number = int(event.reason)
            raise OSError(number, os.strerror(number))
    missing = tuple(event.reason for event in told if event.name == _NO_WALL)
    if missing and sandbox.strict:
        raise CannotRun(f"the sandbox would have a gap: {missing[0]}", "leave out --strict, or use --no-sandbox")
    walls = tuple(event.reason for event in told if event.name == _WALL)
    return replace(run, events=run.events[len(told) :], walls=walls, missing=missing)


def _listen(
    child: subprocess.Popen[bytes],
    channel: socket.socket,
    request: bytes,
    mark: bytes,
    limits: CallLimits,
    *,
    may_fork: bool,
) -> ChildRun:
    assert child.stdout is not None  # noqa: S101
    assert child.stderr is not None  # noqa: S101
    kept = {
        child.stdout.fileno(): _Kept(limits.output),
        child.stderr.fileno(): _Kept(limits.output),
        channel.fileno(): _Kept(2 * _EVENT_BYTES),
    }
    deadline = time.monotonic() + limits.timeout
    timed_out = too_many = False
    longest_wait = _BETWEEN_COUNTS if may_fork else limits.timeout
    exit_watch = os.pidfd_open(child.pid)
    try:
        with selectors.DefaultSelector() as selector:
            for descriptor in kept:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            selector.register(exit_watch, selectors.EVENT_READ)
            _send(channel, request, deadline)
            while True:
                ready = [key.fd for key, _ in selector.select(min(longest_wait, max(0.0, deadline - time.monotonic())))]
                for descriptor in ready:
                    if descriptor in kept and not _drain(descriptor, kept[descriptor]):
                        selector.unregister(descriptor)
                if exit_watch in ready:
                    break
                if may_fork and len(bearers(mark)) > MOST_PROCESSES:
                    too_many = True
                    break
                if time.monotonic() >= deadline:
                    child.send_signal(signal.SIGKILL if timed_out else signal.SIGQUIT)
                    deadline = time.monotonic() + _AFTER_QUIT
                    timed_out = True
    finally:
        os.close(exit_watch)
    left_behind = _end(child, mark)
    for descriptor, stream in kept.items():
        while _drain(descriptor, stream):
            pass
    out, err, events = kept.values()
    return ChildRun(
        events=_parse(events.head),
        returncode=child.returncode,
        timed_out=timed_out,
        too_many_processes=too_many,
        left_behind=left_behind,
        stdout=out.text(),
        stderr=err.text(),
        truncated=bool(out.lost or err.lost),
        walls=(),
        missing=(),
    )


def _send(channel: socket.socket, request: bytes, deadline: float) -> None:
    """Hand over the request; the host reads it before it does anything else."""
    channel.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        channel.sendall(request)
        channel.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it died already: its exit status and stderr tell
    channel.settimeout(0)


def _drain(descriptor: int, stream: _Kept) -> bool:
    """Read once without waiting; False when there is nothing now, or never again."""
    try:
        data = os.read(descriptor, _CHUNK)
    except OSError:
        return False
    stream.add(data)
    return bool(data)


def _end(child: subprocess.Popen[bytes], mark: bytes) -> int:
    """Kill the host if it lives, and whatever the plugin started; how many of those were left behind.

    All are known by the mark in their environment; processes that cleared it by their group. The group dies before
    its leader is reaped: until then nobody else can have that number.
    """
    found: set[int] = set()
    if child.returncode is None:
        found.update(process for process in bearers(mark) if process != child.pid)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return len(found | kill_bearers(mark))


# -- events --------------------------------------------------------------------------------------------------


def _parse(data: bytearray) -> tuple[HostEvent, ...]:
    """The events up to the first line that is none."""
    events = []
    for line in bytes(data).split(b"\n")[:-1]:
        event = _event(line)
        if event is None:
            break
        events.append(event)
    return tuple(events)


def _event(line: bytes) -> HostEvent | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None

    def text(key: str) -> str:
        value = fields.get(key, "")
        return value if isinstance(value, str) else ""

    def number(key: str) -> int:
        value = fields.get(key, 0)
        return value if isinstance(value, int) and abs(value) < 1 << 63 else 0

    return HostEvent(
        name=text("event"),
        step=number("step"),
        reason=text("reason"),
        type=text("type"),
        values=_values(fields.get("values")),
        changed=_values(fields.get("changed")),
        nanoseconds=number("ns"),
        goroutines=number("goroutines"),
        state=number("state"),
        stack=text("stack"),
        raw=_raw(fields.get("raw")),
    )


def _raw(rows: object) -> tuple[bytes | None, ...]:
    if not isinstance(rows, list):
        return ()
    return tuple(bytes.fromhex(row) if isinstance(row, str) and _HEX.fullmatch(row) else None for row in rows)


def _values(rows: object) -> tuple[CallValue, ...]:
    if not isinstance(rows, list):
        return ()
    return tuple(
        CallValue(
            type=str(row.get("type", "")),
            dynamic=str(row.get("dynamic", "")),
            text=str(row.get("value", "")),
            cut=row.get("cut") is True,
            argument=row["argument"] if isinstance(row.get("argument"), int) else 0,
        )
        for row in rows
        if isinstance(row, dict)
    )
