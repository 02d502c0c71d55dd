"""Prototypes from C++ names: compared with debug information, and used where there is none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import soinspect
from soinspect.calling.mangled import prototype_of
from soinspect.calling.signature import differences
from soinspect.dwarf.callsignature import read_descriptions
from soinspect.elf.file import ElfFile
from soinspect.errors import UsageError
from soinspect.model.calling import Outcome
from soinspect.model.signature import Signature

if TYPE_CHECKING:
    from conftest import Compile
    from soinspect.model.calling import CallResult

pytestmark = pytest.mark.usefixtures("no_left_over_process")
SOURCE = Path(__file__).parents[2] / "fixtures" / "callee-with-cxx-names" / "names.cpp"
_UNTOLD = ["_ZN2ns6chosenIiEEPFidET_"]  # it returns a pointer to a function


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("names") / "names.so"
    subprocess.run(["g++", "-g", "-O1", "-fPIC", "-shared", "-o", library, SOURCE], check=True)
    return library


@pytest.fixture(scope="module")
def stripped(described: Path) -> Path:
    library = described.with_name("stripped.so")
    subprocess.run(["strip", "-o", library, described], check=True)
    return library


def _call(path: Path, *steps: str) -> CallResult:
    return soinspect.call(str(path), *steps)


def _recorded(path: Path) -> dict[str, Signature]:
    listed = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    names = {fields[2] for line in listed.splitlines() if (fields := line.split())[1] in "TW"}
    with ElfFile.open(str(path)) as elf:
        return {name: signature for (name, _), signature in read_descriptions(elf, names).functions.items()}


def test_names_and_debug_information_agree_on_every_function(described: Path) -> None:
    recorded = _recorded(described)
    assert len(recorded) > 50
    told = {name: prototype_of(name) for name in recorded}
    assert [name for name, prototype in told.items() if prototype is None] == _UNTOLD
    for name, prototype in told.items():
        if prototype:
            assert differences(recorded[name], prototype) == ()
            takes_object = any(parameter.name == "this" for parameter in recorded[name].parameters)
            is_certain = any(parameter.name == "this" for parameter in prototype.parameters)
            assert takes_object >= is_certain
            assert takes_object <= (is_certain or prototype.this is not None)


@pytest.mark.parametrize(
    ("step", "value", "prototype"),
    [
        ("_ZN2ns3addEdd(1, 2)", "xmm0 = 3.0 as a double", "ns::add(double, double)"),
        ("_Z5plaind(1)", "xmm0 = 1.5 as a double", "plain(double)"),
        ("_ZN2ns3addEsh(-3, 200)", "-600 if it is an int", "ns::add(short, unsigned char)"),
        ("ns::add(int, int)(40, 2)", "0x2a (42)", "ns::add(int, int)"),
        ("ns::add(int,int)(40, 2)", "0x2a (42)", "ns::add(int, int)"),
        ("plain(long, ...)(7, 8, 9)", "0x7 (7)", "plain(long, ...)"),
        ("ns::twice<int>(4)", "8", "int ns::twice<int>(int)"),
        ("ns::twice<double>(4)", "8.0", "double ns::twice<double>(double)"),
        ("int ns::twice<int>(int)(4)", "8", "int ns::twice<int>(int)"),
        ("ns::tagged(5)", "0x5 (5)", "ns::tagged[abi:new](int)"),
        ('ns::length(char const*)("four")', "0x4 (4)", "ns::length(char const *)"),
        ("ns::sum(&{1, 2, 3})", "0x6 (6)", "ns::sum(int (&) [3])"),
        ("::ns::sum(&{1, 2, 3})", "0x6 (6)", "ns::sum(int (&) [3])"),
        ("ns::of_point(&{i64:3, f64:1})", "0x3 (3)", "ns::of_point(ns::Point const &)"),
        ("ns::is_null(null)", "0x1 (1)", "ns::is_null(std::nullptr_t)"),
        ("ns::operator<(&{i64:3, f64:1}, &{i64:4, f64:1})", "0x1 (1)", "ns::operator<(ns::Point const &"),
        ("ns::Counter::triple(4)", "0xc (12)", "ns::Counter::triple(int)"),
        ("ns::Counter::plus(&{i64:0, i32:5}, 4)", "0x9 (9)", "ns::Counter::plus(ns::Counter *this, int)"),
        ("ns::Counter::get(&{i64:0, i32:5})", "0x5 (5)", "ns::Counter::get(ns::Counter const *this)"),
        ("ns::Counter::operator()(&{i64:0, i32:5}, 4)", "0x14 (20)", "ns::Counter::operator()(ns::Counter *this, int)"),
        ("ns::Counter::operator int(&{i64:0, i32:5})", "5", "int ns::Counter::operator int(ns::Counter const *this)"),
        ("ns::Counter::as<long>(&{i64:0, i32:5}, 2)", "7", "long ns::Counter::as<long>(ns::Counter const *this, long)"),
    ],
)  # fmt: skip
def test_calls_of_a_stripped_file(stripped: Path, step: str, value: str, prototype: str) -> None:
    result = _call(stripped, step).steps[0]
    assert result.value is not None
    assert value in result.value
    assert prototype in result.detail
    assert "(from the mangled name)" in result.detail


def test_what_a_name_does_not_tell_is_said(stripped: Path) -> None:
    detail = _call(stripped, "ns::flip(i32:1)").steps[0].detail
    assert "ns::flip(ns::Colour) (from the mangled name); return type unknown: rax = 0x" in detail
    assert "passed as written: ns::Colour; the mangled name does not tell what that is" in detail
    assert "called without an object; the mangled name does not tell whether it takes one" in detail
    assert "an object" not in _call(stripped, "plain(int)(1)").steps[0].detail
    detail = _call(stripped, "ns::Counter::plus(&{i64:0, i32:5}, 4)").steps[0].detail
    assert "the first argument is taken for an object's address; the mangled name does not tell" in detail
    assert "an object" not in _call(stripped, "ns::Counter::get(&{i64:0, i32:5})").steps[0].detail


def test_a_result_on_the_x87_stack_is_seen(stripped: Path) -> None:
    assert _call(stripped, "ns::half(3)").steps[0].value == "1.5, in st0"


def test_a_declaration_goes_by_the_plain_name(stripped: Path) -> None:
    steps = ("ns::by_value(ns::Point)({7, 1.5})", "ns::flip(1)")
    declared = ("struct p { int x; double y; }; int by_value(struct p)", "unsigned char flip(unsigned char)")
    for signatures in (declared, ("; ".join(declared),)):
        result = soinspect.call(str(stripped), *steps, signatures=signatures)
        assert [step.value for step in result.steps] == ["7", "200"]


def test_the_type_of_a_callback_is_told_by_the_name(stripped: Path) -> None:
    result = _call(stripped, "ns::apply(int (*)(int), int)(cb:ret=-7, 3)").steps[0]
    assert result.value == "0xfffffffffffffff9 (-7)"
    assert "called back once, with (3)" in result.detail


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("ns::add(short, unsigned char)(3, 300)", "300 does not fit into unsigned char"),
        ("_ZN2ns3addEii(1)", "takes 2 arguments, and one in front if it is a member function"),
        ("ns::Counter::get()", "takes 1 argument, not 0"),
        ('ns::of_point("abc")', '"abc" is a text, which ns::Point const & does not lead to'),
        ('_ZN2ns6lengthERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE("a")', '"a" is a text, which std::'),
        ("ns::by_value(ns::Point)({x=1})", "what ns::Point is, the mangled name does not tell. --sig can"),
        ("ns::flip(1)", "i32:1 for an enumeration"),
        ("ns::Counter::member(null, 0, 0)", r"cannot be passed as int \(ns::Counter::\*\)\(int\)"),
        ("ns::of_quad(1)", "cannot be passed as __float128"),
        ("ns::add(1, 2)", r"ambiguous: ns::add\(double, double\) \(_ZN2ns3addEdd\), .*\(_ZN2ns3addEsh\); give the "),
        ("ns::twice(1)", "near names: ns::twice<int>, ns::twice<double>"),
    ],
)  # fmt: skip
def test_refusals(stripped: Path, step: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        _call(stripped, step)


def test_a_crash_says_what_the_call_relied_on(stripped: Path) -> None:
    crash = _call(stripped, "ns::of_point(null)").crash
    assert crash is not None
    known = "ns::of_point(ns::Point const &) (from the mangled name); the type of its result is not told: if that is"
    assert crash.called_as.startswith(known)
    crash = _call(stripped, "+0x10(1)").crash
    assert crash is not None
    assert crash.called_as == "no prototype is known: the arguments were passed as written"


def test_functions_that_point_to_functions_end() -> None:
    prototype = prototype_of("_Z1f" + "PFi" * 3000 + "v" + "E" * 3000)
    assert prototype is not None
    (parameter,) = prototype.parameters
    assert parameter.type.function is not None
    assert parameter.type.function.parameters[0].type.function is None


def test_arrays_that_a_name_lists_take_no_memory() -> None:
    prototype = prototype_of("_Z1f" + "RA9999_i" * 3000)
    assert prototype is not None
    assert {parameter.type.target for parameter in prototype.parameters} == {None}


def test_a_declaration_that_disagrees_with_the_name_is_a_finding(stripped: Path) -> None:
    result = soinspect.call(str(stripped), "_ZN2ns3addEii(1, 2)", signatures=("int _ZN2ns3addEii(int, char *)",))
    assert (result.good, result.steps[0].outcome) == (False, Outcome.DISAGREED)
    assert result.summary.startswith(
        "_ZN2ns3addEii(1, 2) returned 3, but the prototypes disagree: parameter 2 is char *"
    )
    assert "the prototypes disagree: parameter 2 is char * in --sig, int in the mangled name" in result.steps[0].detail


def test_debug_information_comes_before_the_name(described: Path) -> None:
    result = _call(described, "ns::by_value(ns::Point)({x=3, y=1})", "ns::flip(red)", "ns::Counter::triple(4)")
    assert [step.value for step in result.steps] == ["3", "200", "12"]
    assert all("(from DWARF)" in step.detail and "disagree" not in step.detail for step in result.steps)
    with pytest.raises(UsageError, match='"a" is a text, which const std::string & does not lead to'):
        _call(described, '_ZN2ns6lengthERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE("a")')


def test_a_text_goes_where_bytes_are_wanted_only(cc: Compile) -> None:
    library = cc(
        "struct s { int a; }; int one(struct s *p) { return p->a; } int two(const void *p) { return *(char *)p; }"
    )
    assert soinspect.call(str(library), 'two("A")', signatures=("int two(const void *)",)).steps[0].value == "65"
    assert soinspect.call(str(library), 'two("A")', signatures=("int two(unsigned char *)",)).steps[0].value == "65"
    for declared in ("int one(struct s *)", "int one(int *)", "int one(char **)", "int one(void (*)(void))"):
        with pytest.raises(UsageError, match="is a text"):
            soinspect.call(str(library), 'one("A")', signatures=(declared,))
