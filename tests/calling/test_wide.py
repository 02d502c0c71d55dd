"""Numbers of more than eight bytes, and complex ones: what gcc's code gets and gives back."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from soinspect.calling import passing
from soinspect.calling.arguments import parse_argument
from soinspect.calling.extended import extended_bytes, extended_text
from soinspect.calling.signature import parse_signature
from soinspect.calling.typed import fit_arguments
from soinspect.calling.worker import caller
from soinspect.errors import UsageError
from soinspect.model.calling import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Compile

pytestmark = [
    pytest.mark.usefixtures("no_left_over_process"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the System V ABI for x86-64"),
]


@pytest.fixture(scope="module", params=["-O0", "-O2"])
def wide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("wide") / "wide.so"
    source = FIXTURES / "callee-that-takes-wide-numbers" / "wide.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", request.param, "-o", library, source], check=True)
    return library


MOST, LEAST = (1 << 127) - 1, -(1 << 127)
CALLS = {
    "extended(1.5, 2, 3)": "8.0",
    "extended(1e4000, -1, i32:7)": "2e+4000",
    "same_extended(0.1)": "0.1",
    "same_extended(18446744073709551615)": "18446744073709551615",
    "same_extended(-inf)": "-inf",
    "third": "0.33333333333333333334",
    "behind_seven(1, 2, 3, 4, 5, 6, 7, 0.5, 8)": "891.5",
    f"next({MOST - 1})": f"{MOST}",
    f"next({LEAST})": f"{LEAST + 1}",
    "next(-1)": "0",
    "next(i8:-2)": "-1",
    f"same_wide({(1 << 128) - 1:#x})": f"{(1 << 128) - 1}",
    "behind_five(1, 2, 3, 4, 5, -7, 9)": "-46",
    f"behind_seven_wide(1, 2, 3, 4, 5, 6, 7, {1 << 70}, 9)": f"{28 + 10 * (1 << 70) + 9}",
    "times({1, 2}, {re=3, im=4})": "{re=-5.0, im=10.0}",
    "turned({1, 2})": "{re=-2.0, im=1.0}",
    "behind_seven_doubles(1, 2, 3, 4, 5, 6, 7, {8, 9}, 10)": "{re=1036.0, im=9.0}",
    "scaled({1.5, im=-2}, 3)": "{re=4.5, im=-6.0}",
    "first({{1, 2}, {3, 4}})": "{re=1.0, im=2.0}",
    "waves": "{one={re=1.0, im=2.0}, two={re=3.0, im=4.0}}",
    "half({1})": "{x=0.5}",
    "swapped({1, 2})": "{re=2.0, im=1.0}",
    f"following({{{MOST - 1}}})": f"{{x={MOST}}}",
    'changed(1, {64, -3, 1.5, "text"})': '{c=65, x=-2, y=3.0, text="text"}',
    "twice_any({x=5})": "{x=10, parts={5e-323, 0.0}}",
    "thrice({x=0.5})": "{x=1.5, y=-2.0}",
    "negated({1, 2.5})": "{c=1, x=-2.5}",
    "behind_five_struct(1, 2, 3, 4, 5, {-7}, 9)": "-46",
    "behind_seven_struct(1, 2, 3, 4, 5, 6, 7, {0.5}, 8)": "41.0",
    "of_pointed_to(&{1, 2, 3.5, null})": "6",
    "ratio": "1.5",
    "number": "-5",
}


def test_they_travel_as_gcc_has_them(wide: Path) -> None:
    result = call(wide, *CALLS)
    assert {step.step.text: step.value for step in result.steps} == CALLS
    assert all(step.abi is None or step.abi.kept for step in result.steps)


def test_they_are_assigned(wide: Path) -> None:
    result = call(wide, "ratio=-0.25", "ratio", f"number={MOST}", "number", "waves={{5, 6}}", "waves")
    assert [it.outcome for it in result.steps[::2]] == [Outcome.ASSIGNED] * 3
    shown = ["-0.25", f"{MOST}", "{one={re=5.0, im=6.0}, two={re=0.0, im=0.0}}"]
    assert [it.value for it in result.steps[1::2]] == shown


DECLARATIONS = {
    "long double extended(long double, int, long double)": ("extended(1.5, 2, 3)", "8.0"),
    "__int128 next(__int128 a)": ("next(-2)", "-1"),
    "unsigned __int128 same_wide(__uint128_t)": (f"same_wide({1 << 127})", f"{1 << 127}"),
    "float _Complex times(float _Complex, _Complex float)": ("times({1, 2}, {3, 4})", "{re=-5.0, im=10.0}"),
    "struct w { char c; __int128 x; long double y; const char *text; }; struct w changed(long, struct w)": (
        "changed(1, {64, -3, 1.5, null})",
        "{c=65, x=-2, y=3.0, text=NULL}",
    ),
    "struct w { long double x; }; struct w half(struct w)": ("half({1})", "{x=0.5}"),
    "long double _Complex scaled(long double _Complex, int)": ("scaled({1, 2}, 3)", "{re=3.0, im=6.0}"),
}


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_declarations_name_them(declaration: str, wide: Path, tmp_path: Path) -> None:
    header = tmp_path / "wide.h"
    header.write_text(f"{declaration};\n")
    step, value = DECLARATIONS[declaration]
    for more in ({"signatures": (declaration,)}, {"headers": (str(header),)}):
        (answer,) = call(wide, step, **more).steps  # type: ignore[arg-type]
        assert answer.value == value
        assert "disagree" not in answer.detail


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (f"next({MOST + 1})", rf"{MOST + 1} does not fit into wide \({LEAST} to {MOST}\): parameter a of wide next"),
        ("next(1.5)", "1.5 cannot be passed as wide"),
        ('extended("1", 2, 3)', "cannot be passed as long double"),
        ("extended(1e5000, 2, 3)", "1e5000 does not fit into long double"),
        ("extended(1e999999999, 2, 3)", "1e999999999 does not fit into long double"),
        (f"bits_of({1 << 64}, null)", "cannot be passed as const char"),
        (f"+0x1100({1 << 64})", "does not fit into 64 bits"),
    ],
)
def test_what_does_not_fit_is_refused(wide: Path, step: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(wide, step)


def test_other_machines_have_other_rules(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "_MACHINE", "aarch64")
    for step in ("third", "next(1)", "scaled({1, 2}, 3)"):
        with pytest.raises(UsageError, match="is passed on x86-64 only"):
            call(wide, step)


def test_without_machine_code_of_ours_they_travel_through_ctypes(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "make_thunk", lambda: None)
    library = ctypes.CDLL(str(wide))
    for declaration, texts, value in (
        ("__int128 next(__int128)", ("41",), 42),
        ("int whole(long double)", ("6.75",), 6),
        ("int whole_parts(long double _Complex)", ("{4, 2}",), 42),
    ):
        prototype = parse_signature(declaration)
        arguments = fit_arguments(tuple(map(parse_argument, texts)), prototype)
        address = ctypes.cast(library[prototype.name], ctypes.c_void_p).value or 0
        worker = caller.Caller(lambda *_: None)
        returned, *_ = worker.call(address, worker.place(0, tuple(it.wire for it in arguments)), None, with_lock=False)
        assert returned.integers[0] == value


def test_long_doubles_are_read_as_the_c_library_reads_them(wide: Path) -> None:
    """Every text becomes the nearest number, and what is shown becomes that number again."""
    bits_of = ctypes.CDLL(str(wide)).bits_of
    choose = random.Random(20)
    texts = ["0.0", "-0.0", "1", "-1.5", "inf", "-inf", "0.1", "1e-4950", "3.6451995318824746025e-4951",
             "1.18973149535723176502e+4932", "3.3621031431120935063e-4932", "9007199254740993",
             "1e300", "2e300", "1e-999999999"]  # fmt: skip
    texts += [f"{choose.choice('-+')}{choose.random()}e{choose.randint(-4950, 4930)}" for _ in range(300)]
    texts += [str(choose.getrandbits(choose.randint(1, 200))) for _ in range(100)]
    out = ctypes.create_string_buffer(16)
    for text in texts:
        bits_of(text.encode(), out)
        expected = out.raw[:10]
        assert (text, extended_bytes(text.lstrip("+"))[:10]) == (text, expected)
        shown = extended_text(expected)
        bits_of(shown.encode(), out)
        assert (shown, out.raw[:10]) == (shown, expected)
    assert extended_text(extended_bytes("nan")) == "nan"
    assert extended_text(bytes(7) + b"\x40\xff\x3f") == "nan"  # a pattern that is no number


# -- prototypes at random

PRELUDE = """
#include <complex.h>
#include <stdio.h>
struct pair { long a, b; };
struct one { long double x; };
struct two { long double x, y; };
struct wide { __int128 x; };
char said[1000];
const char *text = said;
"""
SHOWN = {  # how the callee prints a parameter of a type
    "int": ('"%d "', "{0}"),
    "long": ('"%ld "', "{0}"),
    "float": ('"%.2f "', "{0}"),
    "double": ('"%.2f "', "{0}"),
    "long double": ('"%.2Lf "', "{0}"),
    "__int128": ('"%016lx%016lx "', "(long)((unsigned __int128){0} >> 64), (long){0}"),
    "float _Complex": ('"%.2f %.2f "', "crealf({0}), cimagf({0})"),
    "double _Complex": ('"%.2f %.2f "', "creal({0}), cimag({0})"),
    "long double _Complex": ('"%.2Lf %.2Lf "', "creall({0}), cimagl({0})"),
    "struct pair": ('"%ld %ld "', "{0}.a, {0}.b"),
    "struct one": ('"%.2Lf "', "{0}.x"),
    "struct two": ('"%.2Lf %.2Lf "', "{0}.x, {0}.y"),
    "struct wide": ('"%016lx%016lx "', "(long)((unsigned __int128){0}.x >> 64), (long){0}.x"),
}


def value_of(kind: str, choose: random.Random) -> tuple[str, str, str]:
    """A value as it is written, as the callee prints it, and as it is shown when it comes back."""
    bits = {"int": 32, "long": 64, "__int128": 128, "struct wide": 128}.get(kind)
    if bits:
        number = choose.randrange(-(1 << (bits - 1)), 1 << (bits - 1))
        if kind == "struct wide":
            return f"{{{number}}}", f"{number % (1 << bits):032x} ", f"{{x={number}}}"
        return str(number), f"{number % (1 << bits):032x} " if bits == 128 else f"{number} ", str(number)
    if kind == "struct pair":
        a, b = choose.randint(-9, 9), choose.randint(-9, 9)
        return f"{{{a}, {b}}}", f"{a} {b} ", f"{{a={a}, b={b}}}"
    one, two = choose.randint(-400, 400) / 4, choose.randint(-400, 400) / 4
    if kind == "struct one":
        return f"{{{one}}}", f"{one:.2f} ", f"{{x={one}}}"
    if kind == "struct two":
        return f"{{{one}, {two}}}", f"{one:.2f} {two:.2f} ", f"{{x={one}, y={two}}}"
    if kind.endswith("_Complex"):
        return f"{{{one}, {two}}}", f"{one:.2f} {two:.2f} ", f"{{re={one}, im={two}}}"
    return str(one), f"{one:.2f} ", str(one)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 20))])
@pytest.mark.parametrize("optimised", ["-O0", "-O2"])
def test_any_prototype(seed: int, optimised: str, tmp_path: Path) -> None:
    """Functions of up to twelve parameters print what they got, and return one of them."""
    choose = random.Random(seed)
    source, steps, expected = PRELUDE, [], []
    for number in range(40):
        kinds = choose.choices(list(SHOWN), k=choose.randint(1, 12))
        values = [value_of(kind, choose) for kind in kinds]
        back = choose.randrange(len(kinds))
        parameters = ", ".join(f"{kind} p{i}" for i, kind in enumerate(kinds))
        prints = "".join(
            f"at += sprintf(at, {SHOWN[kind][0]}, {SHOWN[kind][1].format(f'p{i}')}); " for i, kind in enumerate(kinds)
        )
        source += f"{kinds[back]} f{number}({parameters}) {{ char *at = said; {prints}return p{back}; }}\n"
        steps += [f"f{number}({', '.join(written for written, _, _ in values)})", "text"]
        expected += [values[back][2], f'"{"".join(printed for _, printed, _ in values)}"']
    (tmp_path / "any.c").write_text(source)
    command = ["gcc", "-shared", "-fPIC", "-g", optimised, "any.c", "-o", "any.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    result = call(tmp_path / "any.so", *steps)
    assert [it.value for it in result.steps] == expected
    assert all(it.abi is None or it.abi.kept for it in result.steps)


def test_a_sign_before_int128_is_no_type_of_its_own() -> None:
    parameters = parse_signature("void f(signed __int128, unsigned __int128, __int128 unsigned a)").parameters
    assert [(it.type.size, it.type.signed) for it in parameters] == [(16, True), (16, False), (16, False)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("float complex f(float complex a)", "float _Complex f(float _Complex a)"),
        ("double complex f(double complex, complex double)", "double _Complex f(double _Complex, double _Complex)"),
        ("complex float f(int complex)", "float _Complex f(int complex)"),
        ("long double complex *f(double long complex x)", "long double _Complex *f(long double _Complex x)"),
        ("_Complex long double f(long _Complex double x)", "long double _Complex f(long double _Complex x)"),
        ("typedef double  complex dc; dc f(const dc *x)", "dc f(const dc *x)"),
        ("typedef struct { double complex; } t; t f(t x)", "t f(t x)"),
        ("void f(float\n_Complex x)", "void f(float _Complex x)"),
    ],
)
def test_complex_types_as_complex_h_spells_them(text: str, meant: str) -> None:
    assert parse_signature(text).text == meant


def test_complex_numbers_by_every_source(cc: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = cc("#include <complex.h>\nfloat complex twice(float complex z) { return 2 * z; }")
    declaration = "float complex twice(float complex z)"
    header = tmp_path / "complex_numbers.h"
    header.write_text(f"#include <complex.h>\n{declaration};\n")
    step, value = "twice({1, -2.5})", "{re=2.0, im=-5.0}"
    assert call(library, step, signatures=(declaration,)).steps[0].value == value
    assert call(library, step, headers=(str(header),)).steps[0].value == value
    monkeypatch.setitem(sys.modules, "soinspect.calling.clangheader", None)
    assert call(library, step, headers=(str(header),)).steps[0].value == value
