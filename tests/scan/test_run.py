"""The run as a whole: what dies, what is kept, what is interrupted."""

from __future__ import annotations

import faulthandler
import mmap
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from elfwriter import elf64
from soinspect import api
from soinspect.errors import CannotRun, UsageError
from soinspect.model.scan import Candidate, Scanned, ScanRow
from soinspect.scan import pool
from soinspect.scan.cache import Cache
from soinspect.scan.find import find
from soinspect.scan.read import read_batch
from soinspect.scan.row import read_object
from soinspect.scan.run import run

IMAGE = elf64()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.so").write_bytes(IMAGE + bytes(number))
    return folder


def dying_read(candidates: Sequence[Candidate], *, victims: frozenset[str]) -> list[Scanned]:
    """Reads, and dies of some files, as of too little memory."""
    if any(Path(candidate.path).name in victims for candidate in candidates):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_batch(candidates, with_symbols=False)


def test_processes_give_the_same_rows_in_the_same_order(tree: Path) -> None:
    with api.scanning([str(tree)]) as one, api.scanning([str(tree)], jobs=3) as many:
        assert list(one) == list(many)


def test_a_worker_that_dies_costs_one_row(tree: Path) -> None:
    read = partial(dying_read, victims=frozenset({"007.so", "299.so"}))
    rows = [row for scanned in run(find([str(tree)]), read, pool.processes(2), None) for row in scanned.rows]
    assert [Path(row.path).name for row in rows] == [f"{number:03}.so" for number in range(300)]
    died = {Path(row.path).name: row.error for row in rows if row.error}
    assert died == dict.fromkeys(("007.so", "299.so"), "the process that read it died (killed, or out of memory?)")


def test_workers_that_all_die_end_the_run(tree: Path) -> None:
    read = partial(dying_read, victims=frozenset(path.name for path in tree.iterdir()))
    with pytest.raises(CannotRun, match="in a row died"):
        list(run(find([str(tree)]), read, pool.processes(1), None))


def rows_with(cache: Path, *paths: Path) -> list[ScanRow]:
    with api.scanning([str(path) for path in paths], cache=str(cache)) as answers:
        return [row for scanned in answers for row in scanned.rows]


def test_a_cache_gives_what_was_read(tree: Path, tmp_path: Path, demo_plugin: Path) -> None:
    cache = tmp_path / "cache"
    (tree / "text").write_text("no object")
    first = rows_with(cache, tree, demo_plugin)
    with sqlite3.connect(cache) as database:
        assert database.execute("SELECT count(*) FROM scanned").fetchone() == (302,)
        database.execute("UPDATE scanned SET rows = replace(rows, 'x86-64', 'kept')")
    again = rows_with(cache, tree, demo_plugin)
    assert {row.machine for row in again} == {"kept"}
    assert [(row.path, row.kind, row.relro, row.needed) for row in again] == [
        (row.path, row.kind, row.relro, row.needed) for row in first
    ]


def test_what_changed_is_read_again_and_errors_are_not_kept(tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "a.so"
    file.write_bytes(IMAGE[:100])
    assert rows_with(cache, file)[0].error
    file.write_bytes(elf64(machine=183))
    assert rows_with(cache, file)[0].machine == "aarch64"
    file.write_bytes(elf64(machine=8))
    assert rows_with(cache, file)[0].machine == "mips"


def test_a_cache_of_another_release_is_emptied(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    rows_with(cache, tree)
    with sqlite3.connect(cache) as database:
        database.execute("UPDATE reader SET name = 'older'")
    with Cache(str(cache)):
        pass
    with sqlite3.connect(cache) as database:
        assert database.execute("SELECT count(*) FROM scanned").fetchone() == (0,)


@pytest.mark.parametrize("rows", ["[" * 100_000, '[{"path": 1}]', '[{"path": "", "x": 1}]', "{}", "[", "1", 7, None])
def test_a_cache_that_somebody_else_wrote_is_refused(rows: object, tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "a.so"
    file.write_bytes(IMAGE)
    rows_with(cache, file)
    with sqlite3.connect(cache) as database:
        database.execute("UPDATE scanned SET rows = ?", (rows,))
    with pytest.raises(UsageError, match="holds what no scan wrote"):
        rows_with(cache, file)


def test_a_file_that_shrinks_while_it_is_read_is_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading what is no longer there ends a process with SIGBUS; then the file is empty, and no object."""

    def shrinking(path: str, data: mmap.mmap, *, with_symbols: bool) -> Scanned:
        if path.endswith("/005.so"):
            faulthandler.disable()  # of pytest, in a process of its own here
            os.truncate(path, 0)
        return read_object(path, data, with_symbols=with_symbols)

    monkeypatch.setattr("soinspect.scan.read.read_object", shrinking)
    with api.scanning([str(tree)], jobs=2) as answers:
        rows = [row for scanned in answers for row in scanned.rows]
    expected = [f"{number:03}.so" for number in range(300) if number != 5]
    assert [(Path(row.path).name, row.error) for row in rows] == [(name, None) for name in expected]


def test_a_file_that_vanishes_is_a_row(tree: Path) -> None:
    candidates = list(find([str(tree)]))
    (tree / "000.so").unlink()
    (first, second, *_) = (row for scanned in run(candidates, partial(read_batch, with_symbols=False),
                           pool.in_process(), None) for row in scanned.rows)  # fmt: skip
    assert (first.error, second.error) == ("no such file or directory", None)


def test_what_is_no_cache_is_left_alone(demo_plugin: Path) -> None:
    before = demo_plugin.read_bytes()
    with pytest.raises(UsageError, match="not a database"):
        rows_with(demo_plugin, demo_plugin)
    assert demo_plugin.read_bytes() == before


def test_an_interrupted_scan_goes_on_from_its_cache(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "soinspect", "scan", str(tree), "--cache", str(cache), "--format", "jsonl"]
    # Nobody reads its output: it stops when the pipe is full, after some hundred rows.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
    ) as scan:
        deadline = time.monotonic() + 60
        while not stored(cache) and time.monotonic() < deadline:
            time.sleep(0.01)
        scan.send_signal(signal.SIGINT)
        _, told = scan.communicate(timeout=60)
    # It cannot have come to its end, which the full pipe keeps it from: it ended with 0 where SIGINT was ignored.
    assert scan.returncode == 130
    # Rows are stored before they pass: it may have come to one file, or to none.
    assert re.fullmatch(rf"soinspect: interrupted; (1 file|\d+ files) read; run again to go on from {cache}\n", told)
    assert stored(cache) in (128, 256)
    assert len(rows_with(cache, tree)) == 300


def stored(cache: Path) -> int:
    if not cache.exists():
        return 0
    with sqlite3.connect(f"file:{cache}?mode=ro", uri=True) as database:
        try:
            return int(database.execute("SELECT count(*) FROM scanned").fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return 0


@pytest.mark.full
def test_a_dask_cluster_gives_the_same_rows(tree: Path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        api.scanning([str(tree)], dask=cluster.scheduler_address) as there,
        api.scanning([str(tree)]) as here,
    ):
        assert list(there) == list(here)
