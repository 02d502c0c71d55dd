"""Structures by value: what gcc's code gets and gives back."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from soinspect.calling import passing
from soinspect.calling.arguments import parse_argument
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
def structures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("structures") / "structures.so"
    source = FIXTURES / "callee-that-takes-structures" / "structures.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", request.param, "-o", library, source], check=True)
    return library


CALLS = {
    "sum_of_point({x=3, y=1.5})": "4.5",
    "sum_of_point({3, -1})": "2.0",
    "sum_of_point({y=2.5})": "2.5",
    "sum_of_floats({1, 2, 3})": "321.0",
    "sum_of_large(1, {numbers={1,2,3}, at={x=4, y=5.0}}, 7)": "7331",
    "sum_of_packed({1, 300000})": "300001",
    "sum_of_small({'a', -2, 1})": "96",
    "part_of({part=2.5})": "2.5",
    "spilled(1, 2, 3, 4, 5, {7, 8}, 9)": "9885",
    "spilled_later(1, 2, 3, 4, 5, 6, 7, {7, 8}, 9)": "9898",
    "spilled_floats(1, 2, 3, 4, 5, 6, 7, {1, 2, 3}, 4)": "43238.0",
    "sum_of_quad({1, {2, 3}, 4}, 5)": "4326.0",
    "sum_of_same({two={1, 2}})": "21.0",
    "make_quad(1)": "{a=1.0, b={2.0, 3.0}, c=4.0}",
    "make_same(1)": "{one=1.0, two={1.0, 2.0}}",
    "make_point(3, 1.5)": "{x=3, y=1.5}",
    "make_floats(1)": "{a=1.0, b=2.0, c=3.0}",
    "make_pair(5)": "{first=5, second=-5}",
    "make_small()": "{tag=97, code=-2, set=true}",
    "make_large(10)": "{numbers={10, 11, 12}, at={x=7, y=0.5}}",
    "make_packed()": "{tag=1, value=500}",
    "make_name()": "{text=NULL, number={whole=3, part=4.203895392974451e-45}}",
}


def test_structures_travel_as_gcc_has_them(structures: Path) -> None:
    result = call(structures, *CALLS)
    assert all(step.abi and step.abi.kept for step in result.steps)
    assert {step.step.text: step.value for step in result.steps} == CALLS


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("sum_of_point(3)", "cannot be passed as struct point, write {...}"),
        ("sum_of_point({1, 2, 3})", "has no place in struct point, which has x, y"),
        ("sum_of_point({z=1})", "has no place in struct point"),
        ("sum_of_point({x=1.5})", "cannot be passed as int"),
        ("sum_of_large(1, {numbers={1,2,3,4}}, 1)", "which has 3 elements"),
        ("sum_of_large(1, {numbers=4}, 1)", "cannot be passed as long int.3., write {...}"),
        ("low_of({1, 2})", "struct bits cannot be made"),
        ('sum_of_packed({1, "text"})', "cannot be passed as int"),
    ],
)
def test_what_does_not_fit_is_refused(structures: Path, step: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(structures, step)


def test_without_machine_code_of_ours_they_travel_through_ctypes(
    structures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "make_thunk", lambda: None)
    library = ctypes.CDLL(str(structures))
    for declaration, texts, value in (
        ("typedef struct { long a, b; } t; long spilled(long, long, long, long, long, t, long)",
         ("1", "2", "3", "4", "5", "{7, 8}", "9"), 9885),
        ("typedef struct { long n[3]; int x; double y; } t; long sum_of_large(int, t, int)",
         ("1", "{{1, 2, 3}, 4, 5}", "7"), 7331),
        ("typedef struct { char t; short c; _Bool s; } t; int sum_of_small(t)", ("{'a', -2, 1}",), 96),
    ):  # fmt: skip
        prototype = parse_signature(declaration)
        arguments = fit_arguments(tuple(map(parse_argument, texts)), prototype)
        address = ctypes.cast(library[prototype.name], ctypes.c_void_p).value or 0
        worker = caller.Caller(lambda *_: None)
        placed = worker.place(0, tuple(argument.wire for argument in arguments))
        returned, *_ = worker.call(address, placed, None, with_lock=False)
        assert returned.integers[0] & 0xFFFFFFFF == value
        assert returned.violations is None


def test_a_structure_needs_a_type(cc: Compile) -> None:
    library = cc("struct p { int x; }; int f(struct p p) { return p.x; }")
    with pytest.raises(UsageError, match="which type is it"):
        call(library, "f({1})")
    with pytest.raises(UsageError, match="which type is it"):
        call(library, "+0x1100({1})")


POINTED_TO = """
struct item { int count; double weight; const char *name; struct item *next; };
int added(struct item *it, int by) { it->count += by; return it->count + (it->name ? it->name[0] : 0); }
int total(const struct item *it) { int sum = 0; for (; it; it = it->next) sum += it->count; return sum; }
typedef struct { float place[3]; unsigned char set; } mark;
void fill(mark *it) { it->place[2] = 1.5f; it->set = 7; }
"""


@pytest.mark.parametrize("source", ["-g", "--header"])
def test_the_address_of_a_structure_is_given_by_its_members(cc: Compile, tmp_path: Path, source: str) -> None:
    header = tmp_path / "items.h"
    header.write_text(
        "".join(line.partition("{ ")[0] + ";" if "(" in line else line for line in POINTED_TO.splitlines())
    )
    library = cc(POINTED_TO, *(["-g"] if source == "-g" else []))
    headers = () if source == "-g" else (str(header),)
    steps = (
        'added(&{40, name="a"}, 2)',
        "total(&{3, next=&{i32:4, f64:0, ptr:null, ptr:null}})",
        "fill(&{})",
        "fill(buf:16)",
    )
    result = call(library, *steps, headers=headers)
    assert [step.value for step in result.steps[:2]] == [str(42 + ord("a")), "7"], result.summary
    (item,) = result.steps[0].changed
    assert item.text.startswith("{count=42, weight=0.0, name=0x")
    for step in result.steps[2:]:
        assert [value.text for value in step.changed] == ["{place={0.0, 0.0, 1.5}, set=7}"]
    with pytest.raises(UsageError, match="which has count, weight, name, next"):
        call(library, "added(&{size=3}, 2)", headers=headers)
    with pytest.raises(UsageError, match="which type is it"):
        call(library, "+0x1100(&{3})")


def test_a_large_structure_is_refused(structures: Path) -> None:
    nested = (
        "typedef struct { char a[1000]; } t1; typedef struct { t1 a[1000]; } t2; typedef struct { t2 a[1000]; } t3;"
    )
    unions = "typedef union { char a, b; } u0; "
    unions += " ".join(f"typedef union {{ u{n} a, b; }} u{n + 1};" for n in range(40))
    for signature in (
        f"{unions} int sum_of_point(u40)",
        f"{nested} int sum_of_point(t3)",
        f"{nested} t3 sum_of_point(int)",
    ):
        with pytest.raises(UsageError, match="too many"):
            call(structures, "sum_of_point({1})", signatures=(signature,))


POINT = "typedef struct { int x; double y; } t; "
FLOATS = "typedef struct { float a, b, c; } t; "


@pytest.mark.parametrize(
    ("declaration", "on_x86_64", "on_aarch64"),
    [
        (POINT, ((1, 0, 8), (2, 8, 8)), ((1, 0, 8), (1, 8, 8))),
        (FLOATS, ((2, 0, 8), (2, 8, 4)), ((2, 0, 4), (2, 4, 4), (2, 8, 4))),
        ("typedef struct { double a[4]; } t; ", None, tuple((2, 8 * n, 8) for n in range(4))),
        ("typedef struct { double a[5]; } t; ", None, None),
        ("typedef union { float a, b[2]; } t; ", ((2, 0, 8),), ((2, 0, 4), (2, 4, 4))),
        ("typedef struct { char a[12]; } t; ", ((1, 0, 8), (1, 8, 4)), ((1, 0, 8), (1, 8, 4))),
        ("typedef struct { float a; double b; } t; ", ((2, 0, 8), (2, 8, 8)), ((1, 0, 8), (1, 8, 8))),
    ],
)
def test_the_registers_of_each_machine(
    monkeypatch: pytest.MonkeyPatch,
    declaration: str,
    on_x86_64: tuple[tuple[int, int, int], ...] | None,
    on_aarch64: tuple[tuple[int, int, int], ...] | None,
) -> None:
    """Expected values from the texts of both ABIs: 1 is an integer register, 2 a vector register."""
    kind = parse_signature(f"{declaration}void f(t)").parameters[0].type
    for machine, expected in (("x86_64", on_x86_64), ("aarch64", on_aarch64)):
        monkeypatch.setattr(passing, "_MACHINE", machine)
        pieces = passing.pieces_of(kind)
        found = None if pieces is None else tuple((it.register, it.offset, it.size) for it in pieces)
        assert found == expected


def test_classes_of_cxx_that_are_more_than_data_are_refused(cc: Compile, tmp_path: Path) -> None:
    source = tmp_path / "classes.cpp"
    source.write_text(
        "struct plain { int x; }; struct owner { int x; ~owner(); }; owner::~owner() { x = 0; }"
        "int plain_of(plain p) { return p.x; } int owner_of(owner o) { return o.x; }"
    )
    library = cc(source, "-g")
    assert call(library, "plain_of({5})").steps[0].value == "5"
    with pytest.raises(UsageError, match="owner cannot be made"):
        call(library, "owner_of({5})")


def test_a_result_in_memory_whose_address_is_not_returned(cc: Compile, tmp_path: Path) -> None:
    source = tmp_path / "forgetful.S"
    source.write_text(
        ".globl f\n.type f, @function\nf: movq $1, (%rdi)\n xor %eax, %eax\n ret\n.size f, .-f\n"
        '.section .note.GNU-stack,"",@progbits\n'
    )
    (step,) = call(cc(source), "f", signatures=("typedef struct { long a, b, c; } t; t f(void);",)).steps
    assert step.outcome is Outcome.VIOLATED
    assert step.abi is not None
    assert step.abi.violations == ("the return register does not hold the address of the result",)


NAMELESS = """
struct parts {
    int tag;
    union { int whole; float part; };
    struct { short code; struct { char low, high; }; } in;
    struct { struct { long last; }; };
};
typedef struct { union { double d; int i; } u; int t; } tagged;
typedef struct { struct { int a; int b; } in[2]; } pair;
"""
NAMELESS_CALLS = {
    "parts({tag=1, whole=2, in={code=3, low=4, high=5}, last=6})": "612345",
    "parts({1, {2}, {3, {4, 5}}, {{6}}})": "612345",
    "parts({last=6, part=0})": "600000",
    "parts_at(&{in={high=5}, last=1})": "100005",
    "tagged_sum({u={d=1.5}, t=1})": "2.5",
    "pair_sum({in={{a=1, b=2}, {3}}})": "6",
}
NAMELESS_CODE = """
long parts(struct parts p) {
    return p.tag * 10000 + p.whole * 1000 + p.in.code * 100 + p.in.low * 10 + p.in.high + p.last * 100000;
}
long parts_at(struct parts *p) { return parts(*p); }
double tagged_sum(tagged t) { return t.u.d + t.t; }
int pair_sum(pair p) { return p.in[0].a + p.in[0].b + p.in[1].a + p.in[1].b; }
"""
NAMELESS_PROTOTYPES = tuple(line.partition(" {")[0] + ";" for line in NAMELESS_CODE.splitlines() if ") {" in line)


@pytest.fixture
def nameless(cc: Compile) -> Path:
    return cc(NAMELESS + NAMELESS_CODE, "-g")


def test_members_of_nameless_structures_go_by_their_names(
    nameless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = tmp_path / "nameless.h"
    header.write_text(NAMELESS + "\n".join(NAMELESS_PROTOTYPES))
    bare = nameless.with_name("bare.so")
    subprocess.run(["strip", "-g", "-o", bare, nameless], check=True)
    for step, value in NAMELESS_CALLS.items():
        declared = next(it for it in NAMELESS_PROTOTYPES if f" {step.partition('(')[0]}(" in it)
        assert call(nameless, step).steps[0].value == value
        assert call(bare, step, signatures=(NAMELESS + declared,)).steps[0].value == value
    for reader in ("libclang", "preprocessor"):
        answers = call(nameless, *NAMELESS_CALLS, headers=(str(header),)).steps
        assert [answer.value for answer in answers] == [*NAMELESS_CALLS.values()], reader
        assert not any("disagree" in answer.detail for answer in answers)
        assert [it.value for it in call(bare, *NAMELESS_CALLS, headers=(str(header),)).steps] == [
            *NAMELESS_CALLS.values()
        ]
        monkeypatch.setitem(sys.modules, "soinspect.calling.clangheader", None)


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("parts({nothing=1})", "'nothing=1' has no place in struct parts, which has tag, whole, part, in, last"),
        ("parts({low=1})", "'low=1' has no place in struct parts"),
        ("parts({whole=2, 3})", "'3' has no place in struct parts"),
        ("pair_sum({in={a=1}})", "'a=1' has no place in .*, which has 2 elements"),
    ],
)
def test_members_that_are_not_there(nameless: Path, step: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        call(nameless, step)
