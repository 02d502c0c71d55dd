"""``soinspect info`` and ``soinspect diff`` on real libraries."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from conftest import FIXTURES, GO_VERSIONS, Compile, GoBuild, Soinspect
from elfwriter import Sym, elf64
from soinspect import api
from soinspect.model.golang import GoFacts, GoPlugin

DEMO = FIXTURES / "go-plugin-demo" / "plugins"
COUNTER = FIXTURES / "c-library" / "counter.c"


def readelf(*arguments: str | Path) -> str:
    return subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True, check=True).stdout


def test_info_of_a_hardened_c_library(cc: Compile, soinspect: Soinspect) -> None:
    source = (
        "#include <string.h>\n#include <stdio.h>\n"
        "void f(char *to, const char *from) { char b[64]; strcpy(b, from); memcpy(to, b, 64); printf(to); }\n"
    )
    hard = cc(source, "-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all", "-Wl,-z,relro,-z,now,-soname,libhard.so.1",
              "-fcf-protection=full", "-Wno-format-security", name="hard.so")  # fmt: skip
    (facts,) = soinspect("info", hard, "--format", "json").json["files"]
    assert facts["dynamic"]["soname"] == "libhard.so.1"
    assert facts["dynamic"]["needed"] == ["libc.so.6"]
    hardening = facts["hardening"]
    assert (hardening["relro"], hardening["bind_now"]) == ("full", True)
    assert hardening["stack_protector"] is True
    assert "__strcpy_chk" in hardening["fortified"]
    assert hardening["executable_stack"] is False
    assert set(hardening["control_flow"]) == set(re.findall(r"IBT|SHSTK", readelf("-n", hard)))
    assert facts["build_id"] == re.search(r"Build ID: (\w+)", readelf("-n", hard))[1]  # type: ignore[index]
    assert any("GCC" in producer for producer in facts["producers"])

    soft = cc(source, "-O1", "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-Wl,-z,norelro,-z,execstack", name="soft.so",
              )  # fmt: skip
    (facts,) = soinspect("info", soft, "--format", "json").json["files"]
    assert facts["hardening"]["relro"] == "none"
    assert facts["hardening"]["executable_stack"] is True
    assert facts["hardening"]["stack_protector"] is False
    assert facts["hardening"]["fortified"] == []
    assert "strcpy" in facts["hardening"]["fortify_missed"]


def test_info_names_constructors_and_the_symbols_that_force_glibc(cc: Compile, soinspect: Soinspect) -> None:
    (facts,) = soinspect("info", cc(COUNTER), "--format", "json").json["files"]
    assert "announce" in [function["name"] for function in facts["init_functions"]]
    assert facts["tls"] == {"size": 4, "static": False}
    recent = cc("#include <sys/random.h>\nlong f(void) { char c; return getrandom(&c, 1, 0); }", name="recent.so")
    page = soinspect("info", recent).out
    assert "glibc 2.25 or newer: forced by getrandom" in page


@pytest.mark.parametrize("version", GO_VERSIONS)
def test_info_of_a_go_plugin(version: str, go_build: GoBuild, soinspect: Soinspect) -> None:
    plugin = go_build(version, DEMO / "plugin1.go", "-trimpath", "-ldflags=-s -w")
    page = soinspect("info", plugin).out
    assert page.startswith(f"{plugin}: Go plugin, go{version}, x86-64; exports I, Run, PrintI\n")
    for text in ("func Run()", "var I int", "func PrintI()", "module mode off", "-trimpath=true", "plugin/unnamed-"):
        assert text in page
    assert "not applicable (Go code" in page


def test_the_committed_plugins_are_what_their_sources_give(go_build: GoBuild, soinspect: Soinspect) -> None:
    for name in ("plugin1", "plugin2"):
        rebuilt = go_build("1.27.3", DEMO / f"{name}.go", "-trimpath", "-ldflags=-s -w", name=f"{name}.so")
        committed, fresh = (api.inspect(str(path)) for path in (FIXTURES / f"{name}.so", rebuilt))
        assert isinstance(committed.go, GoFacts)
        assert isinstance(fresh.go, GoFacts)
        assert (committed.kind, committed.go.kind, committed.go.version) == (
            fresh.kind,
            fresh.go.kind,
            fresh.go.version,
        )
        assert committed.go.build_info == fresh.go.build_info
        assert isinstance(committed.go.plugin, GoPlugin)
        assert isinstance(fresh.go.plugin, GoPlugin)
        # The plugin path and addresses depend on the C compiler too.
        old, new = (
            {e.name: (e.declaration, e.initial) for e in p.exports} for p in (committed.go.plugin, fresh.go.plugin)
        )
        assert old == new
        old_path, new_path = committed.go.plugin.path, fresh.go.plugin.path
        hashes = {p.package: p.hash for p in committed.go.plugin.package_hashes if p.package != old_path}
        assert hashes == {p.package: p.hash for p in fresh.go.plugin.package_hashes if p.package != new_path}
        kinds = Counter(s.explained.kind for s in committed.symbols or ())
        assert kinds == Counter(s.explained.kind for s in fresh.symbols or ())


def test_plugin1_and_plugin2_agree(soinspect: Soinspect) -> None:
    run = soinspect("diff", FIXTURES / "plugin1.so", FIXTURES / "plugin2.so")
    assert run.code == 0
    assert "compatible" in run.out.splitlines()[0]
    assert "exports and their types agree: I, PrintI, Run" in run.out
    assert "shared packages have the same hash" in run.out
    assert "go.plugin-path-changed" in run.out


def test_a_plugin_without_one_export_breaks(go_build: GoBuild, tmp_path: Path, soinspect: Soinspect) -> None:
    text = (DEMO / "plugin1.go").read_text()
    shorter = tmp_path / "shorter.go"
    shorter.write_text(text[: text.index("// PrintI")])
    plugin = go_build("1.27.3", shorter, "-trimpath", "-ldflags=-s -w")
    run = soinspect("diff", FIXTURES / "plugin1.so", plugin)
    assert run.code == 1
    assert "breaking    go.export-removed  PrintI: - func PrintI()" in run.out
    document = soinspect("diff", FIXTURES / "plugin1.so", plugin, "--format", "json").json
    assert document["verdict"] == "breaking"
    assert [f["subject"] for f in document["findings"] if f["severity"] == "breaking"] == ["PrintI"]


@pytest.mark.parametrize("version", GO_VERSIONS[:2])
def test_plugins_of_other_releases(version: str, go_build: GoBuild, soinspect: Soinspect) -> None:
    one, two = (go_build(version, DEMO / f"plugin{n}.go", "-trimpath") for n in (1, 2))
    assert soinspect("diff", one, two).code == 0
    run = soinspect("diff", FIXTURES / "plugin1.so", one)
    assert run.code == 1
    assert f"go1.27.3 -> go{version}" in run.out


def test_a_file_and_itself_are_identical(cc: Compile, soinspect: Soinspect) -> None:
    for path in (FIXTURES / "plugin1.so", cc(COUNTER)):
        run = soinspect("diff", path, path)
        assert run.code == 0
        assert "identical" in run.out.splitlines()[0]


def test_diff_of_c_and_cxx_libraries(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    old = cc(FIXTURES / "cxx-library" / "shapes.cpp")
    text = (FIXTURES / "cxx-library" / "shapes.cpp").read_text()
    changed = tmp_path / "changed.cpp"
    changed.write_text(text.replace("double area(const Shape &shape)", "double area(const Shape &shape, int)"))
    run = soinspect("diff", old, cc(changed))
    assert run.code == 1
    assert "shapes::area(shapes::Shape const&)" in run.out
    assert "shapes::area(shapes::Shape const&, int)" in run.out
    assert "not seen" in run.out  # types are not compared, and that is said


def test_the_first_line_says_that_types_were_not_compared(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    source = "int answer(void) { return 42; }"
    described, bare = cc(source, "-g", name="described.so"), cc(source, name="bare.so")
    baseline, same = tmp_path / "described.baseline", "no difference in what others rely on"
    soinspect("freeze", described, "--output", baseline)
    unseen = "compatible as far as symbols tell: {}; types not compared: no debug information in {}"
    for old, new, told in (
        (described, bare, unseen.format("1 info", "the new file")),
        (baseline, bare, unseen.format("1 info", "the new file")),
        (bare, described, unseen.format("1 info", "the old file")),
        (bare, cc(source, "-s", name="other.so"), unseen.format(same, "either file")),
        (described, cc(source, "-g", "-O2", name="again.so"), "compatible: 1 info"),
    ):
        run = soinspect("diff", old, new)
        assert (run.code, run.out.splitlines()[0]) == (0, f"{old} -> {new}: {told}")
        assert soinspect("diff", old, new, "--require-types").code == (0 if "not compared" not in told else 2)


def test_another_machine_is_told_before_all_that_it_lacks(tmp_path: Path, soinspect: Soinspect) -> None:
    old, new = tmp_path / "old.so", tmp_path / "new.so"
    old.write_bytes(elf64((Sym(name=b"f"), Sym(name=b"g")), machine=62))
    new.write_bytes(elf64((Sym(name=b"h"),), machine=183))
    told = soinspect("diff", old, new).out.splitlines()
    assert "elf.machine-changed" in told[1]
    assert "elf.symbol-removed" in told[3]


def test_a_baseline_tells_no_sizes_that_it_does_not_know(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    old, new = cc("int f(void) { return 1; } int v[3];", name="old.so"), cc("int g(int n) { return n; }", name="new.so")
    baseline = tmp_path / "old.baseline"
    soinspect("freeze", old, "--output", baseline)
    told = soinspect("diff", baseline, new).out
    assert "elf.symbol-removed  f: - FUNC GLOBAL\n" in told
    assert "elf.symbol-removed  v: - OBJECT GLOBAL, 12 bytes\n" in told


def test_how_it_is_used_decides_how_grave_it_is(cc: Compile, soinspect: Soinspect) -> None:
    old = cc("int table[4] = {1};", "-Wl,-soname,liba.so.1", name="old.so")
    new = cc("int table[8] = {1};", "-Wl,-soname,liba.so.2", name="new.so")
    linked, opened = soinspect("diff", old, new), soinspect("diff", old, new, "--as", "dlopen")
    assert (linked.code, opened.code) == (1, 0)
    assert "breaking    elf.soname-changed" in linked.out
    assert "info        elf.soname-changed" in opened.out
    assert soinspect("diff", old, new, "--as", "dlopen", "--fail-on", "risky").code == 1


def test_a_changed_structure_is_shown_with_offsets(cc: Compile, soinspect: Soinspect) -> None:
    source = "struct state { int a; %s int b; };\nint read_b(struct state *s) { return s->b; }"
    old, new = cc(source % "", "-g", name="old.so"), cc(source % "int between;", "-g", name="new.so")
    page = soinspect("diff", old, new).out
    assert "-  4      int b;" in page
    assert "+  4      int between;" in page
    assert "+  8      int b;" in page
    assert "reached only behind pointers by read_b" in page
