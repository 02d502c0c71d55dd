"""The same answers for linux/arm64, cross-built with Debian's gcc-aarch64-linux-gnu; nothing of it is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gobinaries import EVERY_TYPE, LIBRARY, GoBuild, Variant
from soinspect.go.binary import GoBinary
from soinspect.go.moduledata import CHEAP_WAYS, COSTLY_WAYS
from soinspect.model.golang import GoPlugin

_COMPILER = "aarch64-linux-gnu-gcc"

pytestmark = pytest.mark.full


@pytest.fixture(autouse=True)
def _cross_compiler() -> None:
    assert shutil.which(_COMPILER), "the full run needs Debian's gcc-aarch64-linux-gnu"


def test_exports_equal_those_of_amd64(
    go_version: str, go_build: GoBuild, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    foreign = go_build(go_version, EVERY_TYPE, "-ldflags=-s -w", GOARCH="arm64", CC=_COMPILER)
    facts = open_go(foreign).facts
    native = open_go(variant(go_version, "plugin", "no-debug")).plugin
    assert facts.version.text == f"go{go_version}"
    assert not [clue for clue in facts.version.corroboration if "CONTRADICTION" in clue]
    assert facts.plugin
    assert native
    assert _exports(facts.plugin) == _exports(native)


def _exports(plugin: GoPlugin) -> list[tuple[str, str, object]]:
    return [(export.name, export.type.replace(plugin.path, "PATH"), export.initial) for export in plugin.exports]


@pytest.mark.parametrize("mode", ["plugin", "c-shared", "exe", "pie"])
def test_functions_equal_gosym_and_all_ways_agree(
    go_version: str,
    mode: str,
    go_build: GoBuild,
    open_go: Callable[[Path], GoBinary],
    gosym: Callable[[Path], list[tuple[int, str, str, int]]],
) -> None:
    path = go_build(go_version, EVERY_TYPE if mode == "plugin" else LIBRARY, mode=mode, GOARCH="arm64", CC=_COMPILER)
    binary = open_go(path)
    assert [(f.entry, f.name, f.file, f.line) for f in binary.list_functions()] == gosym(path)
    assert binary.module
    found = {address for _, locate in (*CHEAP_WAYS, *COSTLY_WAYS) for address in locate(binary.module.memory)}
    assert found == {binary.module.address}
    assert list(binary.list_types())
    assert binary.problems == ()
