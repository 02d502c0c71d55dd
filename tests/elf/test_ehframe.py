"""Unwind tables, compared row by row with what readelf makes of the same bytes."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from soinspect.elf.ehframe import FrameTable, Row, RuleKind
from soinspect.elf.image import Image
from soinspect.errors import FormatError

SYSTEM = Path("/usr/lib/x86_64-linux-gnu")
LIBRARIES = [
    SYSTEM / name for name in ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libz.so.1", "ld-linux-x86-64.so.2")
]
NAMES = ("rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 ra").split()
FDE = re.compile(r"[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ FDE .*pc=([0-9a-f]+)\.\.")
ROW = re.compile(r"([0-9a-f]{16}) (\S+)\s*(.*)")


def readelf_rows(path: Path) -> dict[tuple[int, int], tuple[str, dict[str, str]]]:
    """(start of function, address) to the CFA and the rules of the registers, as readelf writes them."""
    # readelf fails where a file names debug information that is not installed; its rows are all there.
    output = subprocess.run(["readelf", "-wF", path], check=False, capture_output=True, text=True).stdout
    rows, function, columns = {}, None, []
    for line in output.splitlines():
        fde, row = FDE.match(line), ROW.match(line)
        if fde:
            function = int(fde[1], 16)
        elif " CIE " in line:
            function = None
        elif line.strip().startswith("LOC"):
            columns = line.split()[2:]
        elif row and function is not None:
            cells = re.sub(r"(r\d+) \(r\w+\)", r"\1", row[3]).split()
            rules = {name: cell for name, cell in zip(columns, cells, strict=True) if cell != "u"}
            rows[function, int(row[1], 16)] = (row[2], rules)
    return rows


def our_row(row: Row) -> tuple[str, dict[str, str]]:
    cfa = "exp" if row.cfa_expression else f"{NAMES[row.cfa_register]}{row.cfa_offset:+d}"
    rules = {}
    for register, rule in row.rules:
        text = rule.kind.value
        if rule.kind in (RuleKind.OFFSET, RuleKind.VALUE_OFFSET):
            text += f"{rule.number:+d}"
        elif rule.kind is RuleKind.REGISTER:
            text += str(rule.number)
        if rule.kind is not RuleKind.UNDEFINED:
            rules[NAMES[register]] = text
    return cfa, rules


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.name)
def test_every_row_agrees_with_readelf(path: Path) -> None:
    with Image.open(str(path)) as image:
        ours = {(f.start, row.start): our_row(row) for f in FrameTable(image) for row in f.rows}
    theirs = readelf_rows(path)
    assert len(theirs) > 100
    assert {key: ours.get(key) for key in theirs} == theirs


def test_a_function_is_found_by_any_of_its_addresses() -> None:
    with Image.open(str(LIBRARIES[0])) as image:
        table = FrameTable(image)
        for function in list(table)[:500]:
            for address in (function.start, function.end - 1):
                found = table.find(address)
                assert found is not None
                assert found.start == function.start
        assert table.find(0) is None


def test_damaged_tables_raise_our_error(tmp_path: Path) -> None:
    data = bytearray(LIBRARIES[3].read_bytes())
    with Image.open(str(LIBRARIES[3])) as image:
        section = image.section(".eh_frame")
        assert section is not None
        addresses = [function.start for function in FrameTable(image)]
    for at in range(section.offset, section.offset + min(section.size, 2000), 3):
        data[at] ^= 0xFF
    broken = tmp_path / "broken.so"
    broken.write_bytes(data)
    with Image.open(str(broken)) as image:
        table = FrameTable(image)
        for address in addresses:
            with suppress(FormatError):
                table.find(address)
