"""No regular file, or a huge one, in the place of every file that a command takes: an answer in bounded time."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from bounded import bounded
from conftest import FIXTURES

PLUGIN = str(FIXTURES / "plugin1.so")
NATIVE = ("--host", "native")
COMMANDS = [
    ("symbols", "{}"),
    ("info", "{}"),
    ("go", "{}"),
    ("deps", "{}"),
    ("diff", "{}", PLUGIN),
    ("diff", PLUGIN, "{}"),
    ("diff", "{}", "{}"),
    ("check", sys.executable, "{}"),
    ("check", "{}", PLUGIN),
    ("explain", "./x.so: undefined symbol: x", "{}", PLUGIN),
    ("call", "{}", "x", *NATIVE),
    ("snapshot", "{}"),
    ("freeze", "{}"),
    ("scan", "{}"),
    ("call", PLUGIN, "Run", "--header", "{}", *NATIVE),
    ("call", PLUGIN, "Run(@{})", "--sig", "int Run(char *)", *NATIVE),
    ("call", PLUGIN, "Run", "--host", "{}"),
    ("diff", PLUGIN, PLUGIN, "--suppress", "{}"),
    ("diff", PLUGIN, PLUGIN, "--host", "{}"),
    ("info", PLUGIN, "--profile", "{}"),
    ("go", PLUGIN, "--source", "{}"),
]
NAMES = ("fifo.go", "huge.go", "huge-elf.go", "socket.go", "/dev/zero", "/proc/self/mem", "loop.go")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("special")
    os.mkfifo(folder / "fifo.go")
    (folder / "loop.go").symlink_to("loop.go")
    for name, start in (("huge.go", b""), ("huge-elf.go", Path(PLUGIN).read_bytes())):
        (folder / name).write_bytes(start)
        os.truncate(folder / name, 1 << 40)
    with socket.socket(socket.AF_UNIX) as here:
        os.chdir(folder)  # the path of a socket is short
        here.bind("socket.go")
        os.chdir(FIXTURES.parent)
    return folder


def ask(folder: Path, command: tuple[str, ...], name: str) -> None:
    run = bounded(*(word.replace("{}", str(folder / name)) for word in command))
    if run.code in (2, 3):
        assert run.err.count("\n") <= 2 and (run.err or run.out)  # noqa: PT018
    else:
        assert "huge-elf" in name or command[0] in ("call", "check", "scan", "deps")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(Path(word).name for word in words))
def test_a_fifo_and_a_huge_file(folder: Path, command: tuple[str, ...]) -> None:
    ask(folder, command, "fifo.go")
    ask(folder, command, "huge-elf.go")


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(Path(word).name for word in words))
def test_everything_else(folder: Path, command: tuple[str, ...], name: str) -> None:
    ask(folder, command, name)
