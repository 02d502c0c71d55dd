"""Files of other machines, classes and byte orders: every command reads them, or says what it cannot tell."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bounded import bounded
from victims import AARCH64, I386, MIPS, PPC64, RISCV, S390, foreign

_MACHINES = {
    "s390x": (S390, 64, ">", "S/390", "big-endian"),
    "mips": (MIPS, 32, ">", "MIPS", "big-endian"),
    "mips64el": (MIPS, 64, "<", "MIPS", "little-endian"),
    "riscv64": (RISCV, 64, "<", "RISC-V", "little-endian"),
    "ppc64le": (PPC64, 64, "<", "PowerPC 64", "little-endian"),
    "aarch64": (AARCH64, 64, "<", "AArch64", "little-endian"),
    "i386": (I386, 32, "<", "x86 (i386)", "little-endian"),
}
_LOADER_UNKNOWN = {"mips", "mips64el"}
Foreign = Callable[[str], Path]


@pytest.fixture
def library(tmp_path: Path) -> Foreign:
    def write(name: str) -> Path:
        machine, bits, order, *_ = _MACHINES[name]
        path = tmp_path / f"{name}.so"
        path.write_bytes(foreign(machine, bits, order))
        return path

    return write


@pytest.mark.parametrize("name", _MACHINES)
def test_symbols_with_versions(name: str, library: Foreign) -> None:
    (entry,) = bounded("symbols", library(name), "--format", "json").json["files"]
    found = {symbol["name"]: symbol for symbol in entry["symbols"]}
    assert found["plugin_init"]["value"] == 0x1000
    assert found["state"]["type"] == "OBJECT"
    assert (found["malloc"]["section"], found["malloc"]["version"]) == ("UND", "V_1")
    assert found["_ZN6plugin4nameERKSs"]["demangled"].startswith("plugin::name(")


@pytest.mark.parametrize("name", _MACHINES)
def test_info(name: str, library: Foreign) -> None:
    _, bits, _, _, endianness = _MACHINES[name]
    out = bounded("info", library(name)).out
    assert f"{bits}-bit {endianness} ELF" in out
    assert bytes(range(20)).hex() in out
    assert "libforeign.so.1" in out


@pytest.mark.parametrize("name", _MACHINES)
def test_deps(name: str, library: Foreign, tmp_path: Path) -> None:
    run = bounded("deps", library(name), "--root", tmp_path)
    if name in _LOADER_UNKNOWN:
        assert run.code == 2
        assert "whose loader is not known here" in run.err
    else:
        assert run.code == 1
        assert "libc.so.6 => not found" in run.out


@pytest.mark.parametrize("name", _MACHINES)
def test_diff(name: str, library: Foreign) -> None:
    path = library(name)
    assert bounded("diff", path, path).code == 0
    other = path.with_name("other.so")
    other.write_bytes(path.read_bytes().replace(b"plugin_init", b"plugin_quit"))
    out = bounded("diff", path, other).out
    assert "plugin_init" in out
    assert "elf.symbol-" in out
    aarch64 = library("aarch64")
    assert ("elf.machine-changed" in bounded("diff", path, aarch64).out) == (path != aarch64)


@pytest.mark.parametrize("name", _MACHINES)
def test_snapshots_cross_machines(name: str, library: Foreign, tmp_path: Path) -> None:
    path, saved = library(name), tmp_path / "saved.json"
    assert bounded("snapshot", path, "-o", saved).code == 0
    assert bounded("diff", saved, path).code == 0


@pytest.mark.parametrize("name", _MACHINES)
def test_binutils_read_the_same(name: str, library: Foreign) -> None:
    """The images are sound: readelf, which knows these machines, reads the same."""
    command = ["readelf", "-d", "-h", "-n", "-W", str(library(name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Library soname: [libforeign.so.1]" in done.stdout
    assert f"Build ID: {bytes(range(20)).hex()}" in done.stdout
