"""The page, the JSON and the graphs of ``soinspect deps``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from conftest import Compile, Soinspect
from elfwriter import Sym, elf64


@pytest.fixture
def plugin(cc: Compile, tmp_path: Path) -> Path:
    """A plugin with all kinds of trouble: a missing library, symbol and version."""
    cc("int here(void) { return 1; }", name="libhere.so")
    (tmp_path / "v.map").write_text("OLD { global: api; }; NEW { global: added; };")
    api = "int api(void) { return 1; }\nint added(void) { return 2; }"
    cc(api, f"-Wl,--version-script={tmp_path / 'v.map'}", name="libapi.so")
    cc("int gone(void) { return 1; }", name="libgone.so")
    library = cc(
        "int here(void), gone(void), nothing(void), api(void), added(void);\n"
        "int run(void) { return here() + gone() + nothing() + api() + added(); }",
        f"-L{tmp_path}", "-lhere", "-lgone", "-lapi", "-Wl,-rpath,$ORIGIN",
        name="plugin.so",
    )  # fmt: skip
    (tmp_path / "libgone.so").unlink()
    (tmp_path / "v.map").write_text("OLD { global: api; local: *; };")
    cc(api, f"-Wl,--version-script={tmp_path / 'v.map'}", name="libapi.so")
    return library


def test_what_is_missing_comes_first(plugin: Path, soinspect: Soinspect) -> None:
    run = soinspect("deps", plugin)
    lines = run.out.splitlines()
    assert run.code == 1
    answer, _, names = lines[0].rpartition(": ")
    assert answer == f"{plugin}: cannot load libgone.so; not provided: NEW of libapi.so; 3 unresolved symbols"
    assert sorted(names.split(", ")) == ["added", "gone", "nothing"]
    assert f"  libhere.so => {plugin.parent}/libhere.so  [RUNPATH]" in lines
    assert "  libgone.so => not found" in lines
    assert any("sought" in line and str(plugin.parent / "libgone.so") in line for line in lines)
    version = next(line for line in lines if line.startswith("  version"))
    assert f"NEW NOT provided by {plugin.parent}/libapi.so: needed by {plugin}, for added" in version
    assert any("libapi.so defines it, and does not export it" in line for line in lines)
    assert lines[-1].startswith("  fix ")


def test_each_binding_is_shown_on_request(plugin: Path, soinspect: Soinspect) -> None:
    out = soinspect("deps", plugin, "-v").out
    assert f"binds       here to {plugin.parent}/libhere.so" in out
    assert f"binds       api@OLD to {plugin.parent}/libapi.so@OLD" in out
    assert "binds       nothing to nothing" in out


def test_json_is_what_the_schema_says(plugin: Path, tmp_path: Path, soinspect: Soinspect) -> None:
    schema = json.loads(soinspect("schema").out)
    run = soinspect("deps", plugin, tmp_path / "none", "--format", "json")
    jsonschema.validate(run.json, schema)
    assert run.code == 2
    (plan,) = run.json["files"]
    assert [need["error"] for it in plan["objects"] for need in it["needs"] if need["error"]] == [
        "libgone.so: cannot open shared object file: No such file or directory"
    ]
    unresolved = [it["symbol"] for it in plan["bindings"] if it["provider"] is None and not it["weak"]]
    assert sorted(unresolved) == ["added", "gone", "nothing"]
    assert run.json["errors"][0]["message"].endswith("no such file")


def test_graphs(plugin: Path, soinspect: Soinspect) -> None:
    dot = soinspect("deps", plugin, "--format", "dot").out
    assert f'n0 [label="{plugin}"];' in dot
    assert '[label="libgone.so", color=red, style=dashed];' in dot
    mermaid = soinspect("deps", plugin, "--format", "mermaid").out
    assert mermaid.startswith(f'flowchart TD\n  n0["{plugin}"]\n')
    assert "stroke:red" in mermaid


def test_names_cannot_leave_the_graph(tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "odd.so"
    path.write_bytes(elf64(texts=((1, b'lib"];x\n\\.so'),)))
    assert '[label="lib\\"];x\\\\n\\\\.so"' in soinspect("deps", path, "--format", "dot").out
    assert "lib#34;#93;#59;x#92;n#92;.so" in soinspect("deps", path, "--format", "mermaid").out


def test_a_file_that_needs_nothing(cc: Compile, soinspect: Soinspect) -> None:
    run = soinspect("deps", cc("int x;", "-nostdlib", name="alone.so"))
    assert (run.code, run.out) == (0, f"{run.out.split(':')[0]}: needs no library\n")


def test_what_cannot_be_told_is_no_success(tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "cut.so"
    size_of_first_segment = (1 << 16).to_bytes(8, "little")
    path.write_bytes(
        elf64((Sym(name=b"f"),), overrides={64 + 32: size_of_first_segment, 64 + 40: size_of_first_segment})
    )
    run = soinspect("deps", path)
    assert run.code == 3
    assert run.out.splitlines()[0] == (
        f"{path}: cannot tell what it needs: segment LOAD ends at 0x10000, past the end of the file (0x160): "
        "the file is truncated"
    )


def test_what_no_loader_loads_is_named(tmp_path: Path, soinspect: Soinspect) -> None:
    (tmp_path / "object.c").write_text("int f(void) { return 0; }")
    subprocess.run(["gcc", "-c", "object.c"], cwd=tmp_path, check=True)
    run = soinspect("deps", "object.o", cwd=tmp_path)
    assert (run.code, run.err) == (
        2,
        "soinspect: object.o: an object file, which is not linked yet; loaders take programs and libraries\n",
    )


def test_a_library_path_that_is_not_looked_at_is_told(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    folder = tmp_path / "libraries"
    folder.mkdir()
    needed = cc("int api(void) { return 1; }", "-Wl,-soname,libapi.so", name="libraries/libapi.so")
    user = cc("int api(void); int run(void) { return api(); }", str(needed), name="user.so")
    option = ("--library-path", "$LD_LIBRARY_PATH")
    run = soinspect("deps", user, LD_LIBRARY_PATH=str(folder))
    assert run.code == 1
    assert f'LD_LIBRARY_PATH is not looked at; with {option[0]} "{option[1]}" libapi.so is {needed}' in run.out
    listed = subprocess.run(
        ["ldd", user], capture_output=True, text=True, env={"LD_LIBRARY_PATH": str(folder)}, check=True
    )
    assert f"libapi.so => {needed} " in listed.stdout
    assert soinspect("deps", user, option[0], str(folder), LD_LIBRARY_PATH=str(folder)).code == 0
    # What it holds is not asked for, or is what is found anyway: no word of it.
    for other in (str(tmp_path), "/nowhere", "/lib/x86_64-linux-gnu"):
        assert "LD_LIBRARY_PATH is" not in soinspect("deps", "/bin/sh", LD_LIBRARY_PATH=other).out


def test_machines_whose_loader_is_not_known(tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "alpha.so"
    path.write_bytes(elf64(machine=0x9026))
    run = soinspect("deps", path)
    assert run.code == 2
    assert "built for ALPHA, whose loader is not known here" in run.err


def test_the_root_must_be_a_folder(plugin: Path, soinspect: Soinspect) -> None:
    assert soinspect("deps", plugin, "--root", plugin).code == 2


def test_a_program_without_its_loader(tmp_path: Path, soinspect: Soinspect) -> None:
    program, interpreter = tmp_path / "app", "/lib/ld-nowhere.so.1"
    (tmp_path / "app.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", tmp_path / "app.c", "-o", program, f"-Wl,-dynamic-linker,{interpreter}"], check=True)
    run = soinspect("deps", program)
    assert run.code == 1
    assert run.out.startswith(f"{program}: cannot load {interpreter}")
    assert "so the kernel cannot start the program" in run.out
