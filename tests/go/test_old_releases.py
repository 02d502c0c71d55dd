"""Plugins of Go 1.19, which carry no build information: Debian's toolchain (apt install golang-1.19)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gobinaries import EVERY_TYPE, STRIPPED, Variant
from soinspect.go.binary import GoBinary
from soinspect.go.source import prove_source
from soinspect.model.absence import Absent

_VERSION = "1.19.8"

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("debian_go")]


@pytest.mark.parametrize("stripping", STRIPPED)
def test_a_plugin_without_build_information(
    stripping: str,
    variant: Variant,
    open_go: Callable[[Path], GoBinary],
    reflected: Callable[[str, Path, list[str]], Any],
) -> None:
    path = variant(_VERSION, "plugin", stripping)
    facts = open_go(path).facts
    assert isinstance(facts.build_info, Absent)
    if stripping == "plain":  # DWARF names the compiler
        assert (facts.version.text, facts.version.exact) == ("go1.19.8", True)
    else:
        assert (facts.version.text, facts.version.exact) == ("go1.19", False)
        assert len(facts.version.evidence) == 2
    assert facts.plugin
    types = {export.name: export.type for export in facts.plugin.exports}
    assert types == reflected(_VERSION, path, list(types))["Exports"]
    assert "runtime" in [entry.package for entry in facts.plugin.package_hashes]
    assert facts.plugin.init_tasks
    assert facts.plugin.init_tasks[-1].package == facts.plugin.path
    assert prove_source(facts, [EVERY_TYPE.read_bytes()]).built_from is True
    assert facts.problems == ()


@pytest.mark.parametrize("mode", ["plugin", "c-shared", "exe", "pie"])
def test_functions_equal_gosym(
    mode: str,
    variant: Variant,
    open_go: Callable[[Path], GoBinary],
    gosym: Callable[[Path], list[tuple[int, str, str, int]]],
) -> None:
    expected = gosym(variant(_VERSION, mode, "plain"))
    for stripping in ("plain", "stripped", "headless"):
        binary = open_go(variant(_VERSION, mode, stripping))
        assert [(f.entry, f.name, f.file, f.line) for f in binary.list_functions()] == expected


@pytest.mark.parametrize("mode", ["c-shared", "exe", "pie"])
def test_other_kinds_know_their_release(mode: str, variant: Variant, open_go: Callable[[Path], GoBinary]) -> None:
    facts = open_go(variant(_VERSION, mode, "headless")).facts
    assert (facts.version.text, facts.version.exact) == ("go1.19.8", True)
