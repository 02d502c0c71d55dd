"""A fix is a line to copy: however narrow the terminal is, no line break stands in it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile

COLUMNS = 40


def on_a_narrow_terminal(*arguments: str | Path) -> list[str]:
    """The lines that a run of soinspect writes to a terminal of few columns; those the terminal breaks are whole."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen([sys.executable, "-m", "soinspect", *arguments], stdout=theirs, env=environment):
        os.close(theirs)
        data = b""
        while True:
            try:
                data += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    return data.decode().splitlines()


@pytest.mark.parametrize("command", ["check", "deps", "explain", "call"])
def test_a_fix_is_one_line(command: str, c_host: Path, cc: Compile) -> None:
    plugin = cc("int missing(void); int run(void) { return missing(); }", name="plugin.so")
    arguments: dict[str, tuple[str | Path, ...]] = {
        "check": (c_host, plugin),
        "deps": (plugin,),
        "explain": ("plugin.so: cannot allocate memory in static TLS block",),
        "call": (FIXTURES / "plugin1.so", "Run", "--host", "native"),
    }
    lines = on_a_narrow_terminal(command, *arguments[command])
    (fix,) = (number for number, line in enumerate(lines) if line.split()[:1] == ["fix"])
    assert len(lines[fix]) > COLUMNS
    assert not lines[fix + 1 :] or lines[fix + 1].lstrip().startswith("note")
