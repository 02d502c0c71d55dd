"""Every name, value and version of every shared library at hand equals what nm reads."""

from __future__ import annotations

import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.model.symbol import Symbol

CAP = 100


def libraries() -> Iterator[Path]:
    """Shared libraries of the environment, then of the system; each file once, real ELF only."""
    seen: set[tuple[int, int]] = set()
    for folder in (
        Path(sysconfig.get_paths()["purelib"]),
        Path("/usr/lib/x86_64-linux-gnu"),
        Path("/usr/lib"),
    ):
        # The libraries of the folder itself before the many small plugins below it.
        for path in sorted(folder.rglob("*.so*"), key=lambda p: (len(p.parts), p)):
            if not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
                continue
            status = path.stat()
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield path
                if len(seen) == CAP:
                    return


def nm(path: Path) -> Counter[tuple[str, int]]:
    """What ``nm -D --with-symbol-versions`` prints, as (name with version, value)."""
    done = subprocess.run(["nm", "-D", "--with-symbol-versions", path], capture_output=True, check=False)
    rows: Counter[tuple[str, int]] = Counter()
    for line in done.stdout.split(b"\n"):
        if line:
            value, rest = line.split(b" ", 1) if line[:1] != b" " else (b"0", line.lstrip())
            _type, name = rest.split(b" ", 1)
            rows[name.decode("utf-8", "surrogateescape"), int(value, 16)] += 1
    return rows


def as_nm_names(symbol: Symbol) -> str:
    """nm leaves the version off the absolute symbol that *is* the version."""
    if symbol.section == "ABS" and symbol.version == symbol.name:
        return symbol.name
    return symbol.versioned_name


def test_all_libraries_agree_with_nm() -> None:
    compared = 0
    for path in libraries():
        with ElfFile.open(str(path)) as elf:
            table = elf.dynamic_symbols
            ours = Counter((as_nm_names(s), s.value) for s in table) if isinstance(table, SymbolTable) else Counter()
        theirs = nm(path)
        assert ours == theirs, f"{path}: {list((ours - theirs).items())[:3]} != {list((theirs - ours).items())[:3]}"
        compared += sum(ours.values())
    assert compared > 10_000


@pytest.mark.parametrize("name", ["libstdc++.so.6", "libc.so.6"])
def test_json_agrees_with_nm(name: str, soinspect: object) -> None:
    path = next(Path("/").glob(f"usr/lib*/**/{name}"))
    document = soinspect("symbols", path, "--format", "json").json  # type: ignore[operator]
    ours = Counter[tuple[str, int]]()
    for row in document["files"][0]["symbols"]:
        version = row["version"]
        shown = row["name"]
        if version is not None and not (row["section"] == "ABS" and version == shown):
            shown += ("@@" if row["default_version"] else "@") + version
        ours[shown, row["value"]] += 1
    assert ours == nm(path)
