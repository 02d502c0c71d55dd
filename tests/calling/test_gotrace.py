"""What a dying Go program says, and what a plugin may say in its stead."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from bounded import CPU_SECONDS
from soinspect.calling.gotrace import read_death

_CRASH = """SIGSEGV: segmentation violation
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x10 pc=0x7f0000001234]

goroutine 1 gp=0xc000002380 m=0 mp=0x55d0 [running, locked to thread]:
plugin/unnamed-1.Crashes()
\t/src/plugin.go:12 +0x1
"""


def test_signal_and_goroutine() -> None:
    death = read_death(_CRASH.encode(), "plugin/unnamed-1")
    assert death
    assert (death.signal, death.code, death.address) == ("SIGSEGV", "0x1", 0x10)
    (goroutine,) = death.goroutines
    assert goroutine.state == "running, locked to thread"
    assert str(goroutine.frames[0]) == "main.Crashes at /src/plugin.go:12"


@pytest.fixture
def in_a_moment() -> Iterator[None]:
    """The test fails if it takes more than two seconds of CPU."""

    def fail(*_: object) -> None:
        raise AssertionError("it takes too long")

    before = signal.signal(signal.SIGPROF, fail)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


@pytest.mark.usefixtures("in_a_moment")
@pytest.mark.parametrize("piece", ["[", "[signal SIGSEGV: ", "code=", "goroutine 1 [a", ":1", "()"])
@pytest.mark.parametrize("start", ["", "[signal SIGSEGV: ", "goroutine 1 ", "\t", "f("])
def test_reports_made_to_take_long(start: str, piece: str) -> None:
    """What the plugin prints is kept up to 64 KB: patterns must not look at it again for each of its characters."""
    text = f"panic: x\n{start}{piece * (65536 // len(piece))}"
    assert read_death(text.encode(), "plugin/unnamed-1")
