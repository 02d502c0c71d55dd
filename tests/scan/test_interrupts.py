"""Ctrl-C and its kin end a scan at any moment: at once, with one line, and no process is left."""

from __future__ import annotations

import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from elfwriter import Sym, elf64

_TOLD = re.compile(r"soinspect: interrupted; [\d,]+ files? read; .*\n")
_SECONDS = 10  # far more than it takes: a hang is what is looked for
_NEVER = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range < b.range"
_WAYS = {
    "one process": ("--jobs", "1"),
    "many processes": ("--jobs", "8"),
    "symbols": ("--symbols", "--format", "csv"),
    "cache": ("--cache", "{}/cache"),
    "query": ("--symbols", "--query", _NEVER),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough of files for a second of reading."""
    folder = tmp_path_factory.mktemp("tree")
    image = elf64(tuple(Sym(name=b"symbol%d" % number) for number in range(200)))
    for number in range(3000):
        (folder / f"{number}.so").write_bytes(image + bytes(number))
    return folder


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """A scan, in a session of its own, as from a shell: what pytest was started with does not matter."""
    return subprocess.Popen(
        [sys.executable, "-m", "soinspect", "scan", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=heed_all,
    )


def heed_all() -> None:
    """What pytest was started with may ignore signals, as nohup and a shell's background do; a scan then would, too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def living(session: int) -> Iterator[int]:
    """The processes of a session that have not ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text(errors="replace").rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            yield int(path.parent.name)


def wait_for_command(scan: subprocess.Popen[bytes]) -> None:
    """Until Python has started and the command runs: who does not catch SIGTERM yet is ended by it without a word."""
    status = Path(f"/proc/{scan.pid}/status")
    while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) & 1 << signal.SIGTERM - 1:
        time.sleep(0.001)


def check_ended(scan: subprocess.Popen[bytes], number: signal.Signals) -> None:
    told = scan.communicate(timeout=_SECONDS)[1].decode()
    assert scan.returncode in (128 + number, 0)  # it may have been about to end
    assert _TOLD.fullmatch(told) if scan.returncode else not told
    wait_for_none(scan.pid)


def wait_for_none(session: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while left := list(living(session)):
        assert time.monotonic() < deadline, left


def interrupt_at_random(tree: Path, tmp_path: Path, way: str, moments: int) -> None:
    dice = random.Random(way)
    for _ in range(moments):
        number = dice.choice((signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        scan = start(tree, *(word.format(tmp_path) for word in _WAYS[way]))
        wait_for_command(scan)
        time.sleep(dice.uniform(0, 0.4))
        if scan.poll() is None:
            # The terminal tells the workers too, kill the one process alone.
            (os.killpg if dice.random() < 0.5 else os.kill)(scan.pid, number)
            check_ended(scan, number)


@pytest.mark.parametrize("way", _WAYS)
def test_at_some_moments(tree: Path, tmp_path: Path, way: str) -> None:
    interrupt_at_random(tree, tmp_path, way, 4)


@pytest.mark.full
@pytest.mark.parametrize("way", _WAYS)
def test_at_many_moments(tree: Path, tmp_path: Path, way: str) -> None:
    interrupt_at_random(tree, tmp_path, way, 60)


def test_workers_do_not_outlive_a_scan_that_is_killed(tree: Path) -> None:
    scan = start(tree, "--jobs", "3", "--symbols", "--query", _NEVER)
    wait_for_workers(scan, 3)
    scan.kill()
    scan.communicate()
    wait_for_none(scan.pid)


def wait_for_workers(scan: subprocess.Popen[bytes], count: int) -> None:
    while len(list(living(scan.pid))) <= count:
        assert scan.poll() is None
        time.sleep(0.01)


def test_what_the_shell_has_ignored_stays_ignored(tree: Path) -> None:
    command = ["nohup", sys.executable, "-m", "soinspect", "scan", str(tree), "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as scan:
        wait_for_workers(scan, 2)
        os.killpg(scan.pid, signal.SIGHUP)
    assert scan.returncode == 0


def test_the_bar_is_cleared_and_the_cursor_shown(tree: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, (tmp_path / "rows").open("wb") as rows:
        command = [sys.executable, "-m", "soinspect", "scan", str(tree), "--cache", str(tmp_path / "cache")]
        scan = subprocess.Popen(command, stdin=theirs, stdout=rows, stderr=theirs, env={**os.environ, "TERM": "xterm"})
        os.close(theirs)
        drawn = b""
        while b" files/s" not in drawn:
            drawn += screen.read(1 << 16)
        scan.send_signal(signal.SIGTERM)
        try:
            while data := screen.read(1 << 16):
                drawn += data
        except OSError:  # EIO: nobody has the terminal open any more
            pass
        assert scan.wait() == 143
    last = drawn.decode().rpartition("\x1b[?25h")[2]
    assert re.fullmatch(r"soinspect: interrupted; [\d,]+ of 3,000 files read; run again to go on from \S+\r\n", last)
