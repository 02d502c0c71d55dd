"""What a rule says breaks does break: a host that was written for the old file is run with the new one.

Its near miss changes nothing for that host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import FIXTURES
from rulepairs import NEAR_MISS, PAIRS, RulePair, build_words
from soinspect import api
from soinspect.model.finding import Severity
from soinspect.model.snapshot import DynamicLinking

if TYPE_CHECKING:
    from conftest import GoBuild

PairOf = Callable[[str], RulePair]
HOSTED = sorted(str(path.parent.relative_to(PAIRS)) for path in PAIRS.glob("**/host.c*"))
GO_HOSTED = {
    "go.kind-changed": "Run",
    "go.toolchain-changed": "Run",
    "go.export-removed": "Extra",
    "go.export-kind-changed": "Run",
    "go.export-type-changed": "Run",
    "go.pkghash-changed": "Run",
}
GO_RELEASES = {"go.toolchain-changed": "1.24.11"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a host ended, and what it printed; a negative code is the signal that killed it."""

    code: int
    output: str


def run(host: Path, *arguments: str | Path, libraries: Path) -> Outcome:
    done = subprocess.run(
        [host, *arguments],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Outcome(code=done.returncode, output=done.stdout)


def install(library: Path, folder: Path) -> Path:
    """Put a file where its users look for it: under its SONAME."""
    dynamic = api.inspect(str(library)).dynamic
    assert isinstance(dynamic, DynamicLinking)
    folder.mkdir()
    return Path(shutil.copy(library, folder / (dynamic.soname or "plugin.so")))


def link(source: Path, library: Path, output: Path) -> Path:
    compiler = "g++" if source.suffix == ".cpp" else "gcc"
    at: list[str | Path] = ["-L", library.parent, f"-l:{library.name}", "-ldl"]
    subprocess.run([compiler, "-o", output, source, *build_words(source), "-Wl,--as-needed", *at], check=True)
    return output


@pytest.mark.parametrize("name", HOSTED)
def test_a_host_of_the_old_file_fails_with_the_new_one_and_not_with_the_near_miss(
    name: str, tmp_path: Path, rule_pair: PairOf
) -> None:
    pair = rule_pair(name)
    old, new = install(pair.old, tmp_path / "old"), install(pair.new, tmp_path / "new")
    host = link(next((PAIRS / name).glob("host.c*")), old, tmp_path / "host")
    before, after = run(host, old, libraries=old.parent), run(host, new, libraries=new.parent)
    assert before.code == 0, before
    if NEAR_MISS in name:
        assert after == before
    else:
        assert after != before
        # What the loader notices by itself is breaking even where the rule, not knowing the host, says risky.
        assert api.compare(str(pair.old), str(pair.new)).has(Severity.RISKY) or name == "elf.alias-split"


@pytest.mark.parametrize(("name", "export"), GO_HOSTED.items())
def test_a_go_host_of_the_old_plugin_fails_with_the_new_one(
    name: str, export: str, tmp_path: Path, rule_pair: PairOf, go_build: GoBuild
) -> None:
    pair = rule_pair(name)
    host = go_build(GO_RELEASES.get(name, "1.27.3"), FIXTURES / "go-plugin-host" / "main.go", mode="exe")
    before, after = (run(host, export, it, libraries=tmp_path) for it in (pair.old, pair.new))
    assert before.code == 0, before
    assert after != before
    assert api.compare(str(pair.old), str(pair.new)).breaking


@pytest.mark.parametrize(("name", "both_open"), [("go.plugin-path-same", False), ("go.plugin-path-changed", True)])
def test_one_process_opens_both_plugins_only_if_their_paths_differ(
    name: str, both_open: bool, tmp_path: Path, rule_pair: PairOf, go_build: GoBuild
) -> None:
    pair = rule_pair(name)
    host = go_build("1.27.3", FIXTURES / "go-plugin-host" / "main.go", mode="exe")
    outcome = run(host, "Run", pair.old, pair.new, libraries=tmp_path)
    assert (outcome.code == 0) is both_open, outcome
    assert not api.compare(str(pair.old), str(pair.new)).breaking


@pytest.mark.parametrize(
    ("name", "flags", "opens"),
    [
        ("go.host-opens-no-plugins", (), False),
        ("go.host-opens-no-plugins/near-miss", (), True),
        ("go.host-layout-changed", (), False),
        ("go.host-pkghash-changed", ("-trimpath",), False),
        ("go.host-pkghash-changed/near-miss", (), True),
        ("go.host-pkg-removed", (), True),
    ],
)
def test_a_plugin_of_the_old_program_opens_in_the_new_one_unless_that_breaks_it(
    name: str, flags: tuple[str, ...], opens: bool, tmp_path: Path, rule_pair: PairOf, go_build: GoBuild
) -> None:
    pair = rule_pair(name)
    plugin = go_build("1.27.3", FIXTURES / "go-plugin-demo" / "plugins" / "plugin1.go", *flags)
    before, after = (run(host, plugin, libraries=tmp_path) for host in (pair.old, pair.new))
    assert before.code == 0, before
    assert (after.code == 0) is opens, after
    assert api.compare(str(pair.old), str(pair.new)).breaking is not opens


LIBRARY_HEADER = """
#include <vector>
struct Shape {
    virtual ~Shape() {}
    virtual int sides() const { return 4; }
    int twice(int n) const { return 2 * n; }
};
int sum(const Shape &shape, const std::vector<int> &numbers);
"""
LIBRARY = """
int sum(const Shape &shape, const std::vector<int> &numbers) {
    int all = shape.twice(shape.sides());
    for (unsigned long n = 0; n < numbers.size(); n++) all += numbers[n];
    return all;
}
"""
PROGRAM = """
#include <cstdio>
int main() {
    Shape *shape = new Shape;
    std::printf("%d\\n", sum(*shape, {1, 2, 3}) + shape->twice(1));
    delete shape;
}
"""


def test_what_the_optimiser_drops_of_inline_functions_and_templates_breaks_no_program(tmp_path: Path) -> None:
    for name, text in (("library.cpp", LIBRARY), ("program.cpp", PROGRAM)):
        (tmp_path / name).write_text(LIBRARY_HEADER + text)
    libraries = []
    for level in ("-O0", "-O2"):
        folder = tmp_path / level.removeprefix("-")
        folder.mkdir()
        libraries.append(folder / "libsum.so")
        flags = [level, "-shared", "-fPIC", "-Wl,-soname,libsum.so"]
        subprocess.run(["g++", *flags, tmp_path / "library.cpp", "-o", libraries[-1]], check=True)
    old, new = libraries
    program = tmp_path / "program"
    subprocess.run(["g++", "-O0", tmp_path / "program.cpp", "-o", program, old], check=True)
    assert run(program, libraries=old.parent) == run(program, libraries=new.parent) == Outcome(code=0, output="16\n")
    gone = {it.subject: it.severity for it in api.compare(old, new).findings if it.rule == "elf.symbol-removed"}
    assert gone["Shape::twice(int) const (_ZNK5Shape5twiceEi)"] is Severity.RISKY
    assert {severity for name, severity in gone.items() if name.startswith("std::")} == {Severity.INFO}
    assert Severity.BREAKING not in gone.values()
