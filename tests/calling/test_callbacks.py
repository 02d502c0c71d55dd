"""Callbacks: what they return reaches the callee, and what they were called with is told, by their types."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calls import ENVIRONMENT, call
from soinspect.calling.arguments import parse_argument
from soinspect.calling.header import read_header
from soinspect.calling.signature import differences, parse_signature
from soinspect.calling.typed import fit_arguments
from soinspect.errors import UsageError
from soinspect.model.calling import Outcome

if TYPE_CHECKING:
    from conftest import Compile

pytestmark = pytest.mark.usefixtures("no_left_over_process")

HEADER = """
struct s { int x; };
enum colour { RED = 1, GREEN };
typedef enum colour chooser(int);
double twice(double (*f)(double));
float half(float (*f)(float, char));
int each(int (*f)(int, double, const char *), int count);
long wide(long (*f)(signed char, unsigned short, _Bool, float, void *, long, long, long, long));
enum colour choose(chooser *f);
void both(void (*first)(int), int (*second)(void));
double old(double (*f)());
int structured(int (*f)(struct s *));
unsigned char flags(unsigned char (*f)(unsigned char));
"""
BODIES = """
double twice(double (*f)(double)) { return 2 * f(2.5); }
float half(float (*f)(float, char)) { return f(0.1f, 'a') / 2; }
int each(int (*f)(int, double, const char *), int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum += f(-i, i * 1.5, i % 2 ? 0 : "text");
    return sum;
}
long wide(long (*f)(signed char, unsigned short, _Bool, float, void *, long, long, long, long)) {
    return f(-1, 65535, 1, 1.5f, (void *)0x10, 5, 6, 7, -8);
}
enum colour choose(chooser *f) { return f(4); }
void both(void (*first)(int), int (*second)(void)) { first(1); second(); first(2); }
double old(double (*f)()) { return f(1); }
int structured(int (*f)(struct s *)) { return f(0); }
unsigned char flags(unsigned char (*f)(unsigned char)) { return f(200); }
"""
TWICE = "double twice(double (*f)(double))"


@pytest.fixture
def library(cc: Compile) -> Path:
    return cc(HEADER + BODIES, "-g", "-w")


@pytest.fixture
def bare(cc: Compile) -> Path:
    return cc(HEADER + BODIES, "-w")


@pytest.mark.parametrize(
    ("step", "value", "calls"),
    [
        ("twice(cb:ret=1.5)", "3.0", "called back once, with (2.5)"),
        ("twice(cb:ret=7)", "14.0", "called back once, with (2.5)"),
        ("twice(cb:)", "0.0", "called back once, with (2.5)"),
        ("half(cb:ret=-3)", "-1.5", "with (0.10000000149011612, 97)"),
        ("each(cb:ret=-2, 3)", "-6", 'called back 3 times, with (0, 0.0, "text"), (-1, 1.5, NULL), (-2, 3.0, "text");'),
        ("each(cb:ret=1, 0)", "0", ""),
        ("wide(cb:ret=0xffffffffffffffff)", "-1", "with (-1, 65535, true, 1.5, 0x10, 5, 6, 7, -8)"),
        ("choose(cb:ret=GREEN)", "2", "with (4)"),
        ("both(cb:ret=3, cb:ret=4)", None, "argument 1 was called back 2 times, with (1), (2)"),
        ("both(cb:ret=3, cb:ret=4)", None, "argument 2 was called back once, with ()"),
        ("old(cb:ret=2.5)", "2.5", "called back once, with the integer registers (0x1, "),
        ("structured(cb:ret=5)", "5", "with (NULL)"),
        ("flags(cb:ret=255)", "255", "with (200)"),
    ],
)
def test_callbacks_by_their_types(library: Path, step: str, value: str | None, calls: str) -> None:
    answer = call(library, step).steps[0]
    assert answer.value == value
    assert calls in answer.detail
    assert bool(calls) == ("called back" in answer.detail)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("each(cb:ret=1.5, 3)", "1.5 cannot be passed as int: the result of parameter f of int each"),
        ("flags(cb:ret=256)", "256 does not fit into unsigned char"),
        ("choose(cb:ret=BLUE)", "enum colour has no BLUE"),
        ('twice(cb:ret="text")', "a callback returns numbers only"),
        ("twice(cb:ret={1})", "cannot be passed as double"),
        ("twice(cb:ret=cb:)", "a callback returns numbers only"),
    ],
)
def test_what_a_callback_cannot_return_is_refused(library: Path, step: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(library, step)


@pytest.mark.parametrize("result", ["struct s", "long double", "__int128"])
def test_only_numbers_and_pointers_are_returned(result: str) -> None:
    prototype = parse_signature(f"struct s {{ int x, y; }}; int f({result} (*g)(int))")
    with pytest.raises(UsageError, match=f"cb: cannot return {result}, only a number or a pointer"):
        fit_arguments((parse_argument("cb:"),), prototype)


def test_arguments_that_lie_in_several_registers_are_shown_as_registers(cc: Compile) -> None:
    source = "struct s { long a, b; }; int f(int (*g)(struct s, int)) { return g((struct s){1, 2}, 3); }"
    answer = call(cc(source, "-g"), "f(cb:ret=5)").steps[0]
    assert (answer.value, "with the integer registers (0x1, 0x2, 0x3, " in answer.detail) == ("5", True)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names registers of x86-64")
def test_without_a_type_a_number_goes_to_the_register_of_its_class(bare: Path) -> None:
    answer = call(bare, "twice(cb:ret=1.5)").steps[0]
    assert str(answer.value).endswith("xmm0 = 3.0 as a double")
    assert "called back once, with the integer registers (0x" in answer.detail
    assert str(call(bare, "each(cb:ret=7, 2)").steps[0].value) == "0xe (14)"
    with pytest.raises(UsageError, match="which type is it"):
        call(bare, "choose(cb:ret=GREEN)")


def test_a_declaration_and_a_header_tell_the_type_too(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(bare, "twice(cb:ret=1.5)", signatures=(TWICE,)).steps[0].value == "3.0"
    by_name = "typedef double fun(double); typedef fun *pointer; double twice(pointer f)"
    assert call(bare, "twice(cb:ret=1.5)", signatures=(by_name,)).steps[0].value == "3.0"
    assert call(bare, "twice(cb:ret=1.5)", signatures=(by_name.replace("pointer f", "fun f"),)).steps[0].value == "3.0"
    header = tmp_path / "callbacks.h"
    header.write_text(HEADER)
    for _ in range(2):
        answer = call(bare, "each(cb:ret=-2, 1)", headers=(str(header),)).steps[0]
        assert (answer.value, 'with (0, 0.0, "text");' in answer.detail) == ("-2", True)
        assert call(bare, "choose(cb:ret=GREEN)", headers=(str(header),)).steps[0].value == "2"
        monkeypatch.setitem(sys.modules, "soinspect.calling.clangheader", None)  # then the preprocessor reads it


def test_all_sources_agree_on_callbacks(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = tmp_path / "callbacks.h"
    header.write_text(HEADER)
    read = [read_header(str(header), ENVIRONMENT).functions]
    monkeypatch.setitem(sys.modules, "soinspect.calling.clangheader", None)
    read.append(read_header(str(header), ENVIRONMENT).functions)
    assert len(read[0]) == 9
    for name, prototype in read[0].items():
        assert differences(prototype, read[1][name]) == ()
        arguments = ["cb:" if parameter.type.function else "1" for parameter in prototype.parameters]
        answer = call(library, f"{name}({', '.join(arguments)})", headers=(str(header),)).steps[0]
        assert answer.outcome is Outcome.RETURNED
        assert "disagree" not in answer.detail


def test_callbacks_of_another_type_are_a_finding(library: Path) -> None:
    told = call(library, "twice(cb:ret=1)", signatures=("double twice(double (*f)(int))",)).steps[0].detail
    assert "parameter 1 is double (*)(int) in --sig, double (*)(double) in DWARF" in told
    same = parse_signature("int f(int (*)(const void *, unsigned long))")
    assert differences(same, parse_signature("int f(int (*)(char *, long unsigned))")) == ()
    assert differences(same, parse_signature("int f(int (*)())")) == ()
    assert differences(same, parse_signature("int f(char (*)())"))


def test_errno_is_that_of_the_callee(cc: Compile) -> None:
    source = """
    #include <errno.h>
    void keep(void (*f)(const char *)) { f(0); f((const char *)0x10); }
    void set(void (*f)(const char *)) { errno = ENOENT; f(0); }
    """
    kept, set_before = call(cc(source, "-g"), "keep(cb:)", "set(cb:)").steps
    assert "errno" not in kept.detail
    assert "with (NULL), (0x10);" in kept.detail
    assert "errno = 2 " in set_before.detail


def test_any_number_of_calls(library: Path) -> None:
    answer = call(library, "each(cb:ret=1, 50000)").steps[0]
    assert answer.value == "50000"
    assert "called back 50,000 times, with (0, 0.0, " in answer.detail
    assert "(-3, 4.5, NULL), ...;" in answer.detail


def test_a_callback_that_is_kept_is_told_with_its_own_type(cc: Compile) -> None:
    source = """
    static double (*kept)(float);
    static int (*other)(int);
    void keep(double (*f)(float)) { kept = f; }
    double use(int (*f)(int)) { return kept(1.5f) + f(3); }
    """
    answer = call(cc(source, "-g"), "keep(cb:ret=0.25)", "use(cb:ret=1)")
    assert "called back" not in answer.steps[0].detail
    assert answer.steps[1].value == "1.25"
    assert answer.steps[1].detail.count("argument 1 was called back once, with (1.5)") == 1
    assert answer.steps[1].detail.count("argument 1 was called back once, with (3)") == 1


def test_sorting_with_a_comparator() -> None:
    libc = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line)
    answer = call(
        Path(libc),
        "qsort(&{i32:3, i32:1}, 2, 4, cb:ret=1)",
        signatures=("void qsort(void *, size_t, size_t, int (*)(const void *, const void *))",),
    ).steps[0]
    assert "called back once, with (0x" in answer.detail
    assert [change.text for change in answer.changed] == ['"01 00 00 00 03 00 00 00"']


KINDS = ("signed char", "unsigned char", "short", "unsigned short", "int", "unsigned", "long", "unsigned long", "_Bool",
         "float", "double", "const char *", "void *")  # fmt: skip


def value_of(kind: str, choose: random.Random) -> tuple[str, str]:
    """A value of the type in C, and as it is told."""
    if kind == "_Bool":
        return choose.choice((("0", "false"), ("1", "true")))
    if kind in ("float", "double"):
        number = choose.randint(-4000, 4000) / 4
        return repr(number), repr(number)
    if kind == "const char *":
        return '"text"', '"text"'
    if kind == "void *":
        return "(void *)0x7b", "0x7b"
    bits = {"char": 8, "short": 16, "int": 32, "unsigned": 32, "long": 64}[kind.split()[-1]]
    low, high = (0, (1 << bits) - 1) if kind.startswith("unsigned") else (-(1 << (bits - 1)) + 1, (1 << (bits - 1)) - 1)
    number = choose.choice((low, high, choose.randint(low, high)))
    return f"{number}{'u' if low == 0 else ''}{'l' if bits == 64 else ''}", str(number)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 40))])
def test_callbacks_of_types_at_random(cc: Compile, seed: int) -> None:
    choose = random.Random(seed)
    source, steps, expected = "", [], []
    for number in range(40):
        kinds = [choose.choice(KINDS) for _ in range(choose.randint(1, 20))]
        values = [value_of(kind, choose) for kind in kinds]
        result = choose.choice([kind for kind in KINDS if "*" not in kind])
        told = value_of(result, choose)[1]
        constants = ", ".join(constant for constant, _ in values)
        source += f"{result} f{number}({result} (*f)({', '.join(kinds)})) {{ return f({constants}); }}\n"
        steps.append(f"f{number}(cb:ret={told})")
        expected.append((told, f"called back once, with ({', '.join(text for _, text in values)});"))
    answers = call(cc(source, "-g", choose.choice(("-O0", "-O2"))), *steps).steps
    for answer, (value, called) in zip(answers, expected, strict=True):
        assert answer.value == value
        assert called in answer.detail
