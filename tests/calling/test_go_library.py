"""Go's own types through the C interface of a c-shared library, and how such a library dies."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from soinspect.errors import UsageError
from soinspect.model.calling import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import GoBuild

pytestmark = pytest.mark.usefixtures("no_left_over_process")

SOURCE = FIXTURES / "go-library-of-go-types" / "library.go"
CALLS = {
    'Upper("héllo")': '"HÉLLO"',
    "Upper(null)": '""',
    'Join(["a", "b\\u00e9", ""])': '"a-bé-"',
    "Total([1, 2, 39])": "42",
    "Total([])": "0",
    "Total(null)": "0",
    'Length("four")': "4",
    "Length(buf:64)": "64",
    "Length([u8:1, u8:2])": "2",
    "Divide(7, 2)": "{r0=3, r1=1}",
    "Split(\"key=value\", '=')": '{r0="key", r1="value"}',
    "Half(3, true)": "{r0=1.5, r1=0}",
    "IsNil(null)": "1",
    "Problem(false)": "nil",
    "Goroutines(100)": "4950",
}


@pytest.fixture
def library(go_build: GoBuild, go_version: str) -> Path:
    return go_build(go_version, SOURCE, mode="c-shared")


def test_go_values_go_in_and_come_out(library: Path) -> None:
    result = call(library, *CALLS)
    assert {step.step.text: step.value for step in result.steps} == CALLS
    assert all(step.abi and step.abi.kept for step in result.steps)


def test_a_slice_is_shown_as_far_as_c_can_tell(library: Path) -> None:
    returned, changed, problem = call(
        library, "Doubled([i32:1, i32:-4])", "Double([i32:1, i32:-4])", "Problem(true)"
    ).steps
    assert str(returned.value).startswith("a Go slice of 2 (capacity 2)")
    assert "its memory begins 02 00 00 00 f8 ff ff ff" in str(returned.value)
    assert [(c.argument, c.text) for c in changed.changed] == [(1, '"02 00 00 00 f8 ff ff ff"')]
    assert str(problem.value).startswith("a Go interface (type 0x")


def test_prototypes_from_the_header_that_cgo_writes(go_build: GoBuild, tmp_path: Path) -> None:
    built = go_build("1.27.3", SOURCE, mode="c-shared")
    stripped = tmp_path / "stripped.so"
    subprocess.run(["strip", "-o", stripped, built], check=True)
    step = call(stripped, 'Upper("a")', headers=(str(built.with_suffix(".h")),)).steps[0]
    assert step.value == '"A"'
    assert "GoString Upper(GoString text) (from library.h)" in step.detail
    assert "GODEBUG=cgocheck=0" in step.detail
    step = call(stripped, 'Upper("a")', signatures=("GoString Upper(GoString)",)).steps[0]
    assert step.value == '"A"'


def test_without_a_prototype_the_header_is_asked_for(go_build: GoBuild, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped.so"
    subprocess.run(["strip", "-o", stripped, go_build("1.27.3", SOURCE, mode="c-shared")], check=True)
    result = call(stripped, 'Upper("a", 1)')
    assert result.steps[0].outcome is Outcome.PANICKED
    assert result.fix == f"soinspect call {stripped} 'Upper(\"a\", 1)' --header {stripped.with_suffix('.h')}"


def test_settings_of_the_user_are_kept(go_build: GoBuild) -> None:
    built = go_build("1.27.3", SOURCE, mode="c-shared")
    assert call(built, 'Upper("a")', GODEBUG="madvdontneed=1").steps[0].value == '"A"'
    refused = call(built, 'Upper("a")', GODEBUG="cgocheck=1").steps[0]
    assert refused.outcome is Outcome.PANICKED
    assert "unpinned Go" in refused.detail


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("IsNil(1)", "cannot be passed as a Go interface"),
        ("IsNil({1, 2})", "cannot be passed as a Go interface"),
        ("Upper(1)", "it takes a text"),
        ("Total(5)", r"it takes a text, or \[1, 2\]"),
        ("Total([1, i32:2])", "differ in size"),
        ("Total([null_if_asked])", "is not an element"),
        ("Total([1, [2]])", "is not an element"),
        ("Join([)", "not closed"),
    ],
)
def test_values_that_c_cannot_make(go_build: GoBuild, step: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(go_build("1.27.3", SOURCE, mode="c-shared"), step)


@pytest.mark.parametrize("traceback", ["crash", "single"])
def test_a_panic_is_explained(library: Path, traceback: str) -> None:
    result = call(library, 'Panic("way")', "Upper(null)", GOTRACEBACK=traceback)
    assert [step.outcome for step in result.steps] == [Outcome.PANICKED, Outcome.NOT_REACHED]
    assert result.summary == "calling Panic: it panicked: no way, in main.Panic (library.go:84)"
    assert result.steps[0].backtrace[0].startswith("main.Panic at ")


@pytest.mark.parametrize(
    ("step", "outcome", "why"),
    [
        ("NilPointer()", Outcome.PANICKED, "nil pointer dereference (SIGSEGV at address 0x0), in main.NilPointer"),
        ("PanicElsewhere()", Outcome.PANICKED, "panicked: in a goroutine"),
        ("CrashInC()", Outcome.CRASHED, "in C code that Go called"),
    ],
)
def test_faults_are_explained(library: Path, step: str, outcome: Outcome, why: str) -> None:
    result = call(library, step)
    assert result.steps[0].outcome is outcome
    assert why in result.summary
