"""Prototypes from headers: against gcc's reading of the same headers, and where they disagree with the library."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calls import ENVIRONMENT, FIXTURES, call
from soinspect import api
from soinspect.calling.header import read_header
from soinspect.calling.signature import differences, parse_signature
from soinspect.dwarf.callsignature import read_descriptions
from soinspect.errors import CannotRun, InputError, UsageError
from soinspect.model.signature import TypeKind

if TYPE_CHECKING:
    from conftest import Compile

# Every C compiler comes with the C library's headers; the others are for the full run.
SYSTEM_HEADERS = (
    "stdio.h",
    "stdlib.h",
    "string.h",
    "math.h",
    *(pytest.param(name, marks=pytest.mark.full) for name in ("zlib.h", "sqlite3.h")),
)
HEADER = """
#ifndef ARGUMENTS_H
#define ARGUMENTS_H
#include <stddef.h>
#define API extern
#ifdef __cplusplus
extern "C" {
#endif
struct point;
API int add(int a, int b);
API double multiply(double, double);
API size_t length(const char *s) __attribute__((pure));
API int fill(char *out, size_t n);
API int apply(int (*f)(int, int), int x);
API int total(int n, ...);
static inline int helper(int x) { return x; }
#ifdef __cplusplus
}
#endif
#endif
"""


@pytest.fixture(autouse=True, params=["libclang", "preprocessor"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What reads the headers: libclang, or without it the C compiler's preprocessor."""
    if request.param == "preprocessor":
        monkeypatch.setitem(sys.modules, "soinspect.calling.clangheader", None)
    return str(request.param)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("header") / "arguments.so"
    source = FIXTURES / "callee-that-takes-arguments" / "arguments.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-g", "-o", file, source], check=True)
    return file


@pytest.fixture(scope="module")
def bare_library(library: Path) -> Path:
    bare = library.with_name("bare.so")
    subprocess.run(["strip", "-o", bare, library], check=True)
    return bare


def header(folder: Path, text: str = HEADER) -> tuple[str]:
    file = folder / "arguments.h"
    file.write_text(text)
    return (str(file),)


def test_a_header_types_arguments_and_result(bare_library: Path, tmp_path: Path) -> None:
    result = call(bare_library, "add(40, 2)", "multiply(2, 3)", "length(str:abc)", headers=header(tmp_path))
    assert [step.value for step in result.steps] == ["42", "6.0", "3"]
    assert "int add(int a, int b) (from arguments.h)" in result.steps[0].detail


def test_a_header_that_agrees_is_not_worth_a_word(library: Path, tmp_path: Path) -> None:
    for name in ("add(1, 2)", "multiply(2, 3)", "length(str:abc)", "fill(buf:9, 9)", "apply(cb:, 1)", "total(0)"):
        detail = call(library, name, headers=header(tmp_path)).steps[0].detail
        assert "(from DWARF)" in detail
        assert "disagree" not in detail


@pytest.mark.parametrize(
    ("step", "was", "altered", "why"),
    [
        ("add(1, 2)", "int add(", "long add(", "the result is int in DWARF, long in arguments.h"),
        ("add(1, 2)", "int a, int b", "int a, unsigned b", "parameter 2 is int in DWARF, unsigned"),
        ("multiply(2, 3)", "(double, double)", "(double)", "2 parameters in DWARF, 1 in arguments.h"),
        ("fill(buf:9, 9)", "size_t n", "int n", "parameter 2 is size_t in DWARF, int in arguments.h"),
        ("total(0)", "int n, ...", "int n", "variadic only in DWARF"),
        ("length(str:abc)", "const char *s", "char s", "parameter 1 is const char * in DWARF, char in arguments.h"),
    ],
)
def test_altered_headers_are_found_out(
    library: Path, tmp_path: Path, step: str, was: str, altered: str, why: str
) -> None:
    assert was in HEADER
    detail = call(library, step, headers=header(tmp_path, HEADER.replace(was, altered))).steps[0].detail
    assert f"the prototypes disagree: {why}" in detail


def test_three_sources_are_compared(library: Path, tmp_path: Path) -> None:
    headers = header(tmp_path, HEADER.replace("int add(", "short add("))
    detail = call(library, "add(1, 2)", signatures=("long add(int, int)",), headers=headers).steps[0].detail
    assert "the result is long in --sig, int in DWARF; the result is long in --sig, short in arguments.h" in detail


def test_a_function_that_the_header_lacks(bare_library: Path, tmp_path: Path) -> None:
    detail = call(bare_library, "get", headers=header(tmp_path, HEADER + "foo_t f(unknown_t);")).steps[0].detail
    assert "arguments.h does not declare get, as far as it is understood (1 declarations are not)" in detail


