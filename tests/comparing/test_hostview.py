"""``soinspect diff --host``: what a change means for one program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Compile, GoBuild, Soinspect
from soinspect import api
from soinspect.model.finding import Comparison, Profile, Severity
from soinspect.saved.snapshotfile import write_snapshot

IMPORT_ADDED = "elf.import-added"

LIBRARY = """
struct used {{ int a; {} }};
int use(struct used *it) {{ return it->a; }}
{}
"""


def program(tmp_path: Path, source: str, *flags: str | Path) -> Path:
    main, output = tmp_path / "main.c", tmp_path / "program"
    main.write_text(source)
    subprocess.run(["gcc", "-o", output, main, *flags], check=True)
    return output


def severities(comparison: Comparison) -> dict[tuple[str, str], Severity]:
    return {(finding.rule, finding.subject): finding.severity for finding in comparison.findings}


@pytest.fixture
def linked(cc: Compile, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A library, its next version, which lacks one function and changes another's structure, and a program."""
    other = "struct other { long x; }; long unused(struct other *it) { return it->x; }\nint idle(void) { return 1; }"
    changed = "struct other { int more; long x; }; long unused(struct other *it) { return it->x; }"
    soname = "-Wl,-soname,libused.so.1"
    old = cc(LIBRARY.format("", other), "-g", soname, name="libused.so.1")
    new = cc(LIBRARY.format("", changed), "-g", soname, name="libnext.so.1")
    main = "struct used; int use(struct used *); int main(int n, char **v) { return n > 5 ? use((void *) v) : 0; }"
    return old, new, program(tmp_path, main, old, f"-Wl,-rpath,{tmp_path}")


