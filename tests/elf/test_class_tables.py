"""Virtual tables and type information, read from relocations, against what readelf says of the same words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from soinspect.elf.classtables import class_tables
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable

SOURCE = """
struct Shape { virtual ~Shape(); virtual int area(); virtual int sides() = 0; };
struct Named { virtual const char *name(); int filler; };
struct Square : Shape, Named { int area() override; int sides() override; const char *name() override; };
struct Base { virtual int left(); };
struct Virtual : virtual Base { int left() override; };
Shape::~Shape() {}
int Shape::area() { return 0; }
const char *Named::name() { return ""; }
int Square::area() { return 4; }
int Square::sides() { return 4; }
const char *Square::name() { return "square"; }
int Base::left() { return 1; }
int Virtual::left() { return 2; }
"""
_RELOCATION = re.compile(
    r"^([0-9a-f]{16})  [0-9a-f]{16} (R_X86_64_\w+)\s+(?:[0-9a-f]{16} (\S+) \+ )?([0-9a-f]+)$", re.MULTILINE
)


def relocated(path: Path) -> dict[int, str | int]:
    """Address of each relocated word to the symbol it names, or to the address it holds, as readelf has it."""
    done = subprocess.run(["readelf", "-rW", path], capture_output=True, text=True, check=True)
    rows = (match.groups() for match in _RELOCATION.finditer(done.stdout))
    return {int(at, 16): name.partition("@")[0] if name else int(addend, 16) for at, _, name, addend in rows}


@pytest.mark.parametrize("flags", [(), ("-Wl,-Bsymbolic",), ("-Wl,-z,pack-relative-relocs",), ("-s",)])
def test_words_of_tables_against_readelf(flags: tuple[str, ...], cc: Callable[..., Path], tmp_path: Path) -> None:
    source = tmp_path / "classes.cpp"
    source.write_text(SOURCE)
    path = cc(source, *flags)
    expected = relocated(path)
    with ElfFile.open(str(path)) as elf:
        tables = class_tables(elf)
        symbols = elf.dynamic_symbols
        assert isinstance(symbols, SymbolTable)
        names = {it.name: it for it in symbols}
        assert {table.symbol for table in tables} == {it for it in names if it.startswith(("_ZTV", "_ZTI"))} - {
            it.name for it in symbols if not it.defined
        }
        for table in tables:
            start = names[table.symbol].value
            for at, word in zip(range(start, start + names[table.symbol].size, 8), table.words, strict=True):
                target = expected.get(at)
                if isinstance(target, str):
                    assert word == target
                elif isinstance(target, int):
                    # Of several names of one address none is right; destructors are told apart by a digit only.
                    assert word is None or names[word.replace("D1Ev", "D2Ev")].value == target
                elif word is not None and not word.startswith("_Z"):
                    assert int.from_bytes(elf.image.read(at, 8), "little", signed=True) == int(word)


def test_the_slots_of_a_class(cc: Callable[..., Path], tmp_path: Path) -> None:
    source = tmp_path / "classes.cpp"
    source.write_text(SOURCE)
    with ElfFile.open(str(cc(source, "-s"))) as elf:
        tables = {table.symbol: table.words for table in class_tables(elf)}
    assert tables["_ZTV5Shape"] == (
        "0",
        "_ZTI5Shape",
        "0",
        "0",
        "_ZN5Shape4areaEv",
        "__cxa_pure_virtual",
    )  # fmt: skip  (nothing destroys objects of an abstract class)
    assert tables["_ZTV6Square"][-3:] == ("-8", "_ZTI6Square", "_ZThn8_N6Square4nameEv")
    assert [it for it in tables["_ZTI6Square"] if it and it.startswith("_ZTI")] == ["_ZTI5Shape", "_ZTI5Named"]
