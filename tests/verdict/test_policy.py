"""What is asked of plugins beyond being loaded: versions of a target, forbidden libraries; and risks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile, GoBuild, Soinspect
from soinspect import api
from soinspect.model.verdict import Outcome, Policy

NEW = "1.27.3"
LIBM, LIBSTDCXX = "/lib/x86_64-linux-gnu/libm.so.6", "/lib/x86_64-linux-gnu/libstdc++.so.6"


def rules(host: Path, *plugins: Path | str, policy: Policy | None = None) -> list[list[str]]:
    verdict = api.check(host, *plugins, policy=policy)
    return [[reason.rule.removeprefix("check.dlopen.") for reason in it.reasons] for it in verdict.plugins]


def needed_versions(path: str, family: str) -> list[tuple[int, ...]]:
    """The versions of one family that a file needs, as readelf tells them."""
    listed = subprocess.run(["readelf", "-VW", path], capture_output=True, text=True, check=True).stdout
    needs = listed.partition("Version needs section")[2]
    return sorted(tuple(map(int, it.split("."))) for it in set(re.findall(rf"Name: {family}_([\d.]+) ", needs)))


@pytest.mark.parametrize(("path", "family"), [(LIBSTDCXX, "GLIBC"), (LIBM, "GLIBC")])
def test_versions_of_the_target(path: str, family: str, c_host: Path) -> None:
    *_, before, newest = needed_versions(path, family)
    for number, expected in ((newest, []), (before, ["newer-than-target"])):
        text = ".".join(map(str, number))
        assert rules(c_host, path, policy=Policy(newest=((family, text),))) == [expected]


def test_the_symbols_that_force_a_version_are_named(c_host: Path, cc: Compile, soinspect: Soinspect) -> None:
    plugin = cc("#include <math.h>\nint run(int x) { return pow(x, x); }", "-lm", name="plugin.so")
    run = soinspect("check", c_host, plugin, "--glibc", "2.28")
    assert run.code == 1
    assert run.out.startswith("FAIL plugin.so in host: it needs GLIBC_2.29 of libm.so.6, the target has GLIBC_2.28\n")
    assert "GLIBC_2.29 is forced by pow" in run.out
    assert soinspect("check", c_host, plugin, "--glibc", "2.29").code == 0
    assert soinspect("check", c_host, plugin, "--glibc", "new").code == 2


def test_the_target_counts_and_not_this_machine(c_host: Path, cc: Compile) -> None:
    """A plugin for a newer glibc than the one that is here."""
    script = c_host.parent / "v.map"
    script.write_text("GLIBC_2.99 { global: api; };")
    library = cc("int api(void) { return 1; }", f"-Wl,--version-script={script}", "-Wl,-soname,libm.so.6",
                 name="libm.so.6")  # fmt: skip
    plugin = cc("int api(void); int run(void) { return api(); }", str(library), name="plugin.so")
    library.unlink()
    assert rules(c_host, plugin) == [["version"]]
    assert rules(c_host, plugin, policy=Policy(newest=(("GLIBC", "2.99"),))) == [[]]
    assert rules(c_host, plugin, policy=Policy(newest=(("GLIBC", "2.98"),))) == [["newer-than-target"]]


def test_forbidden_libraries(c_host: Path, soinspect: Soinspect) -> None:
    run = soinspect("check", c_host, LIBSTDCXX, "--forbid-needed", "libm.*")
    assert (run.code, "it needs libm.so.6, which --forbid-needed libm.* forbids" in run.out) == (1, True)
    assert rules(c_host, LIBSTDCXX, policy=Policy(forbidden=("libssl*",))) == [[]]


def test_two_go_runtimes_are_a_risk(c_host: Path, go_build: GoBuild) -> None:
    library = go_build(NEW, FIXTURES / "go-c-shared-library/library.go", mode="c-shared")
    other = go_build(NEW, FIXTURES / "go-c-shared-library/library.go", mode="c-shared", name="other.so")
    assert rules(c_host, library) == [[]]
    assert "two-go-runtimes" in rules(c_host, library, other)[1]
    assert api.check(str(c_host), str(library), str(other)).outcome is Outcome.ACCEPTED
    source = c_host.parent / "program.go"
    source.write_text('package main\n\nimport "C"\n\nfunc main() {}\n')
    assert rules(go_build(NEW, source, mode="exe"), library) == [["two-go-runtimes"]]


def test_releases_of_rustc(tmp_path: Path, cc: Compile, soinspect: Soinspect) -> None:
    """What rustc leaves in .comment is all that is looked at."""
    marks = {it: f'__asm__(".ident \\"rustc version {it}.0 (abc 2026-01-01)\\"");\n' for it in ("1.80", "1.81")}
    host = tmp_path / "host"
    source = tmp_path / "host.c"
    source.write_text(marks["1.80"] + (FIXTURES / "plugins-for-dlopen/host.c").read_text())
    subprocess.run(["gcc", source, "-o", host, "-ldl"], check=True)
    for release, expected in (("1.80", []), ("1.81", ["rust-releases"])):
        plugin = cc(marks[release] + "int run(void) { return 0; }", name=f"plugin-{release}.so")
        assert rules(host, plugin) == [expected]
    run = soinspect("check", host, plugin)
    assert (run.code, "host built by rustc 1.80.0, plugin by rustc 1.81.0" in run.out) == (0, True)
    assert soinspect("check", host, plugin, "--fail-on", "risky").code == 1


def test_what_does_not_fit_the_kind_of_plugin(c_host: Path, cc: Compile, soinspect: Soinspect) -> None:
    plugin = cc("int PyInit_eggs(void) { return 0; }", name="spam.so")
    run = soinspect("check", c_host, plugin)
    assert run.code == 1
    assert run.out.startswith("FAIL spam.so in host: PyInit_spam is missing: the file is named spam.so")
    assert "check.kind.refused" in run.out
    assert rules(c_host, cc("int PyInit_spam(void) { return 0; }", name="spam.so")) == [[]]
