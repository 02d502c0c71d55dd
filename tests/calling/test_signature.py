"""C declarations to prototypes, and where two prototypes disagree."""

from __future__ import annotations

import pytest

from soinspect.calling.signature import differences, parse_signature
from soinspect.errors import UsageError
from soinspect.model.signature import TypeKind


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("int add(int, const char *s);", "int add(int, const char *s)"),
        ("unsigned long long *f(void (*cb)(int), ...)", "unsigned long long *f(void (*cb)(int), ...)"),
        ("typedef unsigned foo_t; foo_t g(foo_t a[3])", "foo_t g(foo_t *a)"),
        ("int old()", "int old()"),
        ("void none(void)", "void none(void)"),
        ("FILE *fopen(const char *restrict p, const char *m)", "FILE *fopen(const char *p, const char *m)"),
        ("int cmp(int f(int))", "int cmp(int (*)(int))"),
        ("extern struct point *make(struct point *p)", "struct point *make(struct point *p)"),
    ],
)
def test_declarations(text: str, shown: str) -> None:
    assert parse_signature(text).text.replace("(*f)", "(*)") == shown


@pytest.mark.parametrize(
    ("type_text", "kind", "size", "signed"),
    [
        ("long unsigned int", TypeKind.INTEGER, 8, False),
        ("unsigned", TypeKind.INTEGER, 4, False),
        ("short int", TypeKind.INTEGER, 2, True),
        ("size_t", TypeKind.INTEGER, 8, False),
        ("enum colour", TypeKind.INTEGER, 4, False),
        ("_Bool", TypeKind.BOOLEAN, 1, False),
        ("float", TypeKind.FLOAT, 4, False),
        ("const double", TypeKind.FLOAT, 8, False),
        ("void *", TypeKind.POINTER, 8, False),
    ],
)
def test_types(type_text: str, kind: TypeKind, size: int, signed: bool) -> None:
    returned = parse_signature(f"{type_text} f(void)").returns
    assert (returned.kind, returned.size, returned.signed) == (kind, size, signed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int f(int", "is not a C declaration"),
        ("int x", "declares no function"),
        ("foo_t f(int)", "the type 'foo_t' is not known"),
        ("int f(bar_t)", "the type 'bar_t' is not known"),
        ("foo_t *f(bar_t)", "the type 'bar_t' is not known"),
        ("", "declares no function"),
        ("int f(" + "(" * 5000, "is not a C declaration"),
        ("int " + "*" * 200 + "f(void)", "nested too deeply"),
    ],
)
def test_refusals(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_signature(text)


def test_differences_are_what_a_caller_notices() -> None:
    declared = parse_signature("int f(int a, char *b, double c)")
    assert differences(declared, parse_signature("signed int f(int x, void *y, double z)")) == ()
    assert differences(declared, parse_signature("unsigned f(long a, char *b, float c)")) == (
        "the result is int in --sig, unsigned in --sig",
        "parameter 1 is int in --sig, long in --sig",
        "parameter 3 is double in --sig, float in --sig",
    )
    assert "variadic only in --sig" in differences(declared, parse_signature("int f(int a, char *b, double c, ...)"))
    assert "3 parameters in --sig, 1 in --sig" in differences(declared, parse_signature("int f(int a)"))
