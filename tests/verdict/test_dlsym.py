"""What ``--require`` says of C, C++ and Rust plugins is what dlsym and dlvsym of a real host say."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Compile, Soinspect
from soinspect import api
from soinspect.elf.file import ElfFile
from soinspect.errors import UsageError
from soinspect.go.loading import read_guest
from soinspect.model.loadplan import Libc
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Outcome, Policy, Reason, Verdict
from soinspect.saved.snapshotfile import write_snapshot
from soinspect.verdict.dlsym import check_symbols

HOST = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int main(int count, char **arguments) {
    void *plugin = dlopen(arguments[1], RTLD_NOW);
    char *version = strchr(arguments[2], '@');
    if (version) *version++ = 0;
    void *found = version ? dlvsym(plugin, arguments[2], version) : dlsym(plugin, arguments[2]);
    puts(found ? "found" : dlerror());
    return 0;
}
"""
PLUGIN = r"""
int run(int count, const char *text) { return count; }
double ratio = 0.5;
static int kept(void) { return 1; }
__attribute__((visibility("hidden"))) int hidden(void) { return kept(); }
int by_script(void) { return hidden(); }
int old_one(void) { return 1; }
int old_two(void) { return 2; }
__asm__(".symver old_one,both@V1");
__asm__(".symver old_two,both@@V2");
__asm__(".symver old_one,past@V1");
"""
SCRIPT = "V1 { global: run; ratio; past; both; old_*; local: *; };\nV2 { global: both; } V1;\n"
MANGLED = "int start(int x) { return x; }\nnamespace plug { int go(double) { return 1; } }\n"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    source = tmp_path / "host.c"
    source.write_text(HOST)
    subprocess.run(["gcc", source, "-o", tmp_path / "host", "-ldl"], check=True)
    return tmp_path / "host"


@pytest.fixture
def versioned(cc: Compile, tmp_path: Path) -> Path:
    (tmp_path / "v.map").write_text(SCRIPT)
    return cc(PLUGIN, "-g", f"-Wl,--version-script={tmp_path / 'v.map'}", name="versioned.so")


@pytest.fixture
def mangled(cc: Compile, tmp_path: Path) -> Path:
    source = tmp_path / "mangled.cpp"
    source.write_text(MANGLED)
    return cc(source)


def required(host: Path, plugin: Path, *texts: str) -> Verdict:
    policy = Policy(requirements=tuple(map(Requirement.parse, texts)))
    return api.check(str(host), str(plugin), policy=policy)


def really_looked_up(host: Path, plugin: Path, name: str) -> str:
    done = subprocess.run([host, plugin, name], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "name",
    ["run", "run@V1", "run@V2", "ratio", "both", "both@V1", "both@V2", "both@V3", "past", "past@V1", "kept", "hidden",
     "by_script", "ran", "printf", "printf@GLIBC_2.2.5"],
)  # fmt: skip
def test_dlsym_finds_what_it_is_said_to_find(name: str, host: Path, versioned: Path, tmp_path: Path) -> None:
    said = really_looked_up(host, versioned, name)
    snapshot = tmp_path / "plugin.json"
    snapshot.write_text(write_snapshot(api.facts_of(str(versioned), with_types=True, with_loading=True)))
    for plugin in (versioned, snapshot):
        verdict = required(host, plugin, name)
        messages = [it.message for it in verdict.plugins[0].reasons]
        # What a library of the plugin has is found, too, and nothing is printed; but the plugin does not export it.
        assert [it.replace(str(plugin), str(versioned)) for it in messages if it] == [said] * (said != "found")
        assert (verdict.outcome is Outcome.ACCEPTED) == (said == "found" and "printf" not in name)


def test_a_file_without_versions_serves_every_version(host: Path, cc: Compile) -> None:
    plugin = cc("int run(void) { return 0; }", name="plain.so")
    for name in ("run@V1", "run", "ran@V1"):
        verdict = required(host, plugin, name)
        assert (verdict.outcome is Outcome.ACCEPTED) == (really_looked_up(host, plugin, name) == "found")


@pytest.mark.parametrize(
    ("name", "summary", "fix"),
    [
        ("kept", "it does not export kept: it defines it, but static or hidden", "visibility"),
        ("hidden", "it does not export hidden: it defines it, but static or hidden", "visibility"),
        ("past", "it exports past@V1, and no version of past is the default one", 'dlvsym(handle, "past", "V1")'),
        ("run@V9", "it does not export run in version V9", "Define it"),
        ("Run", "it does not export Run", "Define it"),
    ],
)
def test_what_is_there_instead_is_named(name: str, summary: str, fix: str, host: Path, versioned: Path) -> None:
    (reason,) = required(host, versioned, name).plugins[0].reasons
    assert reason.summary.startswith(summary)
    assert fix in reason.fix
    assert reason.evidence == {"run@V9": ("it exports run in V1",), "Run": ("did you mean run?",)}.get(name, ())


