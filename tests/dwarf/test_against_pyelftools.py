"""Every prototype and layout as pyelftools reads them, and the same facts however they are written down."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dwarflibraries import library
from dwarforacle import Facts, Oracle, facts_of
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.model.prototype import Prototypes

# What pyelftools does not read: type units of DWARF 5.
READ_BY_BOTH = (
    "-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-g -gstrict-dwarf -gdwarf-3", "-g -O2", "-g -gdwarf64",
    "-gdwarf-4 -fdebug-types-section", "-g -gz=zlib", "-g -gz=zlib-gnu", "-g3",
)  # fmt: skip
# DWARF 2, and any version taken strictly, has no words for some of the types.
OF_ONE_MEANING = (
    *(flags for flags in READ_BY_BOTH if "strict" not in flags and "gdwarf-2" not in flags),
    "-gdwarf-5 -fdebug-types-section", "-g -O2 -flto",
)  # fmt: skip


def prototypes(path: Path) -> Prototypes:
    with ElfFile.open(str(path)) as elf:
        found = read_prototypes(elf)
    assert isinstance(found, Prototypes), found
    assert not found.remarks
    return found


def assert_agrees(ours: Facts, oracle: Facts, *, all_layouts: bool = True) -> None:
    """``all_layouts`` is False where units disagree on what a member of one structure points to, as in glibc."""
    assert oracle.exports
    assert {name: ours.exports.get(name) for name in oracle.exports} == oracle.exports
    for name, layouts in oracle.layouts.items():
        assert layouts <= ours.layouts[name] if all_layouts else layouts & ours.layouts[name], name


# CI has no clang: what it writes is compared in the full run, without what not all of its releases know.
COMPILERS = ("gcc", "g++", *(pytest.param(name, marks=pytest.mark.full) for name in ("clang", "clang++")))
NOT_OF_CLANG = re.compile("zlib-gnu|gdwarf64|types")


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", READ_BY_BOTH)
def test_same_as_pyelftools(compiler: str, flags: str) -> None:
    if "clang" in compiler and NOT_OF_CLANG.search(flags):
        return
    path = library(compiler, *flags.split())
    assert_agrees(facts_of(prototypes(path)), Oracle(path).facts)


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
@pytest.mark.parametrize("flags", OF_ONE_MEANING)
def test_same_facts_in_all_formats(compiler: str, flags: str) -> None:
    plain = facts_of(prototypes(library(compiler, "-g")))
    other = facts_of(prototypes(library(compiler, *flags.split())))
    if "gdwarf-3" in flags:
        # Rvalue references came with DWARF 4.
        plain.exports = {name: text.replace("rvalue reference", "reference") for name, text in plain.exports.items()}
    shared = plain.exports.keys() & other.exports.keys()
    assert len(shared) > 20
    assert {name: other.exports[name] for name in shared} == {name: plain.exports[name] for name in shared}
    assert {name: other.layouts[name] for name in other.layouts} == {
        name: plain.layouts[name] for name in other.layouts
    }


@pytest.mark.full
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_entries_that_dwz_moved(tmp_path: Path, version: str) -> None:
    """Within the file, and to a file that two libraries share."""
    original = library("gcc", version)
    for name in ("one.so", "two.so", "alone.so"):
        shutil.copy(original, tmp_path / name)
    subprocess.run(["dwz", "alone.so"], cwd=tmp_path, check=True)
    subprocess.run(["dwz", "-m", "shared.dwz", "one.so", "two.so"], cwd=tmp_path, check=True)
    expected = facts_of(prototypes(original))
    for name in ("alone.so", "one.so", "two.so"):
        assert facts_of(prototypes(tmp_path / name)) == expected


def test_nothing_is_left_out() -> None:
    for compiler in ("gcc", "g++"):
        assert prototypes(library(compiler, "-g")).missing == ()


@pytest.mark.full
def test_libraries_of_this_process() -> None:
    """Real libraries: all that are mapped here and have debug information, in themselves or below /usr/lib/debug."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in lines if ".so" in line}
    compared = 0
    for path in sorted(mapped):
        with ElfFile.open(path) as elf:
            found = read_prototypes(elf)
        if isinstance(found, Prototypes) and found.functions:
            holder = found.source.partition(", by ")[0]
            oracle = Oracle(Path(path), None if holder == "the file itself" else Path(holder))
            assert_agrees(facts_of(found), oracle.facts, all_layouts=False)
            compared += 1
    assert compared, "no library of this process has debug information: install libc6-dbg"
