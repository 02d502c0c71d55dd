"""Where batches are read: processes of this machine, a Dask cluster, or the calling process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import ParamSpec, TypeVar

from soinspect.errors import CannotRun
from soinspect.model.lateclass import dataclass

_CONNECT_SECONDS = 10

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """``start`` makes an executor with room for ``workers`` tasks at once; it is called again when one broke.

    ``losses`` are what a future holds when the worker that ran it died.
    """

    start: Callable[[], Executor]
    workers: int
    losses: tuple[type[BaseException], ...] = (BrokenExecutor,)


class _Caller(Executor):
    """Runs each task at once, in the calling thread."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: Future[_T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def in_process() -> Pool:
    """No other process: the simplest, and no protection from a file that exhausts the memory."""
    return Pool(start=_Caller, workers=1)


def processes(jobs: int) -> Pool:
    """``jobs`` processes of this machine, which end with the one that started them, however it ends."""
    # Forked, they have all they need, and the caller's main module is not run again; the scan itself has no threads.
    return Pool(start=partial(_Processes, jobs, get_context("fork"), _become_worker), workers=jobs)


# A signal that the terminal sends to all, or the caller alone gets, is for the caller to answer.
_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class _Processes(ProcessPoolExecutor):
    """Its processes, forked as the first task is submitted, never run the caller's signal handlers.

    Nor do its threads take signals, which inherit what is blocked as they start.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _become_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # noqa: S101
    parent.join()
    os._exit(1)


@contextmanager
def dask_cluster(address: str) -> Iterator[Pool]:
    """The workers of the Dask cluster whose scheduler is at ``address``; they must see the same files.

    :raises CannotRun: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise CannotRun("--dask needs Dask, which is not installed", "pip install 'soinspect[dask]'") from None
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = f"no Dask scheduler can be reached at {address}: {error}"
        raise CannotRun(reason, "start one: dask scheduler, then dask worker ADDRESS") from None
    with client:
        workers = sum(client.nthreads().values()) or 1
        yield Pool(start=lambda: client.get_executor(pure=False), workers=workers, losses=(KilledWorker,))
