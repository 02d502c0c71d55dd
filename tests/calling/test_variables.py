"""Variables by their types, texts that come back, and memory that is overrun."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from soinspect.errors import UsageError
from soinspect.model.calling import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Compile, Soinspect

pytestmark = pytest.mark.usefixtures("no_left_over_process")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("variables") / "variables.so"
    source = FIXTURES / "library-with-variables" / "variables.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", "-O1", "-w", "-o", output, source], check=True)
    return output


VARIABLES = {
    "number": ("-5", "int"),
    "octet": ("200", "uint8_t"),
    "ratio": ("0.5", "double"),
    "half": ("0.5", "float"),
    "ready": ("true", "_Bool"),
    "greeting": ('"hello"', "char[16]"),
    "text": ('"pointed to"', "const char *"),
    "nothing": ("NULL", "char *"),
    "numbers": ("{1, 2, 3}", "int[3]"),
    "origin": ('{x=3, y=1.5, label="origin"}', "struct point"),
    "favourite": ("7", "enum colour"),
    "fixed": ("11", "const int"),
}


def test_variables_are_shown_by_their_types(library: Path) -> None:
    steps = call(library, *VARIABLES).steps
    assert {step.step.text: (step.value, step.type) for step in steps} == VARIABLES
    assert all("(from DWARF)" in step.detail for step in steps)


@pytest.mark.parametrize(
    ("assignment", "check", "value"),
    [
        ("number=-7", "number", "-7"),
        ("ratio=3", "ratio", "3.0"),
        ("half=1.5", "half", "1.5"),
        ("ready=false", "ready", "false"),
        ('greeting="good day"', "length_of_greeting", "8"),
        ('text="new text"', "length_of_text", "8"),
        ("text=null", "text", "NULL"),
        ("numbers={4, 5, 6}", "sum_of_numbers", "15"),
        ('origin={y=2.5, label="abc"}', "sum_of_origin", "5.5"),
        ("favourite=0", "favourite", "0"),
    ],
)
def test_variables_are_assigned_by_their_types(library: Path, assignment: str, check: str, value: str) -> None:
    assigned, checked = call(library, assignment, check).steps
    assert assigned.outcome is Outcome.ASSIGNED
    assert checked.value == value


@pytest.mark.parametrize(
    ("assignment", "why"),
    [
        ("number=0x100000000", "does not fit into int"),
        ("number=1.5", "cannot be passed as int"),
        ("numbers=5", "write {...}"),
        ("origin={z=1}", "has no place in struct point"),
        ('greeting="far too long for that"', r"does not fit into char\[16\]"),
        ("text=cb:ret=1", "cannot be a member"),
    ],
)
def test_values_that_do_not_fit(library: Path, assignment: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(library, assignment)


def test_a_constant_cannot_be_written(library: Path) -> None:
    crash = call(library, "fixed=12").crash
    assert crash
    assert crash.phase == "assigning to fixed"
    assert "read-only memory was written to" in crash.why


# -- texts


@pytest.mark.parametrize(
    ("step", "value"),
    [
        ("latin", r'"caf\xe9 \"quoted\"\n"'),
        ("empty", '""'),
        ("long_text", f'"{"x" * 300}..." (600 bytes)'),
        ("endless_text", f'"{"y" * 300}..." (4,096 bytes or more)'),
    ],
)
def test_texts_are_escaped_and_cut(library: Path, step: str, value: str) -> None:
    assert call(library, step).steps[0].value == value


# -- overruns


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("overrun(buf:10, 13)", "it wrote 3 bytes past the end of argument 1, buf:10"),
        ("overrun(str:abc, 5)", "it wrote 1 byte past the end of argument 1, str:abc"),
        ("underrun(buf:16, 8)", "it wrote 8 bytes in front of argument 1, buf:16"),
    ],
)
def test_small_overruns_are_seen_afterwards(library: Path, step: str, why: str) -> None:
    result = call(library, step)
    assert not result.good
    assert result.steps[0].outcome is Outcome.OVERRAN
    assert why in result.summary


def test_large_overruns_end_the_call(library: Path) -> None:
    assert call(library, "overrun(buf:64, 64)", "overrun(buf:0, 0)", "overrun(buf:10, 10)").good
    crash = call(library, "overrun(buf:64, 5000)").crash
    assert crash
    assert crash.why == "it went past the end of argument 1, buf:64: the access is 0 bytes behind it"


# -- what is asked for in vain


def test_a_function_with_parameters_is_not_called_without(library: Path) -> None:
    with pytest.raises(
        UsageError, match=r"void overrun\(char \*to, int count\) \(from DWARF\) takes 2 arguments, not 0"
    ):
        call(library, "overrun")


def test_a_prototype_for_no_step(library: Path, soinspect: Soinspect) -> None:
    with pytest.raises(UsageError, match="--sig declares other, which is the function of no step"):
        call(library, "empty", signatures=("int other(void)",))
    assert soinspect("call", library, "number", "--sig", "int number(void)").code == 2


def test_names_with_abi_tags(cc: Compile, tmp_path: Path) -> None:
    source = tmp_path / "tags.cpp"
    source.write_text('struct [[gnu::abi_tag("v2")]] t { int x; }; namespace ns { t *make() { return nullptr; } }')
    library = cc(source)
    for name in ("ns::make", "ns::make()", "ns::make[abi:v2]", "ns::make[abi:v2]()"):
        assert call(library, name).steps[0].value == "0x0 (0)"
    with pytest.raises(UsageError, match=r"near names: ns::make"):
        call(library, "ns::mkae")


# -- a namespace of its own


def test_a_namespace_of_its_own(library: Path, cc: Compile) -> None:
    result = call(library, "number", "long_text", "number=3", "number", namespace=True)
    assert [step.value for step in result.steps][::3] == ["-5", "3"]
    assert any("errno is not seen" in line for line in result.evidence)
    printing = cc('#include <stdio.h>\nint f(void) { return printf("no newline"); }', name="printing.so")
    assert call(printing, "f", namespace=True).stdout == b"no newline"
    alone = cc("int f(void) { return 4; }", "-nostdlib", name="alone.so")
    assert call(alone, "f", namespace=True).steps[0].value == "0x4 (4)"
    python = cc("int PyInit_x(void) { return 0; }", name="python.so")
    with pytest.raises(UsageError, match="needs a Python interpreter"):
        call(python, "PyInit_x", namespace=True)


@pytest.fixture(scope="module")
def bare(library: Path) -> Path:
    stripped = library.with_name("bare.so")
    subprocess.run(["strip", "-g", "-o", stripped, library], check=True)
    return stripped


DECLARATIONS = {
    "number": "int number",
    "octet": "unsigned char octet",
    "ratio": "extern double ratio",
    "half": "float half;",
    "ready": "_Bool ready",
    "greeting": "char greeting[16]",
    "text": "const char *text",
    "nothing": "char *nothing",
    "numbers": "int numbers[3]",
    "origin": "struct point { int x; double y; const char *label; }; struct point origin",
    "favourite": "enum colour { RED = 7 } favourite",
    "fixed": "const int fixed",
}


def test_variables_have_the_type_that_the_user_declares(bare: Path, library: Path) -> None:
    for name, (value, _) in VARIABLES.items():
        for file in (bare, library):
            answer = call(file, name, signatures=(DECLARATIONS[name],)).steps[0]
            assert (answer.value, answer.detail) == (value, f"{answer.type} (from --sig)")
    declared = tuple(DECLARATIONS[name] for name in ("number", "text", "numbers", "favourite"))
    answers = call(bare, "number=-7", 'text="other"', "numbers={4}", "favourite=RED", *("number", "text", "numbers"),
                   signatures=declared).steps  # fmt: skip
    assert [it.outcome for it in answers[:4]] == [Outcome.ASSIGNED] * 4
    assert [it.value for it in answers[4:]] == ["-7", '"other"', "{4, 0, 0}"]


def test_declared_variables_that_are_others(bare: Path, library: Path) -> None:
    told = call(library, "ratio", "ratio=5", signatures=("long ratio",)).steps
    assert told[0].detail == "the types disagree: it is long in --sig, double in DWARF; long (from --sig)"
    assert told[1].detail == "the types disagree: it is long in --sig, double in DWARF; assigned"
    assert [it.outcome for it in told] == [Outcome.DISAGREED] * 2
    told = call(library, "origin", signatures=("struct { int x; int y; } origin",)).steps
    assert "of another layout in DWARF" in told[0].detail
    told = call(bare, "numbers", signatures=("int numbers",)).steps
    assert told[0].value == "1"
    assert told[0].detail == "int (from --sig); the variable has 12 bytes, of which int is the first 4"


@pytest.mark.parametrize(
    ("declaration", "why"),
    [
        ("long number", "--sig: long has 8 bytes, number only 4"),
        ("int sum_of_numbers", "--sig declares sum_of_numbers, which is the variable of no step"),
        ("int number(void)", "--sig declares number, which is the function of no step"),
        ("int ratio", "--sig declares ratio, which is the variable of no step"),
        ("handle number", "the type 'handle' is not known as a whole; put its definition in front"),
        ("void number", "the type 'void' is not known"),
    ],
)
def test_declarations_that_do_not_fit(bare: Path, declaration: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(bare, "number", "sum_of_numbers", signatures=(declaration,))
