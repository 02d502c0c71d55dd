"""The scan as a whole: candidates go out in batches, answers come back in their order, and few wait in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from itertools import islice

from soinspect.errors import CannotRun
from soinspect.model.lateclass import dataclass
from soinspect.model.scan import Candidate, Scanned, ScanRow
from soinspect.scan.cache import Cache
from soinspect.scan.identical import Identical
from soinspect.scan.pool import Pool

Read = Callable[[Sequence[Candidate]], list[Scanned]]
Found = Candidate | ScanRow

_BATCH = 128
_BATCHES_A_WORKER = 4
# So many dead processes in a row are not the fault of the files.
_MAX_DEATHS = 16
_REMEDY = "give it more memory, or fewer processes: --jobs 1"
_DIED = "the process that read it died (killed, or out of memory?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What was found, in order, with the answers known without reading; the others are in ``future``."""

    found: list[tuple[Found, Scanned | None]]
    unread: list[Candidate]
    future: Future[list[Scanned]]


def run(found: Iterable[Found], read: Read, pool: Pool, cache: Cache | None) -> Generator[Scanned, None, None]:
    """One answer for each thing that was found, in its order; ``read`` is called where the pool wants it.

    A worker that dies costs the file that it died of its row. When the caller closes the iterator, batches that did
    not begin are dropped.
    """
    runner = _Runner(read, pool, cache)
    source = iter(found)
    try:
        while batch := list(islice(source, _BATCH)):
            runner.submit(batch)
            if len(runner.waiting) >= _BATCHES_A_WORKER * pool.workers:
                yield from runner.answer()
        while runner.waiting:
            yield from runner.answer()
    finally:
        runner.stop()


class _Runner:
    def __init__(self, read: Read, pool: Pool, cache: Cache | None) -> None:
        self._read = read
        self._pool = pool
        self._cache = cache
        self._identical = Identical()
        self._executor = pool.start()
        self._deaths = 0
        self.waiting: deque[_Batch] = deque()

    def submit(self, batch: list[Found]) -> None:
        found = [(item, self._known(item)) for item in batch]
        unread = [item for item, known in found if isinstance(item, Candidate) and known is None]
        self.waiting.append(_Batch(found=found, unread=unread, future=self._start(unread)))

    def _known(self, item: Found) -> Scanned | None:
        if isinstance(item, ScanRow):
            return Scanned(rows=(item,))
        return self._identical.lookup(item) or (self._cache.lookup(item) if self._cache else None)

    def _start(self, unread: list[Candidate]) -> Future[list[Scanned]]:
        try:
            return self._executor.submit(self._read, unread)
        except BrokenExecutor:  # by a batch before this one
            self._executor.shutdown()
            self._executor = self._pool.start()
            return self._executor.submit(self._read, unread)

    def answer(self) -> Iterator[Scanned]:
        """The answers of the batch that waits the longest."""
        batch = self.waiting.popleft()
        try:
            answers = batch.future.result()
        except self._pool.losses:
            answers = [self._read_alone(candidate) for candidate in batch.unread]
        read = dict(zip(batch.unread, answers, strict=True))
        if self._cache:
            self._cache.store(read.items())
        for item, known in batch.found:
            if isinstance(item, ScanRow):
                yield known or Scanned()
            else:
                yield self._identical.mark(item, known or read[item])

    def _read_alone(self, candidate: Candidate) -> Scanned:
        """Read one file of a batch that a worker died of: only one of them is to blame."""
        try:
            answer = self._start([candidate]).result()[0]
        except self._pool.losses:
            self._deaths += 1
            if self._deaths == _MAX_DEATHS:
                raise CannotRun(f"{_MAX_DEATHS} processes in a row died as they began to read", _REMEDY) from None
            return Scanned(rows=(ScanRow(path=candidate.shown, error=_DIED),))
        self._deaths = 0
        return answer

    def stop(self) -> None:
        for batch in self.waiting:
            batch.future.cancel()
        self._executor.shutdown()