def test_what_a_linked_program_does_not_use_does_not_break_it(linked: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, new, host = linked
    assert severities(api.compare(str(old), str(new)))["elf.symbol-removed", "idle"] is Severity.BREAKING
    told = api.compare(str(old), str(new), host=str(host))
    found = severities(told)
    assert found["elf.symbol-removed", "idle"] is Severity.INFO
    assert found["dwarf.member-moved", "struct other"] is Severity.INFO
    assert (told.breaking, told.host, told.profile) == (False, str(host), Profile.LINKED)
    assert all("does not use it" in f.evidence for f in told.findings if f.rule == "elf.symbol-removed")
    old.write_bytes(new.read_bytes())  # the truth: the program runs with the new library
    assert subprocess.run([host], check=False, env={"LD_BIND_NOW": "1"}).returncode == 0


def test_what_a_linked_program_uses_breaks_it(
    linked: tuple[Path, Path, Path], cc: Compile, tmp_path: Path, soinspect: Soinspect
) -> None:
    old, _, host = linked
    without = cc("int idle(void) { return 1; }", "-g", "-Wl,-soname,libused.so.1", name="libwithout.so.1")
    run = soinspect("diff", old, without, "--host", host)
    assert run.code == 1
    assert f"{without} for {host}: breaks users of the old file" in run.out
    assert "breaking    elf.symbol-removed  use: " in run.out
    assert "info        elf.symbol-removed  unused: " in run.out
    assert soinspect("diff", old, without, "--host", host, "--format", "json").json["host"] == str(host)
    old.write_bytes(without.read_bytes())
    done = subprocess.run([host], check=False, capture_output=True, text=True, env={"LD_BIND_NOW": "1"})
    assert "undefined symbol: use" in done.stderr


def test_a_group_that_the_program_uses_in_part_is_not_called_unused(
    linked: tuple[Path, Path, Path], cc: Compile
) -> None:
    old, _, host = linked
    longer = LIBRARY.replace("it->a", "it->a * 3 + 7").format("", "struct other { long x; };"
        "long unused(struct other *it) { return it->x * 5; } int idle(void) { return 1; }")  # fmt: skip
    new = cc(longer, "-g", "-Wl,-soname,libused.so.1", name="liblonger.so.1")
    told = {it.subject: it.evidence for it in api.compare(old, new, host=host).findings}
    assert told["1 of 1 common symbols"] == "use"
    assert told["2 of 3 common symbols"].endswith(f"; {host} uses no more of these than is told above")


@pytest.fixture
def plugins(cc: Compile) -> tuple[Path, Path]:
    old = cc("int start(void) { return 1; }", name="old.so")
    new = cc("int host_log(int); int start(void) { return host_log(1); }", name="new.so")
    return old, new


def test_an_import_that_the_host_provides_is_nothing(plugins: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = plugins
    assert severities(api.compare(str(old), str(new)))[IMPORT_ADDED, "host_log"] is Severity.RISKY
    host = program(tmp_path, "int host_log(int n) { return n; } int main(void) { return 0; }", "-rdynamic")
    told = api.compare(str(old), str(new), host=str(host))
    assert IMPORT_ADDED not in {finding.rule for finding in told.findings}
    assert told.profile is Profile.DLOPEN
    assert any("looks up at run time" in remark for remark in told.not_compared)


def test_an_import_that_the_host_lacks_breaks(plugins: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = plugins
    opener = """
#include <dlfcn.h>
#include <stdio.h>
int host_log(int n) { return n; }
int main(int n, char **v) { if (!dlopen(v[1], RTLD_NOW)) { puts(dlerror()); return 1; } return 0; }
"""
    host = program(tmp_path, opener)  # linked without -rdynamic: it has the function, and does not export it
    (finding,) = (it for it in api.compare(str(old), str(new), host=str(host)).findings if it.rule == IMPORT_ADDED)
    assert (finding.subject, finding.severity) == ("host_log", Severity.BREAKING)
    assert f"neither {host} nor its libraries export it" in finding.evidence
    done = subprocess.run([host, new], check=False, capture_output=True, text=True)  # the truth
    assert "undefined symbol: host_log" in done.stdout


def test_an_import_that_a_library_of_the_host_provides_is_nothing(
    plugins: tuple[Path, Path], cc: Compile, tmp_path: Path
) -> None:
    old, new = plugins
    log = cc("int host_log(int n) { return n; }", "-Wl,-soname,liblog.so.1", name="liblog.so.1")
    source = "int host_log(int); int main(void) { return host_log(0); }"
    host = program(tmp_path, source, log, f"-Wl,-rpath,{tmp_path}")
    assert IMPORT_ADDED not in {finding.rule for finding in api.compare(str(old), str(new), host=str(host)).findings}


def test_what_a_snapshot_of_the_host_cannot_tell_stays_a_risk(plugins: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = plugins
    saved = tmp_path / "host.json"
    saved.write_text(write_snapshot(api.facts_of(str(program(tmp_path, "int main(void) { return 0; }")))))
    (finding,) = (it for it in api.compare(str(old), str(new), host=str(saved)).findings if it.rule == IMPORT_ADDED)
    assert finding.severity is Severity.RISKY
    assert "whether its libraries do cannot be told" in finding.evidence


def go_plugin(folder: Path, dependency: str, go_build: GoBuild) -> Path:
    """A plugin with a dependency of this source."""
    (folder / "dep").mkdir(parents=True)
    (folder / "dep" / "dep.go").write_text(dependency)
    (folder / "dep" / "go.mod").write_text("module example.com/dep\n\ngo 1.21\n")
    (folder / "main.go").write_text(
        'package main\n\nimport "example.com/dep"\n\nfunc Run() int { return dep.Answer() }\n\nfunc main() {}\n'
    )
    (folder / "go.mod").write_text(
        "module example.com/plugin\n\ngo 1.21\n\nrequire example.com/dep v0.0.0\n\nreplace example.com/dep => ./dep\n"
    )
    return go_build("1.27.3", folder, "-trimpath")


def test_a_package_that_the_go_host_does_not_share_is_nothing(go_build: GoBuild, tmp_path: Path) -> None:
    answer = "package dep\n\nfunc Answer() int { return 42 }\n"
    old = go_plugin(tmp_path / "old", answer, go_build)
    new = go_plugin(tmp_path / "new", answer + '\nfunc Question() string { return "?" }\n', go_build)
    whole = severities(api.compare(str(old), str(new)))
    assert whole["go.pkghash-changed", "example.com/dep"] is Severity.BREAKING
    source = tmp_path / "host.go"
    source.write_text("""package main

import ("os"; "plugin")

func main() { if _, err := plugin.Open(os.Args[1]); err != nil { os.Exit(1) } }
""")
    host = go_build("1.27.3", source, "-trimpath", mode="exe")
    told = api.compare(str(old), str(new), host=str(host))
    assert "go.pkghash-changed" not in {finding.rule for finding in told.findings}
    for plugin in (old, new):  # the truth: the host opens both
        assert subprocess.run([host, plugin], check=False).returncode == 0


def test_a_host_says_itself_how_it_uses_a_file(plugins: tuple[Path, Path], soinspect: Soinspect) -> None:
    run = soinspect("diff", *plugins, "--host", "/bin/true", "--as", "linked")
    assert (run.code, run.out) == (2, "")


def test_a_snapshot_of_the_host_will_do(plugins: tuple[Path, Path], tmp_path: Path, soinspect: Soinspect) -> None:
    host = program(tmp_path, "int host_log(int n) { return n; } int main(void) { return 0; }", "-rdynamic")
    saved = tmp_path / "host.json"
    soinspect("snapshot", host, "-o", saved)
    runs = [soinspect("diff", *plugins, "--host", it).out.replace(str(it), "HOST") for it in (host, saved)]
    assert runs[0] == runs[1]
