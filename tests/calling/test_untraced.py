"""Where ptrace is refused: handlers in the worker write down what the monitor cannot see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from soinspect import api
from soinspect.calling.stopped import read_scene
from soinspect.calling.worker import faults, protocol
from soinspect.model.absence import Absent
from soinspect.model.calling import Outcome, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Compile

pytestmark = pytest.mark.usefixtures("no_left_over_process")


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("soinspect.calling.ptrace.seize", refuse)


def test_a_system_without_ptrace(monkeypatch: pytest.MonkeyPatch, cc: Compile) -> None:
    """Emulators and some containers do not know the system call at all."""

    def unknown(pid: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("soinspect.calling.ptrace.seize", unknown)
    assert call(cc("int answer(void) { return 42; }", "-g"), "answer").summary.startswith("answer returned 42")


@pytest.fixture
def misbehaving(cc: Compile) -> Callable[[str], Path]:
    return lambda name: cc(FIXTURES / "callee-that-misbehaves" / f"{name}.c", "-O1", "-fstack-protector-all", "-w")


@pytest.mark.parametrize(
    ("symbol", "signal", "why", "place"),
    [
        ("null_field", "SIGSEGV", "0x40 bytes after it", "null_field+"),
        ("wild_pointer", "SIGSEGV", "0xdeadbeefcafe0000", "wild_pointer+"),
        ("write_to_constant", "SIGSEGV", "read-only memory was written to", "write_to_constant+"),
        ("call_nowhere", "SIGSEGV", "jumped to 0x414141414141", "call_nowhere+"),
        ("stack_overflow", "SIGSEGV", "the stack overflowed", "times)"),
        ("divide_by_zero", "SIGFPE", "divided by zero", "divide_by_zero+"),
        ("trap", "SIGILL", "must not be reached", "trap+"),
        ("give_up", "SIGABRT", "abort() was called", "give_up+"),
        ("double_free", "SIGABRT", "the heap was damaged", "double_free+"),
        ("terminate_itself", "SIGTERM", "sent by itself", "terminate_itself+"),
    ],
)
def test_deaths_are_explained_all_the_same(
    untraced: None, misbehaving: Callable[[str], Path], symbol: str, signal: str, why: str, place: str
) -> None:
    result = call(misbehaving("deaths"), symbol)
    crash = result.crash
    assert crash
    assert (crash.signal, crash.phase) == (signal, f"calling {symbol}")
    assert why in crash.why
    assert any(place in frame for frame in (str(crash.location), *crash.backtrace))
    assert any("a signal handler told where it was" in line for line in result.evidence)


def test_the_report_is_the_one_that_ptrace_gives(
    misbehaving: Callable[[str], Path], request: pytest.FixtureRequest
) -> None:
    library = misbehaving("deaths")
    traced = call(library, "null_field").crash
    request.getfixturevalue("untraced")
    untraced = call(library, "null_field").crash
    assert traced
    assert untraced
    for name in ("signal", "code", "address", "location", "why", "backtrace", "instruction"):
        assert getattr(untraced, name) == getattr(traced, name)


def test_good_calls_limits_and_left_behind_processes(untraced: None, misbehaving: Callable[[str], Path]) -> None:
    departures = misbehaving("departures")
    assert call(departures, "answer", "stop_itself").good
    stuck = call(departures, "loop_for_ever", timeout=0.5)
    assert stuck.steps[0].outcome is Outcome.TIMED_OUT
    assert stuck.crash
    assert str(stuck.crash.location).startswith("loop_for_ever+")
    deaf = call(departures, "block_signals_and_loop", timeout=0.5)
    assert deaf.steps[0].outcome is Outcome.TIMED_OUT
    assert deaf.crash
    assert deaf.crash.pc == Absent("ptrace is not to be had here")
    left = call(departures, "daemon_stays", sandbox=Sandbox(on=False))
    assert left.good
    assert "1 process outlived the call and was killed" in left.evidence


def test_a_kernel_that_refuses_ptrace(misbehaving: Callable[[str], Path]) -> None:
    program = (
        "import ctypes, struct, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        # Load the number of the system call; 101 is ptrace: EPERM; all others: allowed.
        "code = b''.join(struct.pack('=HBBI', *i) for i in"
        " ((0x20, 0, 0, 0), (0x15, 0, 1, 101), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)))\n"
        "buffer = ctypes.create_string_buffer(code)\n"
        "assert libc.prctl(38, 1, 0, 0, 0) == 0\n"
        "assert libc.prctl(22, 2, struct.pack('@HP', 4, ctypes.addressof(buffer)), 0, 0) == 0\n"
        "from soinspect.cli.app import main\n"
        "sys.argv[0] = 'soinspect'\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "call", str(misbehaving("deaths")), "null_field", "-v"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("calling null_field crashed with SIGSEGV at null_field+")
    assert "a signal handler told where it was" in done.stdout


def test_the_handler_is_what_its_source_says(tmp_path: Path) -> None:
    source = Path(faults.__file__).with_name("handler_x86_64.S")
    subprocess.run(["gcc", "-c", "-o", tmp_path / "handler.o", source], check=True)
    with api.open_elf(str(tmp_path / "handler.o")) as elf:
        text = elf.image.section(".text")
        assert text is not None
        assert elf.image.section_data(text) == faults.CODE["x86_64"]


def test_a_scene_that_was_overwritten() -> None:
    assert read_scene(bytes(protocol.SCENE_SIZE)) is None
    assert read_scene(b"\xff" * protocol.SCENE_SIZE) is None
    assert read_scene(b"[ " * (protocol.SCENE_SIZE // 2)) is None
