"""``soinspect symbols`` on C, C++, Rust-mangled and Go libraries, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import FIXTURES, GO_VERSIONS, Compile, GoBuild, Soinspect
from elfwriter import Sym, elf64

COLUMNS = ("value", "size", "type", "binding", "visibility", "section", "kind", "name", "readable")
DEMO = FIXTURES / "go-plugin-demo" / "plugins" / "plugin1.go"


@pytest.fixture
def counter(cc: Compile) -> Path:
    return cc(FIXTURES / "c-library" / "counter.c")


def rows(out: str) -> dict[str, dict[str, str]]:
    """Plain output by raw name."""
    lines = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in out.splitlines()]
    return {line["name"]: line for line in lines}


def test_a_c_library(counter: Path, soinspect: Soinspect) -> None:
    found = rows(soinspect("symbols", counter).out)
    assert found["count"]["type"] == "FUNC"
    assert found["counter"]["type"] == "OBJECT"
    assert found["counter"]["size"] == "4"
    assert found["per_thread"]["type"] == "TLS"
    assert found["chosen"]["type"] == "IFUNC"
    assert found["optional"]["binding"] == "WEAK"
    assert found["guarded"]["visibility"] == "PROTECTED"
    assert found["greeting"]["section"] == ".rodata"
    assert "internal" not in found
    puts = next(line for name, line in found.items() if name.startswith("puts@"))
    assert (puts["section"], puts["kind"]) == ("UND", "import")


def test_all_adds_the_full_table(counter: Path, soinspect: Soinspect) -> None:
    dynamic, full = rows(soinspect("symbols", counter).out), rows(soinspect("symbols", counter, "--all").out)
    assert full["internal"]["binding"] == "LOCAL"
    assert dynamic.keys() < full.keys()
    names = [
        line.split("\t")[7] for line in soinspect("symbols", counter, "--all", "--match", "count").out.splitlines()
    ]
    assert names == ["count"]


def test_filters(counter: Path, soinspect: Soinspect) -> None:
    def names(*options: str) -> set[str]:
        return set(rows(soinspect("symbols", counter, *options).out))

    everything = names()
    assert names("--defined") | names("--undefined") == everything
    assert not names("--defined") & names("--undefined")
    assert names("--exports") <= names("--defined")
    assert names("--type", "tls,ifunc") == {"per_thread", "chosen"}
    assert names("--match", "count*") == {"count", "counter"}
    assert names("--regex", "^g.*") == {"greeting", "guarded"}
    assert names("--kind", "import") == names("--undefined")


def test_orders(counter: Path, soinspect: Soinspect) -> None:
    def column(name: str, *options: str) -> list[str]:
        lines = soinspect("symbols", counter, "--defined", *options).out.splitlines()
        return [line.split("\t")[COLUMNS.index(name)] for line in lines]

    assert column("name", "--sort", "name") == sorted(column("name"))
    addresses = [int(value, 16) for value in column("value", "--sort", "address")]
    assert addresses == sorted(addresses)
    sizes = [int(size) for size in column("size", "--sort", "size")]
    assert sizes == sorted(sizes, reverse=True)


def test_cxx_names_are_those_of_cxxfilt(cc: Compile, soinspect: Soinspect) -> None:
    library = cc(FIXTURES / "cxx-library" / "shapes.cpp")
    found = rows(soinspect("symbols", library, "--defined").out)
    assert found["_ZN6shapes4areaERKNS_5ShapeE"]["readable"] == "shapes::area(shapes::Shape const&)"
    assert found["_ZTVN6shapes6SquareE"]["readable"] == "vtable for shapes::Square"
    assert found["shapes_version"]["readable"] == "shapes_version"
    # The two write some templates of the standard library differently; what is ours they must write alike.
    own = [name for name in found if "shapes" in name]
    assert len(own) > 10
    filtered = subprocess.run(["c++filt"], input="\n".join(own), capture_output=True, text=True, check=True)
    ours = [found[name]["readable"].replace(" ", "") for name in own]
    theirs = [name.replace(" ", "") for name in filtered.stdout.splitlines()]
    assert ours == theirs
    raw = rows(soinspect("symbols", library, "--defined", "--no-demangle").out)
    assert all(line["readable"] == name for name, line in raw.items())


def test_rust_names(cc: Compile, soinspect: Soinspect) -> None:
    found = rows(soinspect("symbols", cc(FIXTURES / "rust-names" / "names.c"), "--exports").out)
    assert {line["readable"] for line in found.values()} == {"demo::plugin::run", "mycrate::foo::bar"}


@pytest.mark.parametrize("version", GO_VERSIONS)
def test_a_go_plugin_has_its_own_symbols_first(version: str, go_build: GoBuild, soinspect: Soinspect) -> None:
    plugin = go_build(version, DEMO, "-trimpath", "-ldflags=-s -w")
    lines = soinspect("symbols", plugin).out.splitlines()
    first = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[:5]]
    assert [(line["kind"], line["readable"]) for line in first] == [
        ("export", "I"),
        ("export", "PrintI"),
        ("export", "Run"),
        ("init", "main (init task)"),
        ("init", "main.init.0"),
    ]
    assert all(line["name"].startswith("plugin/unnamed-") for line in first)
    assert first[0]["type"] == "OBJECT"
    assert len(lines) > 2000


@pytest.mark.parametrize("version", GO_VERSIONS)
def test_hashed_type_names_are_turned_back_into_types(version: str, go_build: GoBuild, soinspect: Soinspect) -> None:
    plugin = go_build(version, DEMO, "-trimpath", "-ldflags=-s -w")
    types = rows(soinspect("symbols", plugin, "--kind", "type").out)
    hashed = {name: line["readable"] for name, line in types.items() if re.fullmatch(r"type:[A-Za-z0-9+/]{8}", name)}
    assert len(hashed) > 200
    assert not [text for text in hashed.values() if "hashed" in text]
    assert {"type *os.File", "type []interface {}", "type func(interface {}) string"} & set(hashed.values())


def test_kinds_of_go_symbols(demo_plugin: Path, soinspect: Soinspect) -> None:
    document = soinspect("symbols", demo_plugin, "--format", "json").json
    by_name = {row["name"]: row for row in document["files"][0]["symbols"]}
    for name, kind, readable in (
        ("go:link.pkghash.fmt", "package-hash", "hash of package fmt"),
        ("time..inittask", "init", "time (init task)"),
        ("go:itab.*os.File,io.Writer", "itab", "*os.File implements io.Writer"),
        ("type:int", "type", "type int"),
        ("fmt.Fprintln", "function", "fmt.Fprintln"),
        ("os.(*File).Write", "method", "os.(*File).Write"),
        ("runtime.mallocgc", "runtime", "runtime.mallocgc"),
        ("x_cgo_init", "cgo", "x_cgo_init"),
        ("go:buildinfo", "build-info", "build information"),
        ("pthread_create", "import", "pthread_create"),
    ):
        assert (by_name[name]["kind"], by_name[name]["demangled"]) == (kind, readable), name
    assert document["files"][0]["go_plugin"].startswith("plugin/unnamed-")


def test_formats_agree(counter: Path, soinspect: Soinspect) -> None:
    plain = rows(soinspect("symbols", counter).out)
    document = soinspect("symbols", counter, "--format", "json").json
    from_json = document["files"][0]["symbols"]
    from_lines = [json.loads(line) for line in soinspect("symbols", counter, "--format", "jsonl").out.splitlines()]
    from_csv = list(csv.DictReader(io.StringIO(soinspect("symbols", counter, "--format", "csv").out)))
    assert [{"file": str(counter), **row} for row in from_json] == from_lines
    assert [row["name"] for row in from_csv] == list(plain)
    assert [int(line["value"], 16) for line in plain.values()] == [row["value"] for row in from_json]


def test_the_table_fits_and_names_survive_in_a_pipe(demo_plugin: Path, soinspect: Soinspect) -> None:
    for columns in (60, 80, 200):
        table = soinspect("symbols", demo_plugin, "--format", "table", COLUMNS=str(columns)).out.splitlines()
        assert table[0].startswith(f"{demo_plugin}: Go plugin, go1.27.3")
        assert max(map(len, table[1:-1])) <= columns
        assert "\x1b" not in "".join(table)
    piped = soinspect("symbols", demo_plugin).out
    assert max(map(len, piped.splitlines())) > 200
    assert "…" not in piped


def test_several_files_and_standard_input(counter: Path, demo_plugin: Path, soinspect: Soinspect) -> None:
    both = soinspect("symbols", counter, demo_plugin, "--exports").out.splitlines()
    assert {line.split("\t")[0] for line in both} == {str(counter), str(demo_plugin)}
    assert soinspect("symbols", "-", stdin=counter.read_bytes()).out == soinspect("symbols", counter).out


def test_one_bad_file_does_not_hide_the_others(counter: Path, tmp_path: Path, soinspect: Soinspect) -> None:
    run = soinspect("symbols", tmp_path / "missing.so", counter)
    assert run.code == 2
    assert "missing.so: no such file" in run.err
    assert f"{counter}\t" in run.out


def test_names_cannot_drive_the_terminal(tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "odd.so"
    path.write_bytes(elf64((Sym(name=b"red\x1b[31m\nline"), Sym(name=b"caf\xe9"))))
    run = soinspect("symbols", path)
    assert "red\\x1b[31m\\nline" in run.out
    assert "caf\\xe9" in run.out
    symbols = {row["name"]: row for row in soinspect("symbols", path, "--format", "json").json["files"][0]["symbols"]}
    assert symbols["caf\\xe9"]["name_escaped"] is True
    assert "name_escaped" not in symbols["red\x1b[31m\nline"]


@pytest.mark.parametrize("command", ["symbols", "info", "symbols --format json", "symbols --format csv", "diff"])
def test_the_stream_may_end_early(command: str, demo_plugin: Path) -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c",
         f"{sys.executable} -m soinspect {command} {demo_plugin} {demo_plugin} | head -c 10 >/dev/null"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    # 141 is what the shell reports of a program that SIGPIPE ended: no verdict. Short answers fit into the pipe.
    assert done.returncode in (0, 141)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--type", "nonsense"), "no such symbol type"),
        (("--regex", "("), "--regex ("),
        (("--defined", "--undefined"), "exclude each other"),
        (("--match", "a", "--regex", "b"), "exclude each other"),
    ],
)
def test_usage_errors_are_one_line(options: tuple[str, ...], message: str, counter: Path, soinspect: Soinspect) -> None:
    run = soinspect("symbols", counter, *options)
    assert run.code == 2
    assert message in run.err
    assert run.err.count("\n") == 1


def test_what_nothing_matches_is_told_with_near_names(soinspect: Soinspect) -> None:
    plugin = FIXTURES / "plugin1.so"
    for options, hint in (
        (("--match", "run"), "; did you mean Run or "),
        (("--regex", r"\Aprinti$"), "; did you mean PrintI or "),
        (("--match", "*"), None),
        (("--match", "#*"), ""),
        (("--type", "ifunc"), ""),
    ):
        run = soinspect("symbols", plugin, *options)
        told = f"soinspect: {plugin}: none of 8,853 symbols is what was asked for{hint}"
        assert run.code == 0
        assert run.err.startswith(told) if hint is not None else not run.err
        assert bool(run.out) is (hint is None)
        if not run.out:
            table = soinspect("symbols", plugin, *options, "--format", "table").out.splitlines()
            assert table[0].endswith("; 0 symbols")
            assert f"soinspect: {plugin}: {table[1]}\n" == run.err
            assert soinspect("symbols", plugin, *options, "--format", "json").json["files"][0]["remarks"] == [table[1]]
