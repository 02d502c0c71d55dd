"""The frames of a crash: how far recursion was followed, and which of several names a place has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from calls import call
from soinspect.model.calling import Crash

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Compile

pytestmark = pytest.mark.usefixtures("no_left_over_process")


def crash_of(library: Path, step: str) -> Crash:
    crash = call(library, step).crash
    assert crash is not None
    return crash


def test_recursion_is_counted_as_far_as_it_is_followed(cc: Compile) -> None:
    source = """
    int forever(int n) { volatile char room[1000]; room[0] = n; return forever(n + 1) + room[0]; }
    int ten_deep(int n) { return n ? ten_deep(n - 1) + n : *(volatile int *)0; }
    int turn(int n);
    int twist(int n) { volatile char room[1000]; room[0] = n; return turn(n + 1) + room[0]; }
    int turn(int n) { volatile char room[1000]; room[0] = n; return twist(n + 1) + room[0]; }
    """
    library = cc(source, "-O1")

    def frames(step: str) -> list[str]:
        return [re.sub(r"\+0x\w+", "", frame) for frame in crash_of(library, step).backtrace]

    limit = "... (unwound no further than 64 frames)"
    assert frames("forever(1)") == ["forever in source.so (at least 63 times)", limit]
    assert frames("ten_deep(10)") == ["ten_deep in source.so (10 times)"]
    assert frames("twist(1)")[63:] == [limit]


@pytest.mark.parametrize(
    ("seen", "other"),
    [("f", "f.localalias"), ("zone", "area"), ("area", "zone"), ("f", "f.constprop.0")],
)
def test_a_place_goes_by_the_name_that_others_see(cc: Compile, seen: str, other: str) -> None:
    source = f"""
    static int local(void) __asm__("{other}");
    static int local(void) {{ return *(volatile int *)0; }}
    int {seen}(void) __attribute__((alias("{other}")));
    """
    assert str(crash_of(cc(source), seen).location).startswith(f"{seen}+0x")
