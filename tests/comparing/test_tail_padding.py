"""A member in the padding at the end of a class: whether that breaks is what g++ does with these bytes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES
from soinspect import api
from soinspect.model.prototype import Language

SOURCES = FIXTURES / "tail-padding"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The rule that each class of the library was found by."""
    folder = tmp_path_factory.mktemp("tail-padding")
    for side, flags in (("old", []), ("new", ["-DNEW"])):
        build(SOURCES / "library.cpp", folder / f"{side}.so", "-g", "-shared", "-fPIC", *flags)
    findings = api.compare(str(folder / "old.so"), str(folder / "new.so")).findings
    return {it.subject.removeprefix("struct "): it.rule for it in findings if it.rule.startswith("dwarf.")}


def build(source: Path, output: Path, *flags: str) -> None:
    subprocess.run(["g++", "-std=c++17", "-o", output, source, *flags], check=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether g++ puts a neighbour's member into the tail of each class, by C++17 or by C++20."""
    words: dict[str, bool] = {}
    for standard in ("17", "20"):
        program = tmp_path_factory.mktemp("neighbours") / "neighbours"
        build(SOURCES / "neighbours.cpp", program, f"-std=c++{standard}")
        for line in subprocess.check_output([program], text=True).splitlines():
            name, word = line.split()
            words[name] = words.get(name, False) or word == "shared"
    return words


def test_what_is_breaking_is_what_the_compiler_shares(found: dict[str, str], shared: dict[str, bool]) -> None:
    rules = {True: "dwarf.tail-padding-filled", False: "dwarf.member-added"}
    assert found == {name: rules[is_shared] for name, is_shared in shared.items()}
    assert set(shared.values()) == {True, False}


def test_a_member_between_others_fills_a_hole_beside_one_in_the_tail(tmp_path: Path) -> None:
    for side, more in (("old", ""), ("new", "char between; ")):
        source = tmp_path / f"{side}.cpp"
        last = "char last;" if side == "new" else ""
        source.write_text(f"struct S {{ S(); char a; {more}int b; char c; {last} }}; S::S() {{}}\n")
        build(source, tmp_path / f"{side}.so", "-g", "-shared", "-fPIC")
    findings = api.compare(str(tmp_path / "old.so"), str(tmp_path / "new.so")).findings
    assert {it.rule: it.after for it in findings if it.rule.startswith("dwarf.")} == {
        "dwarf.tail-padding-filled": "char last at 9",
        "dwarf.member-added": "char between at 1",
    }


@pytest.mark.parametrize(
    ("classes", "more", "rule"),
    [
        ("struct S { S(); int flags : 9; MORE }; S::S() {}", "int more : 3;", "dwarf.member-added"),
        ("struct S { S(); int flags : 9; MORE }; S::S() {}", "int more : 8;", "dwarf.tail-padding-filled"),
        ("struct B { B(); long a; int b; }; struct S : B { MORE void f(); }; void S::f() {}", "int more;",
         "dwarf.tail-padding-filled"),
        ("struct B { B(); long a; char b; }; struct S : B { int c; MORE void f(); }; void S::f() {}", "int more;",
         "dwarf.type-size-changed"),
        ("template <class T> struct S { S() {} T a; char b; MORE }; template struct S<int>;", "char more;",
         "dwarf.tail-padding-filled"),
    ],
    ids=["bits of the last byte", "bits of a further byte", "behind a base", "none left", "template"],
)  # fmt: skip
def test_where_the_tail_begins(classes: str, more: str, rule: str, tmp_path: Path) -> None:
    for side, members in (("old", ""), ("new", more)):
        source = tmp_path / f"{side}.cpp"
        source.write_text(classes.replace("MORE", members))
        build(source, tmp_path / f"{side}.so", "-g", "-shared", "-fPIC")
    findings = api.compare(str(tmp_path / "old.so"), str(tmp_path / "new.so")).findings
    assert [it.rule for it in findings if it.rule.startswith("dwarf.")] == [rule]


def test_rust_hides_members_and_derives_nothing(tmp_path: Path) -> None:
    """The same layouts, but the unit says that its language is Rust."""
    for side, members in (("old", ""), ("new", "char more;")):
        source, assembly = tmp_path / f"{side}.cpp", tmp_path / f"{side}.s"
        source.write_text(f"class S {{ int a; char b; {members} public: void f(); }}; void S::f() {{}}\n")
        build(source, assembly, "-g", "-fPIC", "-S", "-dA")
        text, changed = re.subn(r"0x\w+(?=\s+\S+ DW_AT_language\b)", f"{Language.RUST:#x}", assembly.read_text())
        assert changed == 1
        assembly.write_text(text)
        build(assembly, tmp_path / f"{side}.so", "-shared")
    findings = api.compare(str(tmp_path / "old.so"), str(tmp_path / "new.so")).findings
    assert {it.rule for it in findings if it.rule.startswith("dwarf.")} == {"dwarf.member-added"}


def test_a_structure_of_c_has_no_derived_classes(tmp_path: Path) -> None:
    for side, more in (("old", ""), ("new", "char last;")):
        source = tmp_path / f"{side}.c"
        source.write_text(f"struct S {{ int b; char c; {more} }}; int f(struct S *s) {{ return s->b; }}\n")
        subprocess.run(["gcc", "-g", "-shared", "-fPIC", "-o", tmp_path / f"{side}.so", source], check=True)
    assert {it.rule for it in api.compare(str(tmp_path / "old.so"), str(tmp_path / "new.so")).findings} == {
        "dwarf.member-added"
    }


def test_a_baseline_knows_which_classes_are_plain(tmp_path: Path) -> None:
    for side, flags in (("old", []), ("new", ["-DNEW"])):
        build(SOURCES / "library.cpp", tmp_path / f"{side}.so", "-g", "-shared", "-fPIC", *flags)
    baseline = tmp_path / "old.txt"
    baseline.write_text(api.freeze(str(tmp_path / "old.so")))
    by_file, by_baseline = (
        {(it.rule, it.subject) for it in api.compare(str(old), str(tmp_path / "new.so")).findings if "dwarf" in it.rule}
        for old in (tmp_path / "old.so", baseline)
    )
    assert by_baseline == by_file
