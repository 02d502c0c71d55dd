"""The rows of real libraries equal what readelf and nm read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from scans import rows
from soinspect import api
from soinspect.model.scan import ScanRow

_CAP = 100


def libraries() -> list[Path]:
    folder = Path("/usr/lib")
    found = sorted(folder.rglob("*.so*"), key=lambda path: (len(path.parts), path))
    return [path for path in found if path.is_file() and not path.is_symlink()][:_CAP]


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, check=False).stdout.decode("utf-8", "surrogateescape")


def newest(family: str, versions: str) -> str | None:
    numbers = {tuple(map(int, n.split("."))) for n in re.findall(rf"Name: {family}_([\d.]+)  Flags", versions)}
    if family == "GLIBC" and "GLIBC_ABI_DT_RELR" in versions:
        numbers.add((2, 36))
    return ".".join(map(str, max(numbers))) if numbers else None


def witness(path: Path) -> dict[str, object]:
    """What binutils say, under the names of the columns."""
    shown = output("readelf", "-W", "-h", "-l", "-S", "-d", "-n", path)
    needs = output("readelf", "-W", "-V", path).partition("Version needs section")[2]
    # It writes STB_GNU_UNIQUE in three words where the header names no GNU extension.
    listed = output("readelf", "-W", "--dyn-syms", path).replace("<OS specific>: 10", "UNIQUE")
    symbols = [line.split() for line in listed.splitlines()]
    table = [words for words in symbols if words and words[0].rstrip(":").isdigit() and words[0] != "0:"]
    undefined = [words for words in table if words[6] == "UND"]
    offered = [w for w in table if w[6] != "UND" and w[4] != "LOCAL" and w[5] in ("DEFAULT", "PROTECTED")]
    names = {words[7].partition("@")[0] for words in undefined if len(words) > 7}
    build_id = re.search(r"Build ID: ([0-9a-f]+)", shown)
    soname = re.search(r"\(SONAME\).*\[(.*)\]", shown)
    stack = re.search(r"GNU_STACK .* (R?W?E?)\s+0x", shown)
    return {
        "bits": 64 if "Class:                             ELF64" in shown else 32,
        "soname": soname[1] if soname else None,
        "needed": tuple(re.findall(r"\(NEEDED\).*\[(.*)\]", shown)),
        "build_id": build_id[1] if build_id else None,
        "executable_stack": "E" in stack[1] if stack else None,
        "stripped": ".symtab" not in shown,
        "stack_protector": bool(names & {"__stack_chk_fail", "__stack_chk_guard", "__stack_chk_fail_local"}),
        "glibc": newest("GLIBC", needs),
        "imports": len(undefined),
        "exports": len(offered),
        "size": path.stat().st_size,
    }


def ours(row: ScanRow) -> dict[str, object]:
    names = ("bits", "soname", "needed", "build_id", "executable_stack", "stripped", "stack_protector", "glibc")
    return {name: getattr(row, name) for name in (*names, "imports", "exports", "size")}


def test_rows_equal_what_readelf_says() -> None:
    paths = {str(path): path for path in libraries()}
    checked = 0
    for row in rows(*paths):
        if row.error is None and not row.go_version:
            assert ours(row) == witness(paths[row.path]), row.path
            checked += 1
    assert checked > 20


def test_symbols_equal_what_nm_says() -> None:
    paths = [str(path) for path in libraries()]
    with api.scanning(paths, with_symbols=True) as answers:
        tables = [table for scanned in answers for table in scanned.symbols]
    assert sum(len(table.name) for table in tables) > 1000
    for table in tables:
        theirs = sorted(line.split(" ")[-1] for line in output("nm", "-D", "-p", table.path).splitlines())
        assert sorted(name for name in table.name) == sorted(name.partition("@")[0] for name in theirs), table.path