def test_mangled_twins(host: Path, mangled: Path, cc: Compile) -> None:
    for name, twin in (("start", "start(int)"), ("go", "plug::go(double)"), ("plug::go(double)", "plug::go(double)")):
        (reason,) = required(host, mangled, name).plugins[0].reasons
        assert reason.message == really_looked_up(host, mangled, name) == f"{mangled}: undefined symbol: {name}"
        assert (reason.cause or "").startswith(f"it defines {twin}, whose mangled name is _Z")
    plain = cc("int start(int x) { return x; }", name="plain.so")
    (reason,) = required(host, plain, "_Z5starti").plugins[0].reasons
    assert reason.cause == "it exports start, which is not mangled"


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        ("run:int(int, const char *)", Outcome.ACCEPTED),
        ("run:int run(int count, const char *name)", Outcome.ACCEPTED),
        ("run:typedef unsigned u; u run(u, char *)", Outcome.REJECTED),
        ("run:void(int)", Outcome.REJECTED),
        ("ratio:double(void)", Outcome.REJECTED),  # which is no function
    ],
)
def test_prototypes(wanted: str, outcome: Outcome, host: Path, versioned: Path, soinspect: Soinspect) -> None:
    verdict = required(host, versioned, wanted)
    assert verdict.outcome is outcome
    saved = versioned.with_suffix(".json")
    saved.write_text(write_snapshot(api.facts_of(str(versioned), with_types=True, with_loading=True)))
    (same,) = required(host, saved, wanted).plugins
    assert replace(same, path=str(versioned)) == verdict.plugins[0]
    code = {Outcome.ACCEPTED: 0, Outcome.REJECTED: 1, Outcome.UNDECIDED: 3}[outcome]
    assert soinspect("check", host, versioned, "--require", wanted, "--require", "run").code == code


def test_a_snapshot_without_types_says_so(host: Path, cc: Compile, tmp_path: Path) -> None:
    plain = cc("int run(void) { return 0; }", name="plain.so")
    saved = tmp_path / "plain.json"
    saved.write_text(write_snapshot(api.facts_of(str(plain), with_types=True, with_loading=True)))
    for plugin, why in ((plain, "no debug information describes it"), (saved, "the snapshot has no types of it")):
        verdict = required(host, plugin, "run:int(void)")
        assert verdict.outcome is Outcome.UNDECIDED
        assert why in verdict.plugins[0].summary


def test_prototypes_that_differ_are_shown(host: Path, versioned: Path) -> None:
    (reason,) = required(host, versioned, "run:void(int)").plugins[0].reasons
    assert reason.summary == "run is int run(int count, const char *text), not void run(int)"
    assert reason.evidence == (
        "1 parameters in --require, 2 in DWARF",
        "the result is void in --require, int in DWARF",
    )


def test_what_is_no_prototype_is_said(host: Path, versioned: Path) -> None:
    for wanted in ("run:int", "run:int(int", "run:func() int"):
        with pytest.raises(UsageError):
            required(host, versioned, wanted)


def test_musl_words_it_differently(versioned: Path) -> None:
    with ElfFile.open(str(versioned)) as elf:
        (step,) = check_symbols(read_guest(elf), [Requirement.parse("ran")], Libc.MUSL)
    assert isinstance(step, Reason)
    assert step.message == "Symbol not found: ran"


def test_a_library_of_the_plugin_has_it(host: Path, cc: Compile) -> None:
    """dlsym looks into what a plugin needs, too."""
    library = cc("int dep(void) { return 1; } int data;", "-g", "-Wl,-soname,libdep.so", name="libdep.so")
    plugin = cc("int dep(void); int run(void) { return dep(); } int number;", "-g", str(library),
                f"-Wl,-rpath,{library.parent}", name="plugin.so")  # fmt: skip
    (verdict,) = required(host, plugin, "dep").plugins
    assert verdict.passed[-1] == f"dlsym finds dep in {library}, which it needs"
    (verdict,) = required(host, plugin, "number:int number(void)").plugins
    assert verdict.reasons[0].summary == "number is a variable, not int number(void)"
