"""Names made to drive what shows them: a terminal, a CI service's log, a page, a table, a graph.

The same hostile text stands in symbols, SONAME, DT_NEEDED, DT_RUNPATH, section names, notes, ``.comment``, and in the
names of the files and of their folder. Every command shows it, in every format.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bounded import judge
from conftest import Soinspect
from elfwriter import Section, Sym, elf64

EVIL = (
    b"\x1b]0;x\x07\n::error::pwned\r\n| a | `b` <script>alert(1)</script> ]]> &amp; %0A \xe2\x80\xae \xe2\x80\xa8 "
    b"\xff\xfe \"'\\ {}[]$(id)"
)
ERROR = f"./a.so: undefined symbol: {EVIL.decode('utf-8', 'replace')}"


def image(end: bytes) -> bytes:
    """A library that is full of it."""
    name = EVIL + end
    return elf64(
        (Sym(name=name), Sym(name=b"ok" + end), Sym(name=b"und" + name, shndx=0, value=0)),
        texts=((14, name), (1, b"libc.so.6"), (1, name), (29, name)),
        relocations=((3, 6),),
        sections=(
            Section(name=name, data=b"x"),
            Section(name=b".comment", data=EVIL + b"\0"),
            Section(name=b".gnu_debuglink", data=EVIL + bytes(8)),
            Section(name=b".note.go.buildid", type=7, data=b"\4\0\0\0\x10\0\0\0\4\0\0\0Go\0\0" + EVIL[:16]),
        ),
    )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "d\n::error::x\x1b[31m"
    folder.mkdir()
    old, new = folder / "a|`<b>\n.so", folder / "b.so"
    old.write_bytes(image(b"1"))
    new.write_bytes(image(b"2"))
    return {"OLD": str(old), "NEW": str(new), "FOLDER": str(folder), "PYTHON": sys.executable, "ERROR": ERROR}


SQL = 'SELECT path, name AS "x\x1b[31m\ny" FROM symbols'
COMMANDS = [
    *(("symbols", "--all", "OLD", "--format", form) for form in ("plain", "table", "json", "csv", "jsonl")),
    *(("info", "--verbose", "OLD", "--format", form) for form in ("text", "json")),
    *(("go", "OLD", "--format", form) for form in ("text", "json")),
    *(("check", "OLD", "NEW", "--format", form) for form in ("text", "json")),
    *(
        ("check", "OLD", "NEW", "--require", ERROR, "--forbid-needed", "*", "--format", form)
        for form in ("text", "json")
    ),
    *(("deps", "OLD", "NEW", "--format", form) for form in ("text", "json", "dot", "mermaid")),
    ("diff", "OLD", "NEW", "OLD", "--format", "text"),
    ("symbols", "OLD", "--match", "zz\x1b[31m"),
    ("scan", "FOLDER", "--query", 'DROP TABLE "x\x1b[31m\ny"'),
    *(("explain", "ERROR", "PYTHON", "OLD", "--format", form) for form in ("text", "json")),
    *(
        ("diff", "OLD", "NEW", "--format", form)
        for form in ("text", "json", "markdown", "sarif", "github", "junit", "html")
    ),
    *(("diff", "FOLDER", "FOLDER", "--format", form) for form in ("text", "json")),
    *(("deps", "--verbose", "OLD", "--format", form) for form in ("text", "json", "dot", "mermaid")),
    *(("scan", "FOLDER", "--format", form) for form in ("plain", "table", "json", "jsonl", "csv")),
    *(("scan", "FOLDER", "--symbols", "--format", form) for form in ("plain", "jsonl", "csv")),
    *(
        ("scan", "FOLDER", "--symbols", "--query", SQL, "--format", form)
        for form in ("plain", "table", "json", "jsonl", "csv")
    ),
    ("snapshot", "OLD"),
    ("freeze", "OLD"),
    ("info", "FOLDER/\n\x1b[2Jmissing"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_name_drives_what_shows_it(command: tuple[str, ...], files: dict[str, str], soinspect: Soinspect) -> None:
    run = soinspect(*(files.get(word, word.replace("FOLDER", files["FOLDER"])) for word in command))
    assert not judge(run.code, run.out.encode(), run.err.encode(), is_json=command[-1] in ("json", "sarif"))
    assert run.out or run.err
    # A service reads commands at the beginning of a line (github), only there, and only those that are meant.
    forged = [line for line in (run.out + run.err).splitlines() if line.startswith("::") and "pwned\n" in line + "\n"]
    assert not forged
    match command[-1]:
        case "github":
            lines = run.out.splitlines()
            assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines[1:])
        case "junit":
            ET.fromstring(run.out)
        case "html":
            assert "<script>alert" not in run.out
        case "jsonl":
            for line in run.out.split("\n")[:-1]:
                json.loads(line)
        case _:
            assert not any(line.startswith("::") for line in (run.out + run.err).splitlines())
