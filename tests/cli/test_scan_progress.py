"""The progress bar of ``soinspect scan``: on a terminal alone, with rate and time left, and gone at the end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from elfwriter import elf64

FILES = 700
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:03}.so").write_bytes(elf64(machine=number))
    return folder


def on_terminal(*arguments: str | Path, output: Path | None) -> tuple[int, str]:
    """The exit code of ``soinspect`` with a terminal as standard error (and output), and what it drew there."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, output.open("wb") if output else os.fdopen(theirs, "wb") as out:
        command = [sys.executable, "-m", "soinspect", *arguments]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        process = subprocess.Popen(command, stdin=theirs, stdout=out, stderr=theirs, env=environment)
        if output:
            os.close(theirs)
        else:
            out.close()
        drawn = b""
        try:
            while data := screen.read(1 << 16):
                drawn += data
        except OSError:  # EIO: nobody has the terminal open any more
            pass
        return process.wait(), drawn.decode()


def test_a_bar_with_rate_and_time_left_while_rows_go_to_a_file(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows"
    code, drawn = on_terminal("scan", tree, "--jobs", "1", output=output)
    assert code == 0
    assert len(output.read_bytes().splitlines()) == FILES
    assert b"\x1b" not in output.read_bytes()
    frames = re.findall(r"(\d+)/700 ([\d,]+) files/s (-:--:--|\d:\d\d:\d\d)", _COLOURS.sub("", drawn))
    done = [int(number) for number, _, _ in frames]
    assert frames
    assert done == sorted(done)
    assert any(rate != "0" and left != "-:--:--" for _, rate, left in frames)
    assert drawn.endswith("\x1b[2K")  # the line of the bar is cleared


def test_the_bar_is_gone_before_the_table(tree: Path) -> None:
    code, drawn = on_terminal("scan", tree, output=None)
    assert code == 0
    bar, _, table = drawn.partition("700 ELF objects")
    assert "files/s" in bar
    assert "files/s" not in table


def test_nothing_is_drawn_off_a_terminal(tree: Path) -> None:
    command = [sys.executable, "-m", "soinspect", "scan", str(tree), "--format", "table"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    assert b"files/s" not in done.stdout
