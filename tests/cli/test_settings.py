"""TOML files that exhaust their reader, or are no settings: one line, exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from bounded import bounded
from conftest import FIXTURES

PLUGIN = FIXTURES / "plugin1.so"
HOSTILE = {
    "arrays": (b"a = " + b"[" * 100_000, "line 1 has 100,004 characters"),
    "arrays on lines": (b"a = " + b"[\n" * 100_000, "nested too deep"),
    "tables": (b"a = " + b"{a = \\\n" * 10, "not TOML"),
    "dotted key": (b"a" + b".a" * 100_000 + b" = 1", "line 1 has 200,005 characters"),
    "dotted header": (b"[a" + b".a" * 100_000 + b"]", "line 1 has 200,003 characters"),
    "digits": (b"a =\\\n" + b"9" * 900, "not TOML"),
    "bytes": (b"\xff\xfe", "not UTF-8 text"),
    "escapes": (b'"\\u001b[31m" = 1', "\\x1b[31m"),
    "size": (b"a = 1\n" * 200_000, "has more than 1,048,576 bytes"),
}


@pytest.mark.parametrize("command", [("diff", PLUGIN, PLUGIN, "--suppress"), ("info", PLUGIN, "--profile")])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_toml(name: str, command: tuple[str | Path, ...], tmp_path: Path) -> None:
    data, told = HOSTILE[name]
    path = tmp_path / "settings.toml"
    path.write_bytes(data)
    run = bounded(*command, path)
    assert (run.code, run.out) == (2, "")
    assert told in run.err


def test_a_snapshot_that_takes_all_memory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"soinspect": "snapshot", "version": 1, "facts": [' + "[]," * 8_000_000 + "0]}")
    run = bounded("info", path)
    assert (run.code, run.out) == (3, "")
    assert run.err.startswith("soinspect: out of memory\nfix: ")
