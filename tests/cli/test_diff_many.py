"""``soinspect diff`` of folders and of several versions, and what depends on types and on room."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from conftest import FIXTURES, Compile, Soinspect
from soinspect import api
from soinspect.comparing.pairing import pair_up
from soinspect.model.series import Candidate

PLUGIN1, PLUGIN2 = FIXTURES / "plugin1.so", FIXTURES / "plugin2.so"
ONE, TWO = "int f(void) { return 1; }", "int f(void) { return 1; }\nint g(void) { return 2; }"


def candidate(relative: str, soname: str | None = None, plugin_path: str | None = None) -> Candidate:
    return Candidate(path=f"/{relative}", relative=relative, soname=soname, plugin_path=plugin_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (candidate("liba.so.1.2", soname="liba.so.1"), candidate("lib/liba.so.1.9", soname="liba.so.1")),
        (candidate("x.so", plugin_path="example.com/x"), candidate("y.so", plugin_path="example.com/x")),
        (candidate("sub/x.so"), candidate("sub/x.so", soname="libx.so.1")),
        (candidate("x.libs/libz-eb09ad1d.so.1.2.3"), candidate("x.libs/libz-1f2e3d4c.so.1.2.3")),
        (candidate("z-eb09ad1d.so.1", soname="libz-eb09ad1d.so.1"), candidate("q.so.1", soname="libz.so.1")),
        (candidate("libz.so.1", soname="libz.so.1"), candidate("libz.so.2", soname="libz.so.2")),
    ],
)  # fmt: skip
def test_files_that_belong_together(old: Candidate, new: Candidate) -> None:
    other = candidate("other.so"), candidate("further.so")
    pairs, gone, added = pair_up([old, other[0]], [other[1], new])
    assert (pairs, gone, added) == ([(old, new)], [other[0]], [other[1]])


def test_what_two_files_have_in_common_identifies_none() -> None:
    old = [candidate("a/x.so", soname="x"), candidate("b/x.so", soname="x")]
    new = [candidate("b/x.so", soname="x"), candidate("c/x.so", soname="x")]
    pairs, gone, added = pair_up(old, new)
    assert pairs == [(old[1], new[0]), (old[0], new[1])] or pairs == [(old[0], new[1]), (old[1], new[0])]
    assert (gone, added) == ([], [])


@pytest.fixture
def folders(cc: Compile, tmp_path: Path) -> tuple[Path, Path]:
    """Two releases: one file that breaks, one that is the same, one plugin, one that is gone, and one that is new."""
    old, new = tmp_path / "old", tmp_path / "new"
    for side in (old, new):
        side.mkdir()
        (side / "notes.txt").write_text("no object file")
    shutil.copy(cc(TWO, "-Wl,-soname,libx.so.1", name="x1.so"), old / "libx.so.1.0")
    shutil.copy(cc(ONE, "-Wl,-soname,libx.so.1", name="x2.so"), new / "libx.so.1.1")
    for side in (old, new):
        shutil.copy(cc(TWO, name="same.so"), side / "same.so")
        (side / "libx.so").symlink_to("libx.so.1.0")
    shutil.copy(PLUGIN1, old / "plugin-0123456789.so")
    shutil.copy(PLUGIN2, new / "plugin-abcdef0123.so")
    shutil.copy(cc(ONE, name="gone.so"), old / "gone.so")
    shutil.copy(cc(ONE, name="fresh.so"), new / "fresh.so")
    return old, new


def test_folders_are_compared_file_by_file(folders: tuple[Path, Path], soinspect: Soinspect) -> None:
    old, new = folders
    run = soinspect("diff", old, new)
    assert run.code == 1
    assert run.out.splitlines() == [
        f"{old} -> {new}: 3 files compared, 1 breaks its users, types not compared in 1, 1 gone, 1 new",
        "  gone        gone.so",
        f"  breaking    {old}/libx.so.1.0 -> {new}/libx.so.1.1: 1 breaking",
        f"  info        {old}/plugin-0123456789.so -> {new}/plugin-abcdef0123.so: 1 info",
        "  same        1 file without any difference in what others rely on",
        "  new         fresh.so",
        f"              in full: soinspect diff {old}/libx.so.1.0 {new}/libx.so.1.1",
    ]
    told = soinspect("diff", old, new, "--format", "json").json
    jsonschema.validate(told, json.loads(soinspect("schema").out))
    assert [Path(pair["old"]).name for pair in told["pairs"]] == ["libx.so.1.0", "plugin-0123456789.so", "same.so"]
    assert [pair["verdict"] for pair in told["pairs"]] == ["breaking", "compatible", "identical"]
    assert (told["gone"], told["added"], told["unreadable"]) == (["gone.so"], ["fresh.so"], [])


def test_a_damaged_file_hides_no_other(folders: tuple[Path, Path], soinspect: Soinspect) -> None:
    old, new = folders
    (new / "same.so").write_bytes(b"\x7fELF and no more than that")
    run = soinspect("diff", old, new)
    assert run.code == 2
    assert "2 files compared, 1 breaks its users, types not compared in 1, 2 gone, 1 new, 1 unreadable" in run.out
    assert "unreadable" in run.out


def test_folders_without_object_files_are_no_answer(
    tmp_path: Path, folders: tuple[Path, Path], soinspect: Soinspect
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "README").write_text("no object file")
    for new in (empty, folders[1]):
        run = soinspect("diff", empty, new)
        told = f"{empty} -> {new}: nothing to compare: no object file, snapshot or baseline in {empty}\n"
        assert (run.code, run.out) == (3, told)
    assert soinspect("diff", empty, empty, "--format", "json").code == 3
    assert soinspect("diff", folders[0], empty).code == 1


def test_folders_are_compared_with_folders_and_as_text_or_json(
    folders: tuple[Path, Path], soinspect: Soinspect
) -> None:
    old, new = folders
    assert "one other folder" in soinspect("diff", old, PLUGIN1).err
    assert "one other folder" in soinspect("diff", old, new, old).err
    run = soinspect("diff", old, new, "--format", "sarif")
    assert (run.code, run.out) == (2, "")


def test_a_timeline_tells_what_each_version_adds_removes_and_breaks(cc: Compile, soinspect: Soinspect) -> None:
    versions = [cc(source, name=f"v{n}.so") for n, source in enumerate((ONE, TWO, TWO, ONE))]
    run = soinspect("diff", *versions)
    assert run.code == 1
    lines = run.out.splitlines()
    assert lines[0] == "4 versions, 1 of 3 steps break users, types not compared in 3"
    assert lines[1].startswith(f"  compatible  {versions[0]} -> {versions[1]}: 1 compatible")
    assert "              +1: g" in lines
    assert f"  breaking    {versions[2]} -> {versions[3]}: 1 breaking" in lines
    assert lines[-1] == "              -1: g"
    told = soinspect("diff", *versions, "--format", "json").json
    jsonschema.validate(told, json.loads(soinspect("schema").out))
    assert [(step["added"], step["removed"]) for step in told["steps"]] == [(["g"], []), ([], []), ([], ["g"])]
    assert [step["verdict"] for step in told["steps"]] == ["compatible", "compatible", "breaking"]
    assert soinspect("diff", *versions[:3]).code == 0


def test_a_timeline_is_about_what_is_offered_and_not_about_what_is_asked_for(cc: Compile) -> None:
    sources = ONE, f'int puts(const char *); {ONE} int say(void) {{ return puts(""); }}'
    (step,) = api.timeline([cc(source, name=f"v{n}.so") for n, source in enumerate(sources)]).steps
    assert (step.added, step.removed) == (("say",), ())


def test_a_timeline_of_plugins_is_about_their_exports(soinspect: Soinspect, cc: Compile) -> None:
    told = soinspect("diff", PLUGIN1, PLUGIN2, cc(ONE), "--format", "json").json
    assert told["steps"][1]["removed"] == ["I", "PrintI", "Run"]


def test_types_can_be_required(cc: Compile, soinspect: Soinspect) -> None:
    described, other = cc(ONE, "-g", name="a.so"), cc(ONE, "-g", "-O2", name="b.so")
    bare = cc(ONE, name="c.so")
    assert soinspect("diff", described, other, "--require-types").code == 0
    run = soinspect("diff", described, bare, "--require-types")
    assert run.code == 2
    assert run.out.startswith(f"{described} -> {bare}: ")  # the answer is there all the same
    assert "types were not compared (--require-types)" in run.err
    assert soinspect("diff", described, bare).code == 0
    assert soinspect("diff", PLUGIN1, PLUGIN2, "--require-types").code == 0  # nobody binds to C names of these


def test_a_large_difference_is_told_in_sixty_lines(cc: Compile, soinspect: Soinspect) -> None:
    old = "\n".join(f"int f{n}(int a) {{ return a; }}\nint lost{n};" for n in range(50))
    new = "\n".join(f"long f{n}(int a, int b) {{ return a + b; }}" for n in range(50))
    files = cc(old, "-g", name="old.so"), cc(new, "-g", name="new.so")
    lines = soinspect("diff", *files).out.splitlines()
    assert len(lines) <= 60
    assert any("elf.symbol-removed  50: lost" in line and line.endswith(" and 45 more") for line in lines)
    assert "              all of them in full: -v" in lines
    everything = soinspect("diff", *files, "-v").out
    assert all(f"f{n}: + int b" in everything for n in range(50))


def test_long_lines_go_on_below_on_a_narrow_terminal(soinspect: Soinspect) -> None:
    main, worker = pty.openpty()
    environment = {**os.environ, "COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "soinspect", "diff", str(PLUGIN1), str(PLUGIN2)]
    done = subprocess.Popen(command, stdout=worker, env=environment)
    os.close(worker)
    text = b""
    try:
        while part := os.read(main, 4096):
            text += part
    except OSError:  # the other end is closed
        pass
    assert done.wait() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).splitlines()
    assert max(map(len, lines)) <= 60
    start = next(n for n, line in enumerate(lines) if line.startswith("  info        go.plugin-path"))
    assert lines[start + 1].startswith(" " * 14)
    assert "  same        same Go release: go1.27.3" in lines
