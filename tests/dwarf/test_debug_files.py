"""Debug information that packagers moved elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import Compile
from dwarflibraries import library
from soinspect.dwarf.debugfile import DebugSearch
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.model.absence import Absent
from soinspect.model.prototype import Prototypes


def read(path: Path, *roots: Path) -> Prototypes | Absent:
    with ElfFile.open(str(path)) as elf:
        return read_prototypes(elf, debug_search=DebugSearch(roots=tuple(map(str, roots))))


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def stripped(tmp_path: Path) -> Path:
    """A stripped library, with its debug information in ``library.debug`` beside it."""
    path = tmp_path / "library.so"
    shutil.copy(library("gcc", "-g", "-Wl,--build-id=sha1"), path)
    run("objcopy", "--only-keep-debug", path, tmp_path / "library.debug")
    run("objcopy", "--strip-debug", path)
    return path


def link(stripped: Path) -> Path:
    """Name the debug file in the stripped library."""
    subprocess.run(["objcopy", "--add-gnu-debuglink=library.debug", "library.so"], cwd=stripped.parent, check=True)
    return stripped.parent / "library.debug"


def test_not_found(stripped: Path, tmp_path: Path) -> None:
    link(stripped).unlink()
    found = read(stripped, tmp_path)
    assert isinstance(found, Absent)
    assert re.fullmatch(
        r"no debug information: built without -g, or stripped; not found in .*: build id [0-9a-f]{40}, "
        r"debug file library\.debug",
        found.reason,
    )


@pytest.mark.parametrize("place", ["library.debug", ".debug/library.debug", "root{folder}/library.debug"])
def test_by_name(stripped: Path, tmp_path: Path, place: str) -> None:
    debug = link(stripped)
    target = tmp_path / place.format(folder=tmp_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target != debug:
        debug.rename(target)
    found = read(stripped, tmp_path / "root")
    assert isinstance(found, Prototypes)
    assert found.source == f"{target}, by .gnu_debuglink"
    assert len(found.functions) == 24


def test_by_name_with_another_checksum(stripped: Path) -> None:
    debug = link(stripped)
    with debug.open("ab") as file:
        file.write(b"\0")
    assert isinstance(read(stripped), Absent)


def test_by_build_id(stripped: Path, tmp_path: Path) -> None:
    notes = run("readelf", "-n", stripped)
    match = re.search(r"Build ID: (..)(\w+)", notes)
    assert match
    target = tmp_path / "root" / ".build-id" / match[1] / f"{match[2]}.debug"
    target.parent.mkdir(parents=True)
    (tmp_path / "library.debug").rename(target)
    found = read(stripped, tmp_path / "root")
    assert isinstance(found, Prototypes)
    assert found.source == f"{target}, by build id"
    # A file in the right place with another build id is none of ours.
    shutil.copy(stripped, target)
    assert isinstance(read(stripped, tmp_path / "root"), Absent)


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.full)])
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_split(cc: Compile, tmp_path: Path, compiler: str, version: str) -> None:
    """Entries in files of their own, which are looked for where they were made, and beside the library."""
    folder = tmp_path / "made here"
    folder.mkdir()
    (folder / "one.c").write_text("struct s { int x; }; int f(struct s *s) { return s->x; } int v = 1;")
    flags = ("-g", version, "-O2", "-gsplit-dwarf", "-shared", "-fPIC")
    subprocess.run([compiler, *flags, "one.c", "-o", "library.so"], cwd=folder, check=True)
    (split,) = folder.glob("*.dwo")
    found = read(folder / "library.so")
    assert isinstance(found, Prototypes)
    assert [f.symbol for f in found.functions] == ["f"]
    assert [v.symbol for v in found.variables] == ["v"]
    # Moved together, to where nobody compiled anything; then without its other half, then with a wrong one.
    moved = folder.rename(tmp_path / "moved")
    assert read(moved / "library.so").functions == found.functions  # type: ignore[union-attr]
    shutil.copy(moved / split.name, tmp_path / "kept")
    (moved / split.name).unlink()
    lost = Absent(f"split DWARF: {split.name} not there, or of another build")
    assert read(moved / "library.so") == lost
    (moved / "one.c").write_text("double f(void) { return 1; } int v = 1;")
    subprocess.run([compiler, *flags, "one.c", "-o", "other.so"], cwd=moved, check=True)
    if not (moved / split.name).exists():
        next(moved.glob("*.dwo")).rename(moved / split.name)
    assert read(moved / "library.so") == lost


def test_object_file(cc: Compile, tmp_path: Path) -> None:
    source = tmp_path / "object.c"
    source.write_text("int f(int x) { return x; }")
    run("gcc", "-g", "-c", source, "-o", tmp_path / "object.o")
    found = read(tmp_path / "object.o")
    assert isinstance(found, Absent)
    assert "not linked" in found.reason
