"""Start the worker, watch it to its end, and leave nothing of it behind.

The worker starts before it is known what it is to do: its Python takes longer to start than the rest of a call.
Everything happens in one thread made for it: ptrace ties a process to the thread that traces it, and waiting for the
children of this thread alone never touches those of the program that soinspect is part of.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path
from threading import Event

from soinspect.calling import ptrace, stopped
from soinspect.calling.channels import OUTPUT_KILL, Output, sealed_memory, write_all
from soinspect.calling.descendants import MOST_PROCESSES, bearers, kill_bearers
from soinspect.calling.journal import read_journal
from soinspect.calling.stopped import Stopped, read_scene
from soinspect.calling.worker import protocol
from soinspect.errors import CannotRun
from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass

_WORKER = Path(__file__).parent / "worker" / "__main__.py"
_THREADS = 1024
_PAUSE = 0.001
# The kernel's reports are asked for after a hundredth of the time that the call has taken so far, within these bounds:
# most calls take milliseconds.
_SHARE, _SHORT_PAUSE, _LONG_PAUSE = 0.01, 0.0001, 0.01
_GRACE = 2.0  # seconds that the kernel gets to stop a thread, and to bury the killed
_BETWEEN_COUNTS = 0.1  # seconds, of processes that are not traced
_REPORTS = 200  # taken in one go before limits are looked at again
# Signals whose default is to stop a process; nobody would be there to continue it.
_STOPPING = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_HARMLESS = frozenset({signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}) | _STOPPING


class End(Enum):
    """Why the watch ended; the values finish the sentence "the process ..."."""

    EXITED = "ended by itself"
    SIGNALLED = "was killed by a signal"
    TIMED_OUT = "was stopped at the time limit"
    TOO_MUCH_OUTPUT = "was stopped because it printed too much"
    TOO_MANY_PROCESSES = "was stopped because it started too many processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Everything seen of the worker.

    ``status`` is its exit code (EXITED) or the signal's number (SIGNALLED), else 0. ``last`` is where it was
    when it died, exited or was stopped. ``log`` is what it wrote to the shared memory.
    ``processes`` counts all that it started, itself included; ``left_behind`` those that outlived it and were
    killed. ``traced`` tells that it was watched through ptrace.
    """

    end: End
    status: int
    last: Stopped | Absent
    log: bytes
    stdout: bytes
    stderr: bytes
    truncated: bool
    left_behind: int
    processes: int
    traced: bool


@contextmanager
def started_worker(
    *, timeout: float, kept_output: int, environment: dict[str, str]
) -> Iterator[Callable[[protocol.Request], Watched]]:
    """A worker that waits for its request: what is given runs it until it ends or ``timeout`` seconds are over.

    :raises CannotRun: no worker could be started.
    """
    watch = _Watch(timeout, kept_output, environment)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="soinspect-monitor") as monitor:
        try:
            monitor.submit(watch.start).result()
            yield lambda request: monitor.submit(watch.run, request).result()
        finally:
            watch.cancelled.set()  # Ctrl-C comes here
            monitor.submit(watch.end).result()


