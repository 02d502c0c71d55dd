"""Each rule has a pair of sources that triggers it, and a page; each pair triggers what it says and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from elfwriter import Sym, elf64
from soinspect import api
from soinspect.compare.rules import RULES
from soinspect.render.rules import rule_index, rule_page

if TYPE_CHECKING:
    from conftest import GoBuild, Golden

ROOT = Path(__file__).parent.parent.parent
PAIRS = ROOT / "fixtures" / "rules"
PAGES = ROOT / "docs" / "rules"
IDS = [entry.rule.id for entry in RULES]
GO_CURRENT = "1.27.3"

# How long a function's code is depends on the compiler as well.
NOISE = {"elf.function-size-changed"}
# No compiler at hand builds for two machines: these two images are written by hand.
HAND_MADE = {
    "elf.machine-changed": (elf64((Sym(name=b"f"),), machine=62), elf64((Sym(name=b"f"),), machine=183)),
}


def directive(source: Path, key: str) -> list[str]:
    """The words after ``// key:`` in the first lines of a source."""
    for line in source.read_text().splitlines()[:2]:
        if line.startswith(f"// {key}:"):
            return line.partition(":")[2].replace(",", " " if key == "expect" else ",").split()
    return []


def build(rule: str, side: str, output: Path, go_build: GoBuild) -> Path:
    folder = PAIRS / rule
    if (folder / side).is_dir():
        return go_build(GO_CURRENT, folder / side)
    if (folder / f"{side}.go").exists():
        source = folder / f"{side}.go"
        words = directive(source, "build")
        version = next((w[2:] for w in words if w.startswith("go1")), GO_CURRENT)
        mode = next((w[5:] for w in words if w.startswith("mode=")), "plugin")
        return go_build(version, source, *(w for w in words if w.startswith("-")), mode=mode)
    source = next(folder / f"{side}.{suffix}" for suffix in ("c", "cpp") if (folder / f"{side}.{suffix}").exists())
    compiler = "g++" if source.suffix == ".cpp" else "gcc"
    flags = directive(source, "build")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", output, source.name, *flags], cwd=folder, check=True)
    return output


def files_of(rule: str, tmp_path: Path, go_build: GoBuild) -> tuple[Path, Path, set[str]]:
    if rule in HAND_MADE:
        old, new = tmp_path / "old.so", tmp_path / "new.so"
        old.write_bytes(HAND_MADE[rule][0])
        new.write_bytes(HAND_MADE[rule][1])
        return old, new, {rule}
    folder = PAIRS / rule
    names = ("new.c", "new.cpp", "new.go", "new/main.go")
    main = next(folder / name for name in names if (folder / name).exists())
    old, new = (build(rule, side, tmp_path / f"{side}.so", go_build) for side in ("old", "new"))
    return old, new, set(directive(main, "expect"))


@pytest.mark.parametrize("rule", IDS)
def test_the_pair_of_a_rule_triggers_it_and_nothing_unexpected(rule: str, tmp_path: Path, go_build: GoBuild) -> None:
    old, new, expected = files_of(rule, tmp_path, go_build)
    found = api.compare(str(old), str(new)).findings
    assert rule in expected
    noise = set() if rule in NOISE else NOISE
    assert {finding.rule for finding in found} - noise == expected - noise, [f"{f.rule}: {f.subject}" for f in found]


@pytest.mark.parametrize("rule", IDS)
def test_a_rule_finds_nothing_between_a_file_and_its_copy(rule: str, tmp_path: Path, go_build: GoBuild) -> None:
    old, _, _ = files_of(rule, tmp_path, go_build)
    copy = tmp_path / "copy.so"
    copy.write_bytes(old.read_bytes() + b"\0")  # other bytes, same facts
    found = {finding.rule for finding in api.compare(str(old), str(copy)).findings}
    assert found <= {"go.plugin-path-same"}


def test_every_pair_belongs_to_a_rule() -> None:
    assert {p.name for p in PAIRS.iterdir()} | HAND_MADE.keys() == set(IDS)


@pytest.mark.parametrize("entry", RULES, ids=IDS)
def test_the_page_of_a_rule_says_what_the_rule_says(entry: object, golden: Golden) -> None:
    rule = entry.rule  # type: ignore[attr-defined]
    golden(PAGES / f"{rule.id}.md", rule_page(rule))


def test_the_index_lists_all_rules(golden: Golden) -> None:
    golden(PAGES / "README.md", rule_index(tuple(entry.rule for entry in RULES)))
    assert {p.stem for p in PAGES.glob("*.md")} - {"README"} == set(IDS)
