"""No regular file, or a huge one, in the place of every file that a command takes: an answer in bounded time."""

from __future__ import annotations

import json
import os
import socket
import subprocess
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
OUTPUTS = [
    ("snapshot", PLUGIN, "--output", "{}"),
    ("freeze", PLUGIN, "--output", "{}"),
    ("scan", PLUGIN, "--output", "{}"),
    ("scan", PLUGIN, "--output", "{}", "--format", "parquet"),
    ("scan", PLUGIN, "--cache", "{}"),
]
SUPPRESS = '[[suppress]]\nrule = "go-package-hash"\nreason = "known"\n'
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


@pytest.mark.parametrize("command", OUTPUTS, ids=" ".join)
def test_what_cannot_be_written(folder: Path, command: tuple[str, ...]) -> None:
    for path in (str(folder / "fifo.go"), str(folder), "/dev/full" if "--cache" in command else "/proc/kmsg"):
        run = bounded(*(word.replace("{}", path) for word in command))
        assert (run.code, run.out) == (2, "")
        assert run.err.startswith("soinspect: ")
        assert path in run.err or ("parquet" in command and "cannot write the answer" in run.err)


def test_a_fifo_that_is_read_is_written(folder: Path, tmp_path: Path) -> None:
    with (tmp_path / "copy").open("wb") as copy, subprocess.Popen(["cat", folder / "fifo.go"], stdout=copy):
        descriptor = os.open(folder / "fifo.go", os.O_WRONLY)  # waits for the reader
        run = bounded("snapshot", PLUGIN, "--output", folder / "fifo.go")
        os.close(descriptor)
    assert (run.code, run.out) == (0, "")
    assert json.loads((tmp_path / "copy").read_bytes())["soinspect"] == "snapshot"


def test_settings_from_a_command(tmp_path: Path) -> None:
    """As bash gives them for <(command): a pipe that is named by its number."""
    (tmp_path / "suppress.toml").write_text(SUPPRESS)
    diff = f"'{sys.executable}' -m soinspect diff '{PLUGIN}' '{PLUGIN}' --suppress"
    slowly = f"<(sleep 0.3; cat '{tmp_path}/suppress.toml')"
    for given, code, told in (
        (f"'{tmp_path}/suppress.toml'", 0, ""),
        (slowly, 0, ""),
        ("<(head -c 2000000 /dev/zero)", 2, "has more than 1,048,576 bytes"),
        ("<(true)", 2, "is a pipe to which nobody writes"),
    ):
        run = subprocess.run(["bash", "-c", f"{diff} {given}"], capture_output=True, text=True, check=False)
        assert (run.returncode, told in run.stderr) == (code, True)
