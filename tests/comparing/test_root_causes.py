"""A change of a type is told once, where it was made, with all that it reaches."""

from __future__ import annotations

import pytest

from conftest import Compile
from soinspect import api
from soinspect.model.finding import Finding, Severity

OLD = """
typedef struct { int x; int y; } point;
struct named { int a; point p; int last; };
typedef struct named named;
struct holder { struct named inner[2]; int after; };
int norm(point *p) { return p->x; }
int by_tag(struct named *n) { return n->a; }
int by_typedef(const named *n) { return n->a; }
int held(struct holder *h) { return h->after; }
"""


def found(cc: Compile, old: str, new: str) -> list[Finding]:
    files = cc(old, "-g", name="old.so"), cc(new, "-g", name="new.so")
    found = api.compare(*map(str, files)).findings
    return [it for it in found if it.rule != "elf.function-size-changed"]


def test_a_structure_without_a_name_goes_by_its_typedef_and_takes_with_it_what_it_shifts(cc: Compile) -> None:
    size, moved = found(cc, OLD, OLD.replace("int x; int y;", "int x; int between; int y;"))
    assert (size.rule, moved.rule) == ("dwarf.type-size-changed", "dwarf.member-moved")
    assert size.subject == moved.subject == "point"
    assert "reached by value by" in size.evidence or "only behind pointers" in size.evidence
    assert "shifts what follows it in struct named, struct holder" in size.evidence
    assert size.severity is Severity.BREAKING


def test_a_type_that_is_met_by_tag_and_by_typedef_is_one_finding(cc: Compile) -> None:
    size, *_ = changes = found(cc, OLD, OLD.replace("int a; point p; int last;", "int a; point p; int last; int more;"))
    assert [it.subject for it in changes] == ["struct named"]
    assert all(name in size.evidence for name in ("by_tag", "by_typedef", "held"))


def test_a_typedef_of_a_callback_is_told_as_one(cc: Compile) -> None:
    source = "typedef int (*visit)(int);\nint one(visit v) { return v != 0; }\nint two(visit *v) { return v != 0; }\n"
    (change,) = found(cc, source, source.replace("(*visit)(int)", "(*visit)(int, void *)"))
    assert (change.rule, change.subject) == ("dwarf.callback-signature-changed", "visit")


@pytest.mark.parametrize(
    ("members", "after"),
    [
        ("int x; int y;", "in registers: general"),
        ("float x; float y;", "in registers: vector"),
        ("double x; long y;", "in registers: vector, general"),
        ("float x; int y; double z;", "in registers: general, vector"),
        ("long x[3];", "on the stack"),
        ("long double x;", "on the stack"),
    ],
)
def test_how_a_structure_is_passed(members: str, after: str, cc: Compile) -> None:
    source = "struct value {{ {} }};\nint use(struct value v) {{ return sizeof v; }}\n"
    old = "char *x; char *y;"  # two general registers, as none of the others
    changes = found(cc, source.format(old), source.format(members))
    (passing,) = (it for it in changes if it.rule == "dwarf.passing-class-changed")
    assert (passing.before, passing.after) == ("in registers: general, general", after)
