"""Prototypes from debug information."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soinspect import api
from soinspect.dwarf.callsignature import read_descriptions
from soinspect.errors import FormatError

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
