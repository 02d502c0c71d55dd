"""A change of a type is told once, where it was made, with all that it reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Compile
from soinspect import api
from soinspect.comparing.relations import TypeRelations
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.model.constants import Machine
from soinspect.model.finding import Finding, Severity
from soinspect.model.prototype import Prototypes

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


def _chain(last: str) -> str:
    """Structures that point to each other, as lists and trees of a large program do."""
    links = [f"struct s{number} {{ struct s{number + 1} *next; }};" for number in range(400)]
    return "\n".join([f"struct s400 {{ {last} }};", *reversed(links), "int take(struct s0 *first) { return !first; }"])


def test_a_change_is_found_however_many_pointers_lead_to_it(cc: Compile) -> None:
    size, moved = found(cc, _chain("int a, b;"), _chain("int a, between, b;"))
    assert (size.rule, size.subject, moved.subject) == ("dwarf.type-size-changed", "struct s400", "struct s400")
    assert "only behind pointers by take" in size.evidence


def _typedefs(first: str) -> str:
    names = [f"typedef t{number} t{number + 1}; t{number + 1} v{number + 1:04};" for number in range(1500)]
    return "\n".join([f"typedef {first} t0; t0 v0000;", *names])


def test_a_chain_of_typedefs_is_cut_where_nobody_would_write_more(cc: Compile) -> None:
    changes = found(cc, _typedefs("int"), _typedefs("long"))
    assert changes[0].severity is Severity.BREAKING
    assert {"dwarf.typedef-changed", "elf.object-size-changed"} & {it.rule for it in changes}


def _ring(count: int) -> str:
    links = [f"struct s{number} {{ struct s{(number + 1) % count} *next; }};" for number in range(count)]
    first = [f"struct s{number};" for number in range(count)]
    return "\n".join([*first, *links, "int take(struct s0 *first) { return !first; }"])


def test_rings_of_different_lengths_are_walked_once(cc: Compile) -> None:
    """Going round both, each of 499 structures would meet each of 500."""
    old, new = (
        _described(cc(_ring(count).replace("struct s", f"struct {tag}"), "-g", name=f"{tag}.so"))
        for count, tag in ((499, "old"), (500, "new"))
    )
    relations = TypeRelations(old, new, Machine.X86_64)
    old_type, new_type = (side.functions[0].signature.parameters[0].type for side in (old, new))
    relations.relate((old_type, new_type))
    assert len(relations.parents) < 20 * 1000


def _described(path: Path) -> Prototypes:
    with ElfFile.open(str(path)) as elf:
        types = read_prototypes(elf)
    assert isinstance(types, Prototypes)
    return types
