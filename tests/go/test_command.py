"""``soinspect go`` as its users see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import GO_CURRENT, GoBuild
from gobinaries import EVERY_TYPE, FIXTURES, Variant

Soinspect = Callable[..., Any]

_PLUGIN1 = FIXTURES / "plugin1.so"
_SOURCE1 = FIXTURES / "go-plugin-demo" / "plugins" / "plugin1.go"


def test_the_page_begins_with_the_answer(soinspect: Soinspect) -> None:
    run = soinspect("go", _PLUGIN1)
    first, *rest = run.out.splitlines()
    assert first.startswith(f"{_PLUGIN1}: Go plugin, go1.27.3, plugin/unnamed-")
    assert "2 functions, 1 variable, 60 packages, module mode off" in first
    assert any(line.split() == ["exports", "var", "I", "int", "=", "7"] for line in rest)
    assert any(line.strip() == "func Run()" for line in rest)


def test_a_plugin_that_is_cut_short_is_said_to_be(soinspect: Soinspect, tmp_path: Path) -> None:
    path = tmp_path / "cut.so"
    path.write_bytes(_PLUGIN1.read_bytes()[:1_000_000])
    first, *rest = soinspect("go", path).out.splitlines()
    assert first.endswith("; not all of it can be read")
    assert sum("the file is truncated" in line for line in rest) == 1


def test_exports_are_declared_as_in_go(soinspect: Soinspect, variant: Variant) -> None:
    out = soinspect("go", variant("1.27.3", "plugin", "stripped"), "-v").out
    assert "func Variadic(string, ...int) (main.Results, error)  at 0x" in out
    assert "type main.Results map[string][]main.T (8 bytes) methods Count() int" in out
    assert "var Bound func(string) string = strings.ToUpper" in out
    assert "type main.Shape interface { Area() float64; Scale(float64, ...string) main.Shape } (16 bytes)" in out


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--packages", "internal/goarch"),
        ("--inits", "runtime.init.0"),
        ("--functions", "fmt.Fprintln"),
        ("--types", "type error interface { Error() string } (16 bytes)"),
        ("--itabs", "*os.File implements io.Writer"),
        ("--sizes", "runtime"),
    ],
)
def test_each_table_is_lines(soinspect: Soinspect, variant: Variant, option: str, line: str) -> None:
    out = soinspect("go", variant("1.27.3", "plugin", "plain"), option).out
    assert line in out


def test_match_and_addresses(soinspect: Soinspect, variant: Variant) -> None:
    path = variant("1.27.3", "plugin", "stripped")
    out = soinspect("go", path, "--functions", "--match", "*.Run").out
    entry, name, position = out.split()
    assert name.endswith(".Run")
    assert position == f"{EVERY_TYPE}:128"
    found = soinspect("go", path, "--addr2line", hex(int(entry, 16) + 4), "--addr2line", "0").out.splitlines()
    assert found[0].split()[1] == f"{name}+0x4"
    assert found[1].endswith("no Go function there")
    assert soinspect("go", path, "--addr2line", hex(int(entry, 16) + 4), "0").out.splitlines() == found


def test_a_glob_stands_behind_its_table(soinspect: Soinspect) -> None:
    asked = soinspect("go", _PLUGIN1, "--functions", "--match", "plugin/*.Run")
    assert len(asked.out.splitlines()) == 1
    for arguments in ((_PLUGIN1, "--functions", "plugin/*.Run"), ("--functions", "plugin/*.Run", _PLUGIN1)):
        assert soinspect("go", *arguments) == asked
    everything = soinspect("go", _PLUGIN1, "--functions")
    assert soinspect("go", "--functions", _PLUGIN1) == everything  # a file is no GLOB
    assert len(everything.out.splitlines()) > 1000
    types = soinspect("go", _PLUGIN1, "--types", "error").out
    assert types.startswith("0x")
    assert "error" in types
    several = soinspect("go", _PLUGIN1, "--functions", "a*", "--types", "b*")
    assert several.code == 2
    assert "one GLOB" in several.err


def test_several_sources_behind_one_option(soinspect: Soinspect) -> None:
    both = soinspect("go", _PLUGIN1, "--source", _SOURCE1, _SOURCE1.with_name("plugin2.go"))
    assert both.code == 1
    assert both == soinspect("go", _PLUGIN1, "--source", _SOURCE1, "--source", _SOURCE1.with_name("plugin2.go"))


def test_source_decides_the_exit_code(soinspect: Soinspect, tmp_path: Path) -> None:
    assert soinspect("go", _PLUGIN1, "--source", _SOURCE1).code == 0
    changed = tmp_path / "plugin1.go"
    changed.write_bytes(_SOURCE1.read_bytes() + b"\n")
    no = soinspect("go", _PLUGIN1, "--source", changed)
    assert no.code == 1
    assert no.out.startswith(f"{_PLUGIN1}: no: ")
    missing = soinspect("go", _PLUGIN1, "--source", tmp_path / "none.go")
    assert missing.code == 2
    assert "no such file" in missing.err


def test_json_has_everything(soinspect: Soinspect) -> None:
    document = soinspect("go", _PLUGIN1, "--format", "json").json
    assert document["command"] == "go"
    (file,) = document["files"]
    assert file["facts"]["kind"] == "plugin"
    assert file["facts"]["version"]["text"] == "go1.27.3"
    assert [export["name"] for export in file["facts"]["plugin"]["exports"]] == ["I", "Run", "PrintI"]
    assert len(file["functions"]) > 1000
    assert len(file["types"]) > 500
    assert file["sizes"][0]["package"] == "runtime"


def test_a_file_that_is_not_go(soinspect: Soinspect) -> None:
    run = soinspect("go", "/bin/sh")
    assert run.code == 2
    assert "not a Go binary" in run.err


def test_c_functions_have_the_prototypes_of_the_debug_information(go_build: GoBuild, soinspect: Soinspect) -> None:
    source = FIXTURES / "go-c-shared-library" / "library.go"
    page = soinspect("go", go_build(GO_CURRENT, source, mode="c-shared")).out
    assert "int Add(int a, int b) at 0x" in page
    assert "char *Greet(GoString name) at 0x" in page
    stripped = soinspect("go", go_build(GO_CURRENT, source, "-ldflags=-s -w", mode="c-shared")).out
    assert "Add at 0x" in stripped
    assert "int Add(" not in stripped
