"""``&{...}``: what pointers of known type lead to, and why some of it cannot be made."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from calls import call
from soinspect.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Compile

pytestmark = pytest.mark.usefixtures("no_left_over_process")

TYPES = """
typedef struct { unsigned low : 3; int high : 5; } bits;
typedef struct { double part; } __attribute__((aligned(32))) wide_part;
typedef struct { char mark; _Alignas(16) int number; } spaced;
enum colour { RED = 1, GREEN };
"""
CODE = """
int sum(const int *numbers, int count) { int s = 0; while (count--) s += *numbers++; return s; }
double sum_of_doubles(const double *numbers, int count) { double s = 0; while (count--) s += *numbers++; return s; }
int words(char **list) { int n = 0; while (list[n]) n++; return n; }
void write(int *one, float *two, unsigned short *three) { *one = -5; *two = 2.5f; three[1] = 7; }
void paint(enum colour *all) { all[1] = GREEN; }
int text(const unsigned char *bytes) { return bytes[2]; }
int anything(void *at) { return *(int *)at; }
int low(bits b) { return b.low; }
int low_at(bits *b) { return b->low; }
double part(wide_part p) { return p.part; }
int number(spaced s) { return s.number; }
int number_at(spaced *s) { return s->number; }
"""
PROTOTYPES = [line.partition(" {")[0] + ";" for line in CODE.splitlines() if line]

CALLS = [
    ("sum(&{1, 2, -4}, 3)", "-1", []),
    ("sum(&{0x10}, 1)", "16", []),
    ("sum(&{i32:5, i32:6}, 2)", "11", []),
    ("sum(&{}, 0)", "0", []),
    ("sum_of_doubles(&{1.5, 2}, 2)", "3.5", []),
    ('words(&{"one", "two", null})', "2", []),
    ("write(&{1}, &{0.5}, &{1, 2, 3})", None, ["{-5}", "{2.5}", "{1, 7, 3}"]),
    ("write(buf:4, buf:4, buf:6)", None, ["{-5}", "{2.5}", "{0, 7, 0}"]),
    ("paint(&{RED, RED})", None, ["{1, 2}"]),
    ("text(&{1, 2, 200})", "200", []),
    ("anything(&{i32:3, f64:1.5})", "3", []),
]
REFUSALS = [
    ("sum(&{1.5}, 1)", "1.5 cannot be passed as const int"),
    ("sum(&{0x100000000}, 1)", "does not fit into const int"),
    ("sum(&{x=1}, 1)", "'x=1' has no place in const int"),
    ("anything(&{1, 2})", "void says no type; give each value one, as in &{i32:3, f64:1.5}"),
    ("low({1, 2})", "bits cannot be made: .*bit-fields"),
    ("low_at(&{1, 2})", "bits cannot be made: .*bit-fields"),
    ("part({1})", "wide_part cannot be made: .*(align|attributes)"),
    ("number({'a', 1})", "spaced cannot be made: .*(align|attributes)"),
    ("number_at(&{'a', 1})", "spaced cannot be made: .*(align|attributes)"),
]


@pytest.fixture
def described(cc: Compile) -> Path:
    return cc(TYPES + CODE, "-g")


@pytest.fixture(params=["DWARF", "--sig", "libclang", "preprocessor"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "preprocessor":
        monkeypatch.setitem(sys.modules, "soinspect.calling.clangheader", None)
    (tmp_path / "pointers.h").write_text(TYPES + "\n".join(PROTOTYPES))
    return str(request.param)


def test_all_sources_tell_what_pointers_lead_to(described: Path, tmp_path: Path, source: str) -> None:
    library = described
    if source != "DWARF":
        library = tmp_path / "bare.so"
        subprocess.run(["strip", "-g", "-o", library, described], check=True)
    headers = () if source in ("DWARF", "--sig") else (str(tmp_path / "pointers.h"),)

    def signatures(step: str) -> tuple[str, ...]:
        named = next(it for it in PROTOTYPES if f" {step.partition('(')[0]}(" in it)
        return (TYPES + named,) if source == "--sig" else ()

    for step, value, changed in CALLS:
        answer = call(library, step, headers=headers, signatures=signatures(step)).steps[0]
        assert (answer.value, [change.text for change in answer.changed]) == (value, changed), step
    for step, why in REFUSALS:
        with pytest.raises(UsageError, match=why):
            call(library, step, headers=headers, signatures=signatures(step))


def test_long_arrays_are_no_work(described: Path) -> None:
    numbers = ", ".join(["1"] * 20_000)
    assert call(described, f"sum(&{{{numbers}}}, 20000)").steps[0].value == "20000"


def test_what_is_wider_than_a_register_is_pointed_to(cc: Compile) -> None:
    library = cc("long double twice(long double *x) { return *x *= 2; }", "-g")
    answer = call(library, "twice(&{1.25})").steps[0]
    assert (answer.value, [change.text for change in answer.changed]) == ("2.5", ["{2.5}"])


def test_the_name_of_a_c_plus_plus_function_tells_it_too(cc: Compile) -> None:
    library = cc(
        'int sum(const int *a, int n) __asm__("_Z3sumPKii"); int sum(const int *a, int n) { return a[n - 1]; }'
    )
    answer = call(library, "sum(&{1, 2, -3}, 3)").steps[0]
    assert "return type unknown" in answer.detail
    assert str(answer.value).endswith("-3 if it is an int)")
