"""Functions with file and line equal Go's own debug/gosym, in every kind of file, however it was stripped."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gobinaries import STRIPPED, Variant
from soinspect.go.binary import GoBinary
from soinspect.model.golang import GoBinaryKind

if TYPE_CHECKING:
    from conftest import GoToolchains

_MODES = ("plugin", "c-shared", "exe", "pie")


@pytest.mark.parametrize("mode", _MODES)
def test_functions_equal_gosym(
    go_version: str,
    mode: str,
    variant: Variant,
    open_go: Callable[[Path], GoBinary],
    gosym: Callable[[Path], list[tuple[int, str, str, int]]],
) -> None:
    expected = gosym(variant(go_version, mode, "plain"))
    assert len(expected) > 1000
    for stripping in ("plain", "stripped", "headless"):
        binary = open_go(variant(go_version, mode, stripping))
        assert [(f.entry, f.name, f.file, f.line) for f in binary.list_functions()] == expected
        assert binary.problems == ()


@pytest.mark.full
def test_shared_libraries_of_go_packages(
    go_version: str,
    go_toolchains: GoToolchains,
    open_go: Callable[[Path], GoBinary],
    gosym: Callable[[Path], list[tuple[int, str, str, int]]],
    tmp_path: Path,
) -> None:
    toolchain = go_toolchains[go_version]
    toolchain.run("install", "-buildmode=shared", "-pkgdir", tmp_path, "runtime", "sync/atomic")
    library = tmp_path / "libruntime,sync-atomic.so"
    for name in (library, tmp_path / "stripped.so"):
        if name != library:
            subprocess.run(["strip", "--strip-all", "-o", name, library], check=True)
        binary = open_go(name)
        assert binary.facts.kind is GoBinaryKind.SHARED
        assert binary.facts.version.text == f"go{go_version}"
        assert [(f.entry, f.name, f.file, f.line) for f in binary.list_functions()] == gosym(library)
        assert {"*runtime.g", "runtime.mutex"} <= {found.text for found in binary.list_types()}
        assert binary.problems == ()


def test_an_address_inside_of_a_function_has_its_own_line(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    binary = open_go(variant(go_version, "plugin", "stripped"))
    assert binary.plugin
    run = next(export for export in binary.plugin.exports if export.name == "Run")
    assert isinstance(run.address, int)
    lines = {found.line for offset in range(run.size) if (found := binary.function_at(run.address + offset))}
    entry = binary.function_at(run.address)
    assert entry is not None
    assert entry.entry == run.address
    assert entry.line in lines
    assert entry.file.endswith("everytype.go")
    assert binary.function_at(0) is None


def test_sizes_add_up_to_the_code(go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]) -> None:
    binary = open_go(variant(go_version, "exe", "plain"))
    functions = list(binary.list_functions())
    sizes = binary.package_sizes()
    assert binary.functions
    assert sum(size.code for size in sizes) == binary.functions.end - functions[0].entry
    assert sum(size.functions for size in sizes) == len(functions)
    assert sizes[0].package == "runtime"
    assert [size.code for size in sizes] == sorted((size.code for size in sizes), reverse=True)


@pytest.mark.parametrize("stripping", STRIPPED)
def test_cgo_exports_and_their_go_side(
    go_version: str, stripping: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    facts = open_go(variant(go_version, "c-shared", stripping)).facts
    assert [export.name for export in facts.cgo_exports] == ["Add", "Greet", "Sum"]
    greet = facts.cgo_exports[1].function
    assert greet
    assert greet.name == "main.Greet"
    assert greet.file.endswith("library.go")
    assert facts.c_imports == ("CString", "twice")