def test_what_is_no_header(bare_library: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        call(bare_library, "get", headers=(str(tmp_path / "none.h"),))
    with pytest.raises(UsageError, match=r"it is refused: .*nowhere\.h"):
        call(bare_library, "get", headers=header(tmp_path, "#include <nowhere.h>\n"))


def test_without_a_compiler(reader: str, tmp_path: Path) -> None:
    (file,) = header(tmp_path, HEADER.replace("#include <stddef.h>", "typedef unsigned long size_t;"))
    bare = replace(ENVIRONMENT, variables={"PATH": str(tmp_path)})
    if reader == "libclang":
        assert read_header(file, bare).functions["fill"].text == "int fill(char *out, size_t n)"
    else:
        with pytest.raises(CannotRun, match="needs libclang or a C compiler"):
            read_header(file, bare)


@pytest.mark.parametrize("name", SYSTEM_HEADERS)
def test_prototypes_are_those_that_gcc_reads(name: str, cc: Compile) -> None:
    """Functions are defined here by the prototypes as we write them: gcc refuses one that differs from its header's."""
    found = read_header(f"/usr/include/{name}", ENVIRONMENT)
    assert found.functions
    assert not found.unread
    # A function that returns a pointer to a function cannot be written as type, name, parameters.
    functions = [f for f in found.functions.values() if "(*" not in f.returns.text]
    bodies = "\n".join(f"#undef {f.name}\n{f.text} {{ __builtin_trap(); }}" for f in functions)
    library = cc(f"#include <{name}>\n{bodies}\n", "-g", "-w", "-fno-builtin", "-D_FORTIFY_SOURCE=0", "-nostdlib")
    with api.open_elf(str(library)) as elf:
        assert elf.dynamic_symbols
        # Some names stand for another symbol: __isoc99_fscanf for fscanf.
        there = [function for function in functions if elf.dynamic_symbols.get(function.name)]
        assert len(there) > 0.9 * len(functions)
        recorded = read_descriptions(elf, {function.name for function in there}).functions
        for function in there:
            assert not differences(function, recorded[function.name, None]), function.text


def test_structures_of_headers_are_laid_out_as_gcc_does(cc: Compile) -> None:
    types = """
typedef struct { char tag; short code; long numbers[2][3]; char end; } first;
typedef union { first whole; double parts[4]; } both;
struct second { float f; struct { int a; char b; } inner; first *next; both last; int (*run)(int); };
typedef struct second second;
"""
    library = cc(f"{types} second make(first f, both b) {{ second s = {{1}}; return s; }}", "-g", "-w")
    declared = parse_signature(f"{types} second make(first f, both b)")
    with api.open_elf(str(library)) as elf:
        recorded = read_descriptions(elf, ("make",)).functions["make", None]
    assert not differences(declared, recorded)
    assert [len(list(p.type.leaves())) for p in recorded.parameters] == [9, 13]
    wider = parse_signature(types.replace("short code", "int code") + "second make(first f, both b)")
    assert "parameter 1 is first in --sig, first of another layout in DWARF" in differences(wider, recorded)


def test_what_only_libclang_lays_out(reader: str, cc: Compile, tmp_path: Path) -> None:
    """Attributes, bit-fields and anonymous members: told as gcc records them, or not at all."""
    types = """
struct __attribute__((packed)) packed { char a; int b; };
struct flags { unsigned low : 3; unsigned high : 5; };
struct nested { int a; union { float f; struct { short s, t; }; }; enum { LESS = -1, MORE } sign; };
typedef float vector __attribute__((vector_size(16)));
"""
    prototype = "int take(struct packed p, struct flags f, struct nested n, vector v, long double d, int table[4])"
    (file,) = header(tmp_path, f"{types}{prototype};")
    library = cc(f"{types}{prototype} {{ return 0; }}", "-g")
    with api.open_elf(str(library)) as elf:
        recorded = read_descriptions(elf, ("take",)).functions["take", None]
    found = read_header(file, ENVIRONMENT).functions
    if reader == "preprocessor":
        assert "take" not in found
        return
    take = found["take"]
    assert not differences(take, recorded)
    offsets = [[offset for offset, _ in parameter.type.leaves()] for parameter in take.parameters]
    assert offsets == [[0, 1], [], [0, 4, 4, 6, 8], [0], [0], [0]]
    assert take.parameters[5].text == "int *table"


def test_types_that_are_only_announced(reader: str, tmp_path: Path) -> None:
    (file,) = header(
        tmp_path, "enum later; struct hidden; void set(enum later l); struct hidden *get(struct hidden h);"
    )
    found = read_header(file, ENVIRONMENT).functions
    assert found["get"].returns.kind is TypeKind.POINTER
    assert found["get"].parameters[0].type.members == ()
    if reader == "libclang":  # the other takes it for an int, as gcc would
        assert found["set"].parameters[0].type.kind is TypeKind.OTHER


@pytest.mark.parametrize("included", ["/dev/zero", "{}/fifo", "{}/bomb.h"])
def test_a_header_that_never_ends(included: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soinspect.calling.header._TIMEOUT", 1.0)
    os.mkfifo(tmp_path / "fifo")
    twice = "".join(f"#define A{n + 1} A{n} A{n}\n" for n in range(40))
    (tmp_path / "bomb.h").write_text(f"#define A0 int f(void);\n{twice}A40\n")
    header = tmp_path / "header.h"
    header.write_text(f'#include "{included.format(tmp_path)}"\nint f(void);\n')
    with pytest.raises((UsageError, CannotRun)) as told:
        read_header(str(header), ENVIRONMENT)
    assert "\n" not in str(told.value)
    deadline = time.monotonic() + 10
    while os.fsencode(header) in b"".join(commands()):  # whoever read it has been killed, and is about to go
        assert time.monotonic() < deadline


def commands() -> Iterator[bytes]:
    """The command lines of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()
