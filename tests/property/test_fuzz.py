"""Every command on damaged files of every kind: an answer within two seconds and 300 MB, never a traceback.

What fails here is named with its number: ``python tests/fuzzing.py VICTIM NUMBER --shrink fixtures/damaged/NAME``
makes a small file of it, which is read by every command from then on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bounded import judge
from conftest import FIXTURES
from fuzzing import questions_for, run, shrink, troubles
from mutation import UNDAMAGED, Edit, Mutator, apply
from victims import MAKERS, make

_DAMAGED = sorted((FIXTURES / "damaged").glob("*"))
_BIG = "go-plugin.so"


def _run(folder: Path, victim: str, count: int, share: int) -> None:
    found = troubles(make(victim, folder), 0, count, share=share)
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("victim", MAKERS)
def test_a_thousand_mutants(victim: str, tmp_path: Path) -> None:
    _run(tmp_path, victim, 10 if victim == _BIG else 60, share=5)


@pytest.mark.full
@pytest.mark.parametrize("victim", MAKERS)
def test_twenty_thousand_mutants(victim: str, tmp_path: Path) -> None:
    _run(tmp_path, victim, 320 if victim == _BIG else 1160, share=1)


@pytest.mark.parametrize("damaged", _DAMAGED, ids=lambda path: path.name)
def test_what_was_found_and_shrunk_before(damaged: Path, tmp_path: Path) -> None:
    copy = tmp_path / damaged.name
    copy.write_bytes(damaged.read_bytes())
    each_way = [(command,) for question in questions_for(damaged) for command in question]
    assert all(not outcome.trouble for outcome in run(copy, UNDAMAGED, 0, each_way))


def test_a_number_gives_the_same_damage(demo_plugin: Path) -> None:
    data = demo_plugin.read_bytes()
    assert all(Mutator(data).edits(number) == Mutator(data).edits(number) for number in range(50))
    assert apply(b"abcdef", [Edit(offset=1, removed=2, data=b"-"), Edit(offset=4, removed=1, data=b"__")]) == b"a-d__f"


def test_what_goes_wrong_becomes_small() -> None:
    sound = bytes(range(256)) * 1024
    edits = [*Mutator(sound).edits(3), Edit(offset=70000, removed=3, data=b"BUG")]
    small = shrink(sound, edits, lambda data: b"BUG" in data)
    assert len(small) < 71_000
    assert len(small.strip(b"\0")) < 32


def test_what_counts_as_wrong() -> None:
    assert not judge(1, b"fine\n", b"", is_json=False)
    for code, out, err, is_json in (
        (-11, b"", b"", False),
        (1, b"", b"Traceback (most recent call last):", False),
        (0, b"caf\xe9", b"", False),
        (0, b"\x1b[31m", b"", False),
        (0, "\u202e".encode(), b"", False),
        (0, b"{", b"", True),
        (2, b"{}", b"\x1b[31m", True),
    ):
        assert judge(code, out, err, is_json=is_json)
