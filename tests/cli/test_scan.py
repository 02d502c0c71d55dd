"""``soinspect scan`` on the command line: formats, SQL, exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import FIXTURES, Soinspect
from elfwriter import Sym, elf64

PLUGIN = FIXTURES / "plugin1.so"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a.so").write_bytes(elf64((Sym(name=b"shared"), Sym(name=b"odd\x1b[31m\xff\n"))))
    (folder / "b.so").write_bytes(elf64((Sym(name=b"shared"),), machine=183))
    (folder / "broken.so").write_bytes(elf64()[:70])
    return folder


def test_the_answer_comes_first_and_errors_are_rows(tree: Path, soinspect: Soinspect) -> None:
    run = soinspect("scan", tree, PLUGIN, "--format", "table")
    lines = run.out.splitlines()
    assert run.code == 1
    assert lines[0] == "3 ELF objects: 3 libraries; 1 Go plugin; 1 not read"
    assert lines[-1].startswith(f"not read: {tree}/broken.so: damaged ELF file: ")
    assert soinspect("scan", PLUGIN).code == 0


def test_a_table_fits_the_terminal(tree: Path, soinspect: Soinspect) -> None:
    narrow = soinspect("scan", tree / "a.so", PLUGIN, "--format", "table", COLUMNS="60").out.splitlines()
    assert all(len(line) <= 60 for line in narrow[1:])
    wide = soinspect("scan", tree / "a.so", PLUGIN, "--format", "table", "-v", COLUMNS="60").out
    assert "libc.so.6" in wide
    assert "09a4e169e171d2ab1962a7c6e18f440ac56be60d" in wide


def test_every_format_tells_the_same(tree: Path, tmp_path: Path, soinspect: Soinspect) -> None:
    document = soinspect("scan", tree, "--format", "json").json["files"]
    lines = [json.loads(line) for line in soinspect("scan", tree, "--format", "jsonl").out.splitlines()]
    assert lines == document
    table = list(csv.DictReader(io.StringIO(soinspect("scan", tree, "--format", "csv").out)))
    assert [row["path"] for row in table] == [row["path"] for row in document]
    assert [row["exports"] for row in table] == ["2", "1", ""]
    plain = [line.split("\t") for line in soinspect("scan", tree).out.splitlines()]
    assert plain == [list(row.values()) for row in table]
    parquet = tmp_path / "rows.parquet"
    run = soinspect("scan", tree, "--format", "parquet", "--output", parquet)
    assert (run.code, run.out) == (1, "2 ELF objects: 2 libraries; 1 not read\n")
    assert pq.read_table(parquet).to_pylist() == document


def test_symbols_are_rows(tree: Path, tmp_path: Path, soinspect: Soinspect) -> None:
    run = soinspect("scan", tree, "--symbols", "--format", "jsonl")
    assert f"soinspect: {tree}/broken.so: damaged ELF file" in run.err
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert [(Path(row["path"]).name, row["name"], row["defined"]) for row in lines] == [
        ("a.so", "shared", True),
        ("a.so", "odd\x1b[31m\\xff\n", True),
        ("b.so", "shared", True),
    ]
    table = list(csv.DictReader(io.StringIO(soinspect("scan", tree, "--symbols", "--format", "csv").out)))
    assert [row["name"] for row in table] == ["shared", "odd\\x1b[31m\\xff\\n", "shared"]
    parquet = tmp_path / "symbols.parquet"
    soinspect("scan", tree, "--symbols", "--format", "parquet", "--output", parquet)
    assert pq.read_table(parquet).to_pylist() == lines


def test_sql(tree: Path, soinspect: Soinspect) -> None:
    twice = "SELECT name, count(*) AS files FROM symbols WHERE defined GROUP BY name HAVING count(*) > 1"
    assert soinspect("scan", tree, "--symbols", "--query", twice, "--format", "csv").out == "name,files\r\nshared,2\r\n"
    machines = "SELECT machine, needed FROM files WHERE error IS NULL ORDER BY path"
    assert soinspect("scan", tree, "--query", machines, "--format", "json").json["rows"] == [
        {"machine": "x86-64", "needed": []},
        {"machine": "aarch64", "needed": []},
    ]
    pivot = "PIVOT files ON machine USING count(*) GROUP BY kind"
    assert soinspect("scan", tree, "--query", pivot, "--format", "json").code == 1  # one file is broken


@pytest.mark.parametrize(
    "sql",
    [
        "COPY files TO 'FILE'",
        "SELECT 1; COPY files TO 'FILE'",
        "ANALYZE COPY files TO 'FILE'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM sql",
        "ATTACH 'FILE'",
        "EXPORT DATABASE 'FILE'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA profiling_output = 'FILE'",
        "SELECT 1; SELECT 2",
        "",
        "DROP TABLE files",
        "DELETE FROM files",
        "UPDATE files SET path = ''",
        "INSERT INTO files (path) VALUES ('x')",
        "CREATE TABLE copy AS FROM files",
        "WITH gone AS (DELETE FROM files RETURNING *) FROM gone",
        "COMMIT",
    ],
)
def test_a_query_sees_the_tables_and_nothing_else(sql: str, tmp_path: Path, soinspect: Soinspect) -> None:
    run = soinspect("scan", PLUGIN, "--query", sql.replace("FILE", str(tmp_path / "written")))
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("soinspect: --query: ")
    assert run.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_makes_no_sense_is_told_before_the_scan(tmp_path: Path, soinspect: Soinspect) -> None:
    for arguments, told in (
        ((), "nothing to scan"),
        (("/", "--query", "SELECT nothing FROM files"), "nothing"),
        (("/", "--symbols", "--cache", tmp_path / "c"), "--cache keeps no symbols"),
        (("/", "--symbols", "--format", "table"), "--symbols has no --format table"),
        (("/", "--format", "parquet"), "needs --output FILE"),
        (("--root", tmp_path / "none"), "is not a folder"),
        ((PLUGIN, "--output", tmp_path / "none" / "x"), "no such file"),
        ((PLUGIN, "--output", tmp_path / "none" / "x", "--format", "parquet"), "no such file"),
    ):
        run = soinspect("scan", *arguments)
        assert run.code == 2, arguments
        assert told in run.err.lower() or told in run.err, run.err


def test_what_is_not_installed_is_told(tmp_path: Path, soinspect: Soinspect) -> None:
    for module in ("duckdb", "pyarrow", "distributed"):
        (tmp_path / f"{module}.py").write_text("raise ImportError")
    for arguments in (
        ("--query", "SELECT 1"),
        ("--format", "parquet", "--output", str(tmp_path / "x")),
        ("--dask", "tcp://127.0.0.1:1"),
    ):
        run = soinspect("scan", PLUGIN, *arguments, PYTHONPATH=str(tmp_path))
        assert run.code == 3
        assert "fix: pip install 'soinspect[" in run.err
