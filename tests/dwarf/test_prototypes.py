"""What is read of the fixtures, as C writes it; and the facts that C has no words for."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Compile
from dwarflibraries import library
from soinspect.dwarf.declare import function_text, layout_lines, type_text, variable_text
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.model.absence import Absent
from soinspect.model.prototype import (
    VOID,
    Aggregate,
    Enumeration,
    Evidence,
    ExportedFunction,
    Language,
    Prototypes,
    UnspecifiedType,
)


def prototypes(path: Path, *names: str) -> Prototypes:
    with ElfFile.open(str(path)) as elf:
        found = read_prototypes(elf, names or None)
    assert isinstance(found, Prototypes), found
    return found


@pytest.fixture
def c() -> Prototypes:
    return prototypes(library("gcc", "-g"))


@pytest.fixture
def cxx() -> Prototypes:
    return prototypes(library("g++", "-g"))


def function(side: Prototypes, symbol: str) -> ExportedFunction:
    return next(f for f in side.functions if f.symbol == symbol)


def aggregate(side: Prototypes, name: str) -> Aggregate:
    (found,) = [t for t in side.types if isinstance(t, Aggregate) and t.name == name]
    return found


def layout(side: Prototypes, name: str) -> str:
    (index,) = [i for i, t in enumerate(side.types) if isinstance(t, Aggregate | Enumeration) and t.name == name]
    return "\n".join(f"{line.place:>5} {line.text}" for line in layout_lines(side, index))


def test_c_functions(c: Prototypes) -> None:
    assert [function_text(c, f) for f in c.functions] == [
        "int add(int a, const char *b)",
        "int target_of_alias(long int x)",
        "double average(int count, ...)",
        (
            "unsigned char bytes(signed char a, short unsigned int b, long long int c, long unsigned int d, "
            "float e, long double f)"
        ),
        "callback *choose(callback *one, _Bool which)",
        "void copy(char *restrict to, const volatile char *from, size_t size)",
        "struct flags flip(struct flags flags)",
        "struct ends_with_nothing *get_nothing(struct empty empty)",
        "int known(struct hidden_until_the_other_unit *h)",
        "enum color mix(enum color one, unnamed_enum_t other)",
        "int node_color(const struct node *node)",
        "void nothing(void)",
        "int old_style()",
        "struct opaque *open_opaque(void)",
        "vector scale(vector v, float by)",
        "void (*signal_like(int number, void (*handler)(int)))(int)",
        "int state_of_first(struct state *s)",
        "int state_of_second(struct state *s)",
        "void stop(void)",
        "int sum(int (*matrix)[4], int (*rows)[4])",
        "void take(struct everything *all, union either *either, struct packed_record record)",
        "int target_of_alias(long int x)",
        "int use_private(int x)",
        "node_t *walk(node_t *node, callback_p each, void *context)",
    ]
    assert not function(c, "old_style").signature.prototyped
    assert function(c, "aliased").name == "target_of_alias"
    assert {f.language for f in c.functions} == {Language.C11}
    assert c.types[VOID] == UnspecifiedType(name="void")


def test_c_variables(c: Prototypes) -> None:
    assert [variable_text(c, v) for v in c.variables] == [
        "int counter",
        "struct everything *everything",
        "struct state *exported_state",
        "const char *const names[2]",
        "int per_thread",
        "struct hidden_until_the_other_unit *remember",
    ]


def test_layout_of_a_structure(c: Prototypes) -> None:
    assert (
        layout(c, "everything")
        == """\
      struct everything {
    0     char text[16];
   16     int matrix[3][4];
          union {
   64         int number;
   64         float fraction;
              struct {
   64             short int low;
   66             short int high;
   68         };
   68     };
   68     struct {...} points[2];
   84     /* 4 bytes unused */
   88     volatile long int counter;
   96     complex double z;
  112     long double wide;
  128     __int128 wider;
  144     /* 48 bytes unused */
  192     char line[64];
  256     node_t *node;
  264     callback_p on_event;
  272     struct opaque *opaque;
  280     struct hidden_until_the_other_unit *later;
  288     int flexible[];
  288     /* 32 bytes unused */
  320 };"""
    )
    line = next(m for m in aggregate(c, "everything").members if m.name == "line")
    assert line.alignment == 64


def test_layout_of_bit_fields(c: Prototypes) -> None:
    assert (
        layout(c, "flags")
        == """\
      struct flags {
  0:0     unsigned int a : 1;
  0:1     unsigned int b : 7;
  1:0     int c : 12;
    3     /* 5 bytes unused */
  8:0     uint64_t d : 40;
 13:0     _Bool e : 1;
   14     unsigned char rest;
 15:0     short int last : 3;
   16 };"""
    )


def test_layout_of_an_enumeration(c: Prototypes) -> None:
    assert [line.text.strip() for line in layout_lines(c, _enumeration(c, "color"))] == [
        "enum color {",
        "RED = 0,",
        "GREEN = 5,",
        "BLUE = -3,",
        "HUGE_COLOR = 2147483647,",
        "};",
    ]


def _enumeration(side: Prototypes, name: str) -> int:
    return next(i for i, t in enumerate(side.types) if isinstance(t, Enumeration) and t.name == name)


def test_a_type_is_one_over_all_units(c: Prototypes) -> None:
    """``struct node`` is described by both units; ``struct state`` is another in each, of the same size."""
    aggregate(c, "node")
    assert [len(t.members) for t in c.types if isinstance(t, Aggregate) and t.name == "state"] == [2, 2]


def test_a_declaration_leads_to_the_definition_in_another_unit(c: Prototypes) -> None:
    """Both structures are only declared in the unit that exports functions with them."""
    assert aggregate(c, "hidden_until_the_other_unit").size == 40
    assert aggregate(c, "opaque").size is None


def test_one_function_alone() -> None:
    side = prototypes(library("gcc", "-g"), "node_color")
    assert [f.symbol for f in side.functions] == ["node_color"]
    assert side.missing == ()
    assert prototypes(library("gcc", "-g"), "no_such_function").functions == ()


def test_cxx_functions(cxx: Prototypes) -> None:
    texts = {f.symbol: function_text(cxx, f) for f in cxx.functions}
    assert texts["_ZN6shapes5totalERNS_5ShapeEOS0_PKPKS0_"] == (
        "double shapes::total(shapes::Shape &one, shapes::Shape &&other, const shapes::Shape *const *more)"
    )
    member_pointers = next(text for symbol, text in texts.items() if symbol.startswith("_Z15member_pointers"))
    assert member_pointers == "int member_pointers(int shapes::Array<int, 2>::*data, int (shapes::Shape::*function)())"
    assert texts["_Z10overloadedi"] == "int overloaded(int x)"
    assert texts["_Z10overloadeddDn"] == "int overloaded(double x, decltype(nullptr))"
    assert texts["_ZNK6shapes6Circle4areaEv"] == "double shapes::Circle::area() const"
    assert texts["plain"] == "int plain(const struct shapes::Shape::Corner *corner, bool flag, char16_t wide, ...)"
    assert function(cxx, "_ZN6shapes5ShapeD1Ev").signature.parameters[0].artificial


def test_cxx_classes(cxx: Prototypes) -> None:
    shape, circle = aggregate(cxx, "shapes::Shape"), aggregate(cxx, "shapes::Circle")
    assert [(m.name, m.slot) for m in shape.virtual_methods if m.slot is not None] == [("area", 2), ("scale", 3)]
    assert [m.name for m in shape.members] == ["_vptr.Shape", "id_", "first_"]
    assert [(type_text(cxx, base.type), base.offset) for base in circle.bases] == [
        ("shapes::Shape", 0),
        ("struct shapes::Counted", 40),
    ]
    (virtual,) = aggregate(cxx, "shapes::Counted").bases
    assert virtual.virtual
    assert virtual.offset is None
    assert aggregate(cxx, "Copied").user_provided == ("copy constructor",)
    assert aggregate(cxx, "Defaulted").user_provided == ()
    assert shape.user_provided == ("destructor",)
    assert aggregate(cxx, "Outer::Inner").size == 4
    assert aggregate(cxx, "Undefined").size is None


def test_what_compilers_make_is_not_missing(cxx: Prototypes) -> None:
    assert cxx.missing == ()


def test_versions_of_a_symbol(cc: Compile, tmp_path: Path) -> None:
    """Each version has the prototype of its own function, whatever that is called."""
    versions = tmp_path / "versions.map"
    versions.write_text("V1 { global: f; local: *; }; V2 {} V1;")
    source = """
        __asm__(".symver f_old, f@V1");
        __asm__(".symver f_new, f@@V2");
        int f_old(int x) { return x; }
        long f_new(long x, long y) { return x + y; }
    """
    side = prototypes(cc(source, "-g", f"-Wl,--version-script={versions}"))
    assert [(f.version, function_text(side, f)) for f in side.functions] == [
        ("V1", "int f_old(int x)"),
        ("V2", "long int f_new(long int x, long int y)"),
    ]


def test_code_without_a_description_of_its_own(cc: Compile, tmp_path: Path) -> None:
    """A function in assembly is known from the units that call it; a folded one from what is left of it."""
    source = """
        __asm__(".text\\n.globl in_assembly\\n.type in_assembly, @function\\nin_assembly: ret\\n");
        int in_assembly(const char *text);
        int caller(void) { return in_assembly("x"); }
        __attribute__((noinline)) int same(int x) { return x * 31 + 7; }
        __attribute__((noinline)) int folded(int x) { return x * 31 + 7; }
    """
    side = prototypes(cc(source, "-g", "-O2", "-fno-semantic-interposition"))
    assert function_text(side, function(side, "in_assembly")) == "int in_assembly(const char *)"
    assert function(side, "in_assembly").evidence is Evidence.DECLARATION
    assert function_text(side, function(side, "folded")) == "int folded(int x)"
    assert side.missing == ()


def test_functions_in_two_parts(cc: Compile) -> None:
    """gcc gives a function with a cold part a list of ranges; it is found by address all the same."""
    source = """
        void abort(void);
        int part(int x) { if (x > 100) { for (int i = 0; i < x; i++) __asm__ volatile(""); abort(); } return x; }
        extern __typeof__(part) alias __attribute__((alias("part")));
    """
    side = prototypes(cc(source, "-g", "-O2", "-freorder-blocks-and-partition"))
    assert {f.evidence for f in side.functions} == {Evidence.ADDRESS}
    assert [function_text(side, f) for f in side.functions] == ["int part(int x)"] * 2


def test_without_types(cc: Compile) -> None:
    side = prototypes(cc("int f(int x) { return x; }", "-g1"))
    assert side.missing == ("f",)
    assert side.remarks == ("units compiled with -g1 hold no types: their exports are not described",)


def test_without_debug_information(cc: Compile) -> None:
    with ElfFile.open(str(cc("int f(int x) { return x; }", "-g0", "-Wl,--build-id=none"))) as elf:
        assert read_prototypes(elf) == Absent("no debug information: built without -g, or stripped")
