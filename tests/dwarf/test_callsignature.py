"""Prototypes from debug information."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soinspect import api
from soinspect.dwarf.callsignature import descriptions_of, read_descriptions
from soinspect.errors import FormatError
from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    BaseType,
    Derivation,
    DerivedType,
    Encoding,
    Evidence,
    ExportedFunction,
    FunctionType,
    Language,
    Member,
    Parameter,
    Prototypes,
    Type,
    UnspecifiedType,
)
from soinspect.model.signature import CType

if TYPE_CHECKING:
    from conftest import Compile

SOURCE = """
#include <stdbool.h>
#include <stdint.h>
struct point { int x; double y; };
enum colour { RED };
typedef unsigned long handle;
"""
# Declarations as the reader writes them, each defined with an empty body.
DECLARATIONS = (
    "int plain(int a, unsigned int b)",
    "void nothing(void)",
    "const char *text(const char *in, char **out)",
    "struct point *by_pointer(struct point *p, void *opaque)",
    "double floating(float f, double d)",
    "int variadic(const char *format, ...)",
    "handle renamed(handle h, uint8_t byte, size_t size)",
    "void callback(int (*f)(int, const char *), enum colour c)",
    "_Bool truth(_Bool b)",
)


def prototype_text(library: Path, name: str) -> str | None:
    with api.open_elf(str(library)) as elf:
        found = read_descriptions(elf, (name,)).functions.get((name, None))
        return found.text if found else None


@pytest.mark.parametrize("flags", [("-g",), ("-g", "-gdwarf-4"), ("-g", "-O2", "-fno-ipa-icf"), ("-g", "-gz")])
def test_c_prototypes_are_read_exactly(cc: Compile, flags: tuple[str, ...]) -> None:
    bodies = "\n".join(f"{text} {{ {'' if text.startswith('void') else 'return 0;'} }}" for text in DECLARATIONS)
    library = cc("#include <stddef.h>\n" + SOURCE + bodies, "-w", *flags)
    for text in DECLARATIONS:
        name = text.partition("(")[0].split()[-1].lstrip("*")
        assert prototype_text(library, name) == text


def test_without_debug_information(cc: Compile) -> None:
    assert prototype_text(cc("int f(void) { return 1; }"), "f") is None


def test_damaged_debug_information_is_an_error_of_ours(cc: Compile) -> None:
    library = cc(SOURCE + "int f(int a) { return a; }", "-g")
    with api.open_elf(str(library)) as elf:
        section = elf.image.section(".debug_info")
        abbreviations = elf.image.section(".debug_abbrev")
    assert section is not None
    assert abbreviations is not None
    sound = library.read_bytes()
    chance = random.Random(1)
    for _ in range(200):
        data = bytearray(sound)
        for _ in range(8):
            part = chance.choice((section, abbreviations))
            data[part.offset + chance.randrange(part.size)] = chance.randrange(256)
        library.write_bytes(data)
        try:
            with api.open_elf(str(library)) as elf:
                read_descriptions(elf, ("f",))
        except FormatError:
            pass


def test_go_functions_have_no_c_prototype(demo_plugin: Path) -> None:
    with api.open_elf(str(demo_plugin)) as elf:
        assert not read_descriptions(elf, ("plugin/unnamed-go-plugin.Run",)).functions


def test_separate_debug_information_is_found(cc: Compile) -> None:
    library = cc(SOURCE + "int f(int a) { return a; }", "-g")
    aside = library.with_suffix(".debug")
    subprocess.run(["objcopy", "--only-keep-debug", library, aside], check=True)
    subprocess.run(["strip", library], check=True)
    assert prototype_text(library, "f") is None
    subprocess.run(["objcopy", f"--add-gnu-debuglink={aside}", library], check=True)
    assert prototype_text(library, "f") == "int f(int a)"


def test_functions_that_take_themselves_end() -> None:
    """A function of a pointer (3) to a function (2), for types that no compiler writes."""
    to_function = DerivedType(derivation=Derivation.POINTER, target=2)
    number = BaseType(name="int", size=4, encoding=Encoding.SIGNED)

    def described(*types: Type, taken: int = 3) -> CType:
        function = ExportedFunction(
            symbol="f",
            version=None,
            name="f",
            signature=FunctionType(result=1, parameters=(Parameter(name=None, type=taken),)),
            language=Language.C11,
            unit="",
            evidence=Evidence.NAME,
        )
        side = Prototypes(
            functions=(function,),
            variables=(),
            types=(UnspecifiedType(name="void"), number, *types),
            missing=(),
            word_size=8,
            source="",
            producers=(),
            remarks=(),
        )
        return descriptions_of(side).functions["f", None].parameters[0].type

    def taking(*parameters: int) -> FunctionType:
        return FunctionType(result=1, parameters=tuple(Parameter(name=None, type=it) for it in parameters))

    for itself in (2, 3):
        found = described(taking(itself, itself), to_function).function
        assert found is not None
        assert [it.type.function for it in found.parameters] == [None, None]
    assert described(FunctionType(result=2, parameters=()), to_function).function is not None
    assert described(taking(*[1] * 65), to_function).function is None
    members = tuple(Member(name=f"m{i}", type=3, offset=8 * i) for i in range(900))
    many = Aggregate(kind=AggregateKind.STRUCT, name="s", size=7200, members=members)
    assert len(described(taking(*[3] * 64), to_function, many, taken=4).members) == 900
