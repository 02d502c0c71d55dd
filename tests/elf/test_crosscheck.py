"""pyelftools and LIEF as witnesses of our own reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import FIXTURES, Soinspect
from elfwriter import Sym, elf64
from soinspect.elf.crosscheck import cross_check
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.model.absence import Absent


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


def test_a_disagreement_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    with ElfFile.open(str(FIXTURES / "plugin1.so")) as elf:
        table = elf.dynamic_symbols
        assert isinstance(table, SymbolTable)
        monkeypatch.setattr(table, "sizes", (*table.sizes[:-1], table.sizes[-1] + 1))
        for witness in cross_check(elf):
            assert (witness.agrees, witness.only_ours, witness.only_theirs) == (False, 1, 1)
