"""Kind, version, build information, module data and initialisers of real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gobinaries import FIXTURES, STRIPPED, GoBuild, Variant
from soinspect.go.binary import GoBinary
from soinspect.go.moduledata import CHEAP_WAYS, COSTLY_WAYS
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBinaryKind, GoBuildInfo, GoModule

_KINDS = {
    "plugin": GoBinaryKind.PLUGIN,
    "c-shared": GoBinaryKind.C_SHARED,
    "exe": GoBinaryKind.EXECUTABLE,
    "pie": GoBinaryKind.PIE,
}


@pytest.mark.parametrize("stripping", STRIPPED)
@pytest.mark.parametrize("mode", _KINDS)
def test_kind_version_and_layout(
    go_version: str, mode: str, stripping: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    facts = open_go(variant(go_version, mode, stripping)).facts
    assert facts.kind is _KINDS[mode]
    assert (facts.version.text, facts.version.exact) == (f"go{go_version}", True)
    assert not [clue for clue in facts.version.corroboration if "CONTRADICTION" in clue]
    assert facts.module_data
    assert isinstance(facts.build_id, str)
    assert len(facts.build_id.split("/")) == 4
    assert facts.problems == ()


@pytest.mark.parametrize("stripping", STRIPPED)
@pytest.mark.parametrize("mode", _KINDS)
def test_all_ways_to_the_module_data_agree(
    go_version: str, mode: str, stripping: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    module = open_go(variant(go_version, mode, stripping)).module
    assert module
    found = {way: list(locate(module.memory)) for way, locate in (*CHEAP_WAYS, *COSTLY_WAYS)}
    assert {address for addresses in found.values() for address in addresses} == {module.address}
    assert found["reference to the pclntab"]
    if mode == "plugin":
        assert found["runtime.lastmoduledatap"]
        assert found["code in DT_INIT_ARRAY"]


@pytest.mark.parametrize("mode", _KINDS)
def test_build_info_equals_go_version(
    go_version: str, mode: str, variant: Variant, open_go: Callable[[Path], GoBinary], go_toolchains: Any
) -> None:
    path = variant(go_version, mode, "stripped")
    info = open_go(path).build_info
    assert info
    toolchain = go_toolchains["1.27.3"]
    told = toolchain.run("version", "-m", path).replace(f"{path}: ", "", 1)
    assert _as_go_version(info) == told


def _as_go_version(info: GoBuildInfo) -> str:
    lines = [info.go_version, f"\tpath\t{info.path}"]
    if info.main:
        lines.append(f"\tmod\t{info.main.path}\t{info.main.version}\t{info.main.sum}")
    for module in info.dependencies:
        lines += _module_lines("dep", module)
    for setting in info.settings:
        value = json.dumps(setting.value) if set(' "\t`') & set(setting.value) else setting.value
        lines.append(f"\tbuild\t{setting.key}={value}")
    return "\n".join(lines) + "\n"


def _module_lines(word: str, module: GoModule) -> list[str]:
    lines = [f"\t{word}\t{module.path}\t{module.version}\t{module.sum}"]
    return lines + _module_lines("=>", module.replacement) if module.replacement else lines


def test_a_plugin_is_read_the_same_however_it_was_stripped(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    plain, stripped, headless = (
        open_go(variant(go_version, "plugin", stripping)).facts for stripping in ("plain", "stripped", "headless")
    )
    assert plain.plugin == stripped.plugin == headless.plugin
    assert plain.build_info == stripped.build_info == headless.build_info


def test_initialisers_run_in_order_with_their_source(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    plugin = open_go(variant(go_version, "plugin", "stripped")).plugin
    assert plugin
    assert plugin.init_tasks
    own = plugin.init_tasks[-1]
    assert own.package == plugin.path
    assert [function.name.removeprefix(plugin.path) for function in own.functions] == [".init", ".init.0", ".init.1"]
    assert [function.line for function in own.functions[1:]] == [126, 137]
    assert "runtime" in [task.package for task in plugin.init_tasks]


def test_packages_have_the_fingerprints_that_the_file_brings(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    plugin = open_go(variant(go_version, "plugin", "stripped")).plugin
    assert plugin
    assert len(plugin.package_hashes) > 40
    assert all(entry.hash == entry.runtime_hash and len(entry.hash) == 16 for entry in plugin.package_hashes)


def test_values_before_initialisation(go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]) -> None:
    plugin = open_go(variant(go_version, "plugin", "stripped")).plugin
    assert plugin
    values = {export.name: export.initial for export in plugin.exports}
    expected = {
        "Flag": "true", "I": "7", "I8": "-8", "I64": str(-1 << 62), "U64": str(1 << 63), "F32": "1.5", "F64": "0.1",
        "C64": "(1+2i)", "C128": "(-1.25-3i)", "Text": '"tab\\t, quote\\" and ü"', "Empty": '""', "Array": "{1, 2, 3}",
        "Slice": '{"one", "two"}', "Nil": "nil", "Pointer": "&7", "Value": "{A: 1, B: 2}", "Any": "int(42)",
        "Face": "main.inner({A: 3, B: 4})", "Nothing": "nil", "Bound": "strings.ToUpper", "Two": "{1, 2}",
        "Runes": "{104, 233}", "Dynamic": '""', "Run": None,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == expected


def test_a_plugin_of_a_module(go_build: GoBuild, tmp_path: Path, open_go: Callable[[Path], GoBinary]) -> None:
    (tmp_path / "go.mod").write_text("module example.com/my.plug\n\ngo 1.21\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc Run() {}\n")
    facts = open_go(go_build("1.27.3", tmp_path, "-trimpath", "-tags=a,b", "-buildvcs=false")).facts
    assert facts.build_info
    assert facts.build_info.main == GoModule(path="example.com/my.plug", version="(devel)", sum="")
    assert facts.build_info.setting("-trimpath") == "true"
    assert facts.build_info.setting("-tags") == "a,b"
    assert facts.plugin
    assert facts.plugin.path == "example.com/my%2eplug"
    assert [export.address for export in facts.plugin.exports if isinstance(export.address, Absent)] == []


def test_the_committed_plugins(open_go: Callable[[Path], GoBinary]) -> None:
    facts = open_go(FIXTURES / "plugin1.so").facts
    assert facts.version.text == "go1.27.3"
    assert facts.plugin
    assert [(export.name, export.type) for export in facts.plugin.exports] == [
        ("I", "int"), ("Run", "func()"), ("PrintI", "func()"),
    ]  # fmt: skip
