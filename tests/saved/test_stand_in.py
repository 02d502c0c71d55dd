"""Every command takes a snapshot where it takes a file: the answer is the same, and so is the exit code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES, GO_CURRENT, Compile, GoBuild, Soinspect
from soinspect import api
from soinspect.errors import UsageError
from soinspect.model.goreport import GoQuery, GoTable
from soinspect.saved.snapshotfile import write_snapshot

Pair = tuple[dict[str, Path], dict[str, Path]]  # files by what stands for them in COMMANDS, and their snapshots
COMMANDS = (
    "info FILE HOST",
    "info -v FILE",
    "symbols FILE HOST",
    "symbols --format json --undefined FILE",
    "deps FILE",
    "deps -v HOST",
    "deps --format json FILE HOST",
    "deps --format dot FILE",
    "check HOST FILE",
    "check -v HOST FILE OTHER FILE",
    "check --format json HOST FILE",
    "check --glibc 2.3 --require nothing --forbid-needed libc.so.6 HOST FILE",
    "diff FILE OTHER",
    "diff -v OTHER FILE",
    "diff --format json FILE OTHER",
    "diff --host HOST OTHER FILE",
    "freeze FILE",
    "explain undefined\u00a0symbol:\u00a0only_with_rdynamic HOST FILE",
)
GO_COMMANDS = (
    "info --profile krakend FILE",
    "info --profile nakama HOST",
    "go FILE HOST",
    "go -v --depth 3 FILE",
    "go --packages --inits FILE",
    "go --source SOURCE FILE",
    "go OTHER",
    "explain plugin\u00a0already\u00a0loaded HOST FILE FILE",
)


def save(path: Path, folder: Path) -> Path:
    """A snapshot of a file, under the name of the file, in another folder."""
    saved = folder / path.name
    saved.write_text(write_snapshot(api.facts_of(str(path), with_loading=True)))
    return saved


def assert_the_same(soinspect: Soinspect, command: str, files: dict[str, Path], saved: dict[str, Path]) -> None:
    """The command gives the same answer on files and on their snapshots, the names of folders apart."""
    answers = []
    for given in (files, files | saved):
        run = soinspect(*(str(given.get(word, word)).replace("\u00a0", " ") for word in command.split(" ")))
        assert run.code in (0, 1, 2, 3)
        folder, own = (str(paths["FILE"].parent) for paths in (given, files))
        answers.append((run.code, run.out.replace(folder, own), run.err.replace(folder, own)))
    assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def go_files(go_build: GoBuild, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    source = FIXTURES / "go-plugin-of-every-type" / "everytype.go"
    folder, saved = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("saved")
    files = {"FILE": folder / "plugin.so", "HOST": folder / "host", "OTHER": folder / "shared.so"}
    host, shared = FIXTURES / "go-host-and-plugins" / "host" / "main.go", FIXTURES / "go-c-shared-library/library.go"
    shutil.copy(go_build(GO_CURRENT, source), files["FILE"])
    shutil.copy(go_build(GO_CURRENT, host, mode="exe"), files["HOST"])
    shutil.copy(go_build(GO_CURRENT, shared, mode="c-shared"), files["OTHER"])
    return {**files, "SOURCE": source}, {name: save(path, saved) for name, path in files.items()}


@pytest.mark.parametrize("command", COMMANDS + GO_COMMANDS)
def test_go(command: str, go_files: Pair, soinspect: Soinspect) -> None:
    assert_the_same(soinspect, command, *go_files)


def test_c(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    """A plugin with a library that it finds beside itself, in the host's symbols and with types."""
    origin = "-Wl,-rpath,$ORIGIN"
    library = cc("int of_library(void) { return 1; }", name="liblibrary.so")
    source = "struct s { int a; %s }; int of_library(void), only_with_rdynamic(void), of_host(void);\n"
    source += "int run(struct s *s) { return s->a + of_library() + only_with_rdynamic() + of_host(); }"
    files = {
        "FILE": cc(source % "", "-g", str(library), origin, name="plugin.so"),
        "OTHER": cc(source % "long b;", "-g", str(library), origin, name="other.so"),
        "HOST": tmp_path / "host",
    }
    (tmp_path / "host.c").write_text("int only_with_rdynamic(void) { return 1; } int main(void) { return 0; }")
    subprocess.run(["gcc", tmp_path / "host.c", "-o", files["HOST"]], check=True)
    folder = tmp_path / "saved"
    folder.mkdir()
    shutil.copy(library, folder)
    saved = {name: save(path, folder) for name, path in files.items()}
    for command in COMMANDS:
        assert_the_same(soinspect, command, files, saved)


@pytest.mark.parametrize(("query", "needs"), [
    (GoQuery(addresses=(0x1000,)), "addresses need the file itself"),
    (GoQuery(depth=5), "types up to depth 4"),
])  # fmt: skip
def test_what_a_snapshot_does_not_hold(query: GoQuery, needs: str, go_files: Pair) -> None:
    with pytest.raises(UsageError, match=needs):
        api.inspect_go(str(go_files[1]["FILE"]), query)


def test_tables_that_need_the_file_are_named(go_files: Pair, soinspect: Soinspect) -> None:
    saved = go_files[1]["FILE"]
    run = soinspect("go", "--packages", "--functions", "--sizes", saved)
    assert (run.code, run.out) == (2, "")
    assert run.err.endswith("this needs the file itself: --functions --sizes\n")
    run = soinspect("symbols", "--all", saved)
    assert (run.code, run.out) == (2, "")
    assert "--all needs the file itself" in run.err
    run = soinspect("go", "--format", "json", saved)
    (answer,) = run.json["files"]
    own = api.inspect_go(str(go_files[0]["FILE"]), GoQuery(tables=frozenset(GoTable)))
    assert len(answer["mentioned_types"]) == len(own.mentioned_types) > 10
    assert "the file itself" in answer["functions"]["absent"]


def test_facts_of_the_whole_file(go_files: Pair, soinspect: Soinspect) -> None:
    files, saved = go_files
    both = soinspect("info", "--format", "json", files["FILE"], saved["FILE"]).json["files"]
    for facts, path in zip(both, (files["FILE"], saved["FILE"]), strict=True):
        assert facts.pop("path") == str(path)
        facts["go"].pop("reached_types")  # read for snapshots only
    assert both[0] == both[1]
    assert api.plugin_kinds(str(saved["FILE"])) == api.plugin_kinds(str(files["FILE"])) != ()
