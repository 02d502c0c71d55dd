"""pyelftools and LIEF as witnesses of our own reading."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bounded import bounded
from conftest import FIXTURES, Soinspect
from elfwriter import Sym, elf64
from soinspect.elf.crosscheck import cross_check
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.elf.symtab import SymbolTable
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag


def test_the_witnesses_agree_on_system_libraries() -> None:
    libraries = sorted(Path("/usr/lib/x86_64-linux-gnu").glob("lib[a-m]*.so.*"))[:40]
    assert libraries
    for path in (FIXTURES / "plugin1.so", *libraries):
        with ElfFile.open(str(path)) as elf:
            for witness in cross_check(elf):
                assert witness.agrees is True, (path, witness)
                assert isinstance(elf.dynamic_symbols, SymbolTable)
                assert witness.symbols == len(elf.dynamic_symbols)


def test_what_a_witness_cannot_say(tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "bare.so"
    path.write_bytes(elf64((Sym(name=b"x"),)))
    with ElfFile.open(str(path)) as elf:
        elftools, lief = cross_check(elf)
    assert isinstance(elftools.agrees, Absent)
    assert lief.agrees is True
    run = soinspect("info", path, "--cross-check")
    assert run.code == 0
    assert "pyelftools: it finds no section .dynsym" in run.out


def test_no_witness_is_asked_for_what_would_exhaust_it(tmp_path: Path) -> None:
    """20,000 symbols share a name of a mebibyte, and section headers lead the witnesses to them."""
    count, name = 20_000, b"a" * (1 << 20)
    data = bytearray(elf64((Sym(name=name), *(Sym(name=b"") for _ in range(count)))))
    dynamic = ElfFile(Image("plain", bytes(data))).dynamic
    assert dynamic
    symbols, strings = dynamic.get(DynamicTag.SYMTAB, 0), dynamic.get(DynamicTag.STRTAB, 0)
    for number in range(2, count + 2):
        data[symbols + 24 * number : symbols + 24 * number + 4] = b"\1\0\0\0"
    header = struct.Struct("<2I4Q2I2Q")
    names_at = len(data)
    data += b"\0.dynsym\0.dynstr\0"
    for row in (
        (0,) * 10,
        (1, 11, 2, symbols, symbols, 24 * (count + 2), 2, 1, 8, 24),
        (9, 3, 2, strings, strings, len(name) + 2, 0, 0, 1, 0),
        (0, 3, 0, 0, names_at, 18, 0, 0, 1, 0),
    ):
        data += header.pack(*row)
    struct.pack_into("<Q", data, 40, names_at + 18)
    struct.pack_into("<3H", data, 58, header.size, 4, 3)
    path = tmp_path / "shared.so"
    path.write_bytes(data)
    assert bounded("info", "--cross-check", path).out.count("not asked: the names overlap out of proportion") == 2


def test_a_disagreement_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    with ElfFile.open(str(FIXTURES / "plugin1.so")) as elf:
        table = elf.dynamic_symbols
        assert isinstance(table, SymbolTable)
        monkeypatch.setattr(table, "sizes", (*table.sizes[:-1], table.sizes[-1] + 1))
        for witness in cross_check(elf):
            assert (witness.agrees, witness.only_ours, witness.only_theirs) == (False, 1, 1)