class _Watch:
    """One worker and its descendants, from start to burial."""

    def __init__(self, timeout: float, kept_output: int, environment: dict[str, str]) -> None:
        self.cancelled = Event()
        self._timeout = timeout
        self._environment = environment
        self._mark = b"SOINSPECT_CALL=" + os.urandom(8).hex().encode()
        self._fds: list[int] = []
        self._stdout = Output(-1, kept_output)
        self._stderr = Output(-1, kept_output)
        self._log = -1
        self._request_pipe = -1
        self._main = 0
        self._may_fork = False
        self._traced = False
        self._tasks: dict[int, int] = {}  # every living thread: its id, and the id of its process
        self._started = 1
        self._status: int | None = None  # wait status of the worker once it is gone
        self._announced = 0  # the same, announced by the kernel when it began to go
        self._fatal: Stopped | None = None
        self._parting: Stopped | None = None
        self._stopped_by: End | None = None

    # -- start ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker, which does nothing before it has read its request: it is traced by then."""
        out_read, out_write = self._pipe()
        err_read, err_write = self._pipe()
        request_read, self._request_pipe = self._pipe()
        null = self._own(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        self._log = self._own(sealed_memory(protocol.LOG_SIZE + protocol.SCENE_SIZE))
        files = ((null, 0), (out_write, 1), (err_write, 2), (request_read, protocol.REQUEST_FD),
                 (self._log, protocol.LOG_FD))  # fmt: skip
        try:
            self._main = os.posix_spawn(
                sys.executable or "python3",
                [sys.executable, "-I", "-S", "-E", str(_WORKER), "program"],
                {os.fsencode(name): os.fsencode(value) for name, value in self._environment.items()}
                | dict([self._mark.split(b"=")]),
                file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for ours, theirs in files],
                setsid=True,
                setsigmask=(),
                setsigdef=tuple(s for s in signal.valid_signals() if s not in (signal.SIGKILL, signal.SIGSTOP)),
            )
        except OSError as error:
            raise CannotRun(
                f"the worker process could not be started: {error.strerror}",
                "run soinspect with an ordinary Python interpreter",
            ) from None
        for fd in (out_write, err_write, request_read):
            self._close(fd)
        self._tasks[self._main] = self._main
        self._attach()
        self._stdout.fd, self._stderr.fd = out_read, err_read
        for fd in (out_read, err_read):
            os.set_blocking(fd, False)

    def _attach(self) -> None:
        if not ptrace.supported():
            return
        with suppress(OSError):  # refused, or, as in emulators and some containers, not there at all
            ptrace.seize(self._main)
            self._traced = True

    def _own(self, fd: int) -> int:
        """Keep ``fd`` out of the way of 0 to LOG_FD, which dup2 fills in turn, and close it at the end."""
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, protocol.LOG_FD + 1)
        os.close(fd)
        self._fds.append(high)
        return high

    def _pipe(self) -> tuple[int, int]:
        read, write = os.pipe()
        return self._own(read), self._own(write)

    def _close(self, fd: int) -> None:
        self._fds.remove(fd)
        os.close(fd)

    # -- watch ---------------------------------------------------------------------------------------------

    def run(self, request: protocol.Request) -> Watched:
        """Give the worker its request, and see it through to its end."""
        request.untraced = not self._traced
        self._may_fork = not request.sandbox or request.processes
        with suppress(BrokenPipeError):  # it is gone already; the watch will find out how
            write_all(self._request_pipe, request.pack())
        self._close(self._request_pipe)
        self._watch()
        left_behind = len(self._processes - {self._main})
        if not self._traced:
            left_behind += self._kill_untraced()
        self._bury()
        for output in (self._stdout, self._stderr):
            output.drain()
        return self._answer(left_behind)

    def _watch(self) -> None:
        """Until the worker is gone, or a limit is reached."""
        started = counted = time.monotonic()
        poll = select.poll()
        for output in (self._stdout, self._stderr):
            poll.register(output.fd, select.POLLIN)
        while not self._over:
            busy = self._reap_some()
            elapsed = time.monotonic() - started
            if elapsed > self._timeout or self.cancelled.is_set():
                self._stop_at_limit()
                return
            if not self._traced and self._may_fork and time.monotonic() > counted + _BETWEEN_COUNTS:
                if len(bearers(self._mark)) > MOST_PROCESSES:
                    self._stopped_by = End.TOO_MANY_PROCESSES
                    return
                counted = time.monotonic()
            pause = 0 if busy else min(max(_SHORT_PAUSE, _SHARE * elapsed), _LONG_PAUSE)
            if pause < _PAUSE:  # finer than poll counts
                time.sleep(pause)
                pause = 0
            for fd, _ in poll.poll(1000 * pause):
                output = self._stdout if fd == self._stdout.fd else self._stderr
                if not output.drain():
                    poll.unregister(fd)
                if output.total > OUTPUT_KILL:
                    self._stopped_by = End.TOO_MUCH_OUTPUT

    @property
    def _over(self) -> bool:
        return self._status is not None or self._stopped_by is not None

    @property
    def _processes(self) -> set[int]:
        return set(self._tasks.values())

    def _reap_some(self) -> bool:
        """Take what children and tracees report now; True when there may be more."""
        return all(self._reap() for _ in range(_REPORTS))

    def _reap(self) -> bool:
        """Take one report of a child or tracee and let it run on; False when there is none now."""
        try:
            task, status = os.waitpid(-1, os.WNOHANG | ptrace.WALL_OWN | (0 if self._traced else os.WUNTRACED))
        except ChildProcessError:
            # Nobody is left. If the worker was not reported, this program ignores SIGCHLD.
            if self._status is None:
                self._status = self._announced
            self._tasks.clear()
            return False
        if task == 0:
            return False
        if os.WIFSTOPPED(status):
            with suppress(ProcessLookupError):  # killed while it was stopped; its end will be reported
                self._stopped(task, status)
            return True
        self._tasks.pop(task, None)
        if task == self._main:
            self._status = status
        return True

    def _stopped(self, task: int, status: int) -> None:
        if not self._traced:
            os.kill(task, signal.SIGCONT)
            return
        number, event = os.WSTOPSIG(status), status >> 16
        if task not in self._tasks and not self._admit(task):
            return
        if event in ptrace.BIRTHS:
            # Known from now on, even if its own first stop is reported after the end of its parent.
            self._admit(ptrace.event_message(task))
        ours = self._tasks[task] == self._main
        if event == ptrace.EVENT_EXIT:
            if task == self._main:
                self._announced = ptrace.event_message(task)
            if ours and self._parting is None and not self._done:
                self._parting = stopped.take(task, None)
            ptrace.resume(task)
        elif self._stopped_by is End.TOO_MANY_PROCESSES:
            return
        elif event or number in _STOPPING:
            ptrace.resume(task)
        else:
            if ours and number not in _HARMLESS and not stopped.handles(task, number):
                self._fatal = stopped.take(task, ptrace.signal_info(task))
            ptrace.resume(task, number)

    @property
    def _done(self) -> bool:
        """Whether the worker has said all: nobody will ask where it was then, and to look costs half a millisecond."""
        return read_journal(self._written).first(protocol.DONE) is not None

    @property
    def _written(self) -> bytes:
        """The log as far as it says that it is filled: a hundredth of it, mostly."""
        (length,) = protocol.COMMITTED.unpack(os.pread(self._log, protocol.COMMITTED.size, 0))
        return os.pread(self._log, min(protocol.COMMITTED.size + length, protocol.LOG_SIZE), 0)

    def _admit(self, task: int) -> bool:
        """Count a new thread or process; False for one too many, which stays stopped and cannot multiply."""
        if task in self._tasks:
            return True
        process = stopped.process_of(task)
        if process == task:
            self._started += 1
        self._tasks[task] = process
        if len(self._processes) <= MOST_PROCESSES and len(self._tasks) <= _THREADS:
            return True
        self._stopped_by = End.TOO_MANY_PROCESSES
        return False

    def _stop_at_limit(self) -> None:
        """The time is over: see where the worker is."""
        self._stopped_by = End.TIMED_OUT
        if not self._traced:
            with suppress(ProcessLookupError):
                os.kill(self._main, signal.SIGQUIT)  # its handler writes down where it is
            self._await_scene()
            return
        deadline = time.monotonic() + _GRACE
        with suppress(ProcessLookupError, ChildProcessError):  # gone in this moment
            ptrace.interrupt(self._main)
            while time.monotonic() < deadline:
                task, status = os.waitpid(self._main, os.WNOHANG | ptrace.WALL_OWN)
                if task:
                    if os.WIFSTOPPED(status):
                        self._parting = stopped.take(task, None)
                    else:
                        self._tasks.pop(task, None)
                    return
                time.sleep(_PAUSE)

    def _await_scene(self) -> None:
        """Give the worker a moment to write down where it is, unless it blocks signals."""
        deadline = time.monotonic() + _GRACE / 4
        while self._status is None and time.monotonic() < deadline:
            self._reap_some()
            time.sleep(_PAUSE)

    # -- end -----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Leave nothing behind, whether the worker was given a request or not."""
        self._bury()
        for fd in self._fds:
            os.close(fd)

    def _kill_untraced(self) -> int:
        """Without ptrace: kill every process that still carries our mark in its environment; how many more."""
        if self._status is None:
            with suppress(ProcessLookupError):
                os.killpg(self._main, signal.SIGKILL)  # all at once, before they multiply
        return len(kill_bearers(self._mark) - {self._main})

    def _bury(self) -> None:
        """Kill all that is left and wait until the kernel has taken it away, for a bounded time."""
        deadline = time.monotonic() + _GRACE
        while self._tasks and time.monotonic() < deadline:
            for process in self._processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._reap_some()
            if self._tasks:
                time.sleep(_PAUSE)

    def _answer(self, left_behind: int) -> Watched:
        end, status = self._stopped_by, 0
        if end is None and self._status is not None:
            if os.WIFSIGNALED(self._status):
                end, status = End.SIGNALLED, os.WTERMSIG(self._status)
            else:
                end, status = End.EXITED, os.WEXITSTATUS(self._status)
        scene = None if self._traced else read_scene(os.pread(self._log, protocol.SCENE_SIZE, protocol.LOG_SIZE))
        last = self._parting
        if scene and end is End.TIMED_OUT:
            last = replace(scene, signal=None)  # the signal was ours
        fatal = self._fatal or scene
        if end is End.SIGNALLED and fatal and fatal.signal and fatal.signal.number == status:
            last = fatal
        return Watched(
            end=end or End.EXITED,
            status=status,
            last=last or Absent(self._unobserved()),
            log=self._written,
            stdout=bytes(self._stdout.kept),
            stderr=bytes(self._stderr.kept),
            truncated=any(o.total > o.limit for o in (self._stdout, self._stderr)),
            left_behind=left_behind,
            processes=self._started,
            traced=self._traced,
        )

    def _unobserved(self) -> str:
        if self._traced:
            return "it died before it could be stopped"
        if not ptrace.supported():
            return f"processes are not observed on {os.uname().machine}"
        return "ptrace is not to be had here"
