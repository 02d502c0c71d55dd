"""Watches a scan go by: counts what it finds, tells what cannot be read, shows how far it is, and ends it on Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Self

from soinspect.model.image import ObjectKind
from soinspect.model.scan import Scanned, ScanRow, ScanTotals
from soinspect.model.texts import count
from soinspect.render.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress


_SECONDS_A_FRAME = 0.1
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WITHOUT_BAR = "\r\x1b[2K\x1b[?25h"  # its line is cleared, and the cursor shown that it hides


class Watch:
    """Counts the answers of a scan as they pass; a context manager for the progress bar.

    ``tell`` prints errors on standard error, for answers that have no room for them.
    """

    def __init__(self, *, tell: bool) -> None:
        self._tell = tell
        self._kinds: Counter[ObjectKind] = Counter()
        self._plugin_kinds: Counter[str] = Counter()
        self._passed = self._copies = self._errors = 0
        self._total: int | None = None
        self._progress: Progress | None = None
        self._drawn = 0.0

    def end_on_signals(self, cache: str | None) -> None:
        """From now on, Ctrl-C, SIGTERM and SIGHUP end the process at once, with a line that says how far it came.

        Nothing is unwound: an exception may be raised anywhere, also while a lock of the pool is held that cleaning up
        would wait for. There is nothing to clean up: the workers see that they are alone, temporary files have no
        names, and the cache is a database.
        """
        resume = f"run again to go on from {cache}" if cache else "with --cache FILE, a run goes on from the last"

        def end(number: int, _: object) -> NoReturn:
            read = count(self._passed, "file") if self._total is None else f"{self._passed:,} of {self._total:,} files"
            bar = "" if self._total is None else _WITHOUT_BAR
            text = f"{bar}soinspect: interrupted; {read} read; {printable(resume)}\n"
            with suppress(OSError):  # the terminal may be gone
                os.write(2, text.encode("utf-8", "backslashreplace"))
            os._exit(128 + number)

        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and shells do it
                signal.signal(number, end)

    def show_progress(self, total: int) -> None:
        """Show a bar with rate and time left on standard error, ``total`` files long, as long as this is entered."""
        self._total = total
        self._progress = _bar()
        self._progress.add_task("", total=total)

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def watch(self, answers: Iterator[Scanned]) -> Iterator[Scanned]:
        """The answers as they are."""
        for scanned in answers:
            for row in scanned.rows:
                self._count(row)
            self._passed += 1
            yield scanned
            if self._progress:
                self._progress.advance(self._progress.task_ids[0])
                if time.monotonic() - self._drawn > _SECONDS_A_FRAME:
                    self._drawn = time.monotonic()
                    self._progress.refresh()
        self.__exit__()  # what is shown next is not to mix with the bar

    def _count(self, row: ScanRow) -> None:
        if row.kind is not None:
            self._kinds[row.kind] += 1
        self._plugin_kinds.update(row.plugin_kinds)
        self._copies += row.same_as is not None
        if row.error is not None:
            self._errors += 1
            if self._tell:
                print(f"soinspect: {printable(f'{row.path}: {row.error}')}", file=sys.stderr)  # noqa: T201

    @property
    def totals(self) -> ScanTotals:
        """What has been found so far."""
        return ScanTotals(kinds=self._kinds, plugin_kinds=self._plugin_kinds, copies=self._copies, errors=self._errors)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:,.0f} files/s")

    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    # It draws when it is told to: workers are forked, so that no thread may run beside. Standard output is not its own:
    # rich would print rows that are meant for a file or a pipe above the bar.
    return Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False, redirect_stdout=False)
