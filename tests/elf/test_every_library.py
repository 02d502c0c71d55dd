"""Every library of this machine: nm agrees on the symbols, pyelftools and LIEF on values and sizes; nothing is odd."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from soinspect.elf.crosscheck import cross_check
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import NotElf
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType

_LIBRARY = re.compile(r".*\.so(\.\d+)*")
_FOLDERS = ("/usr", "/lib", "/opt", "/root", "/home")
_LINE = re.compile(r"([0-9a-f]*) +(\S) (.*)")


def _libraries() -> Iterator[ElfFile]:
    """The ELF files named like libraries, each once."""
    seen = set()
    for folder in _FOLDERS:
        for where, _, names in os.walk(folder):
            for path in (Path(where, name) for name in sorted(names) if _LIBRARY.fullmatch(name)):
                status = path.lstat()
                if path.is_symlink() or (status.st_dev, status.st_ino) in seen or not status.st_size:
                    continue
                seen.add((status.st_dev, status.st_ino))
                try:
                    elf = ElfFile.open(str(path))
                except NotElf:  # a linker script
                    continue
                with elf:
                    yield elf


def _by_nm(path: str) -> Counter[tuple[int, str]]:
    """Value and name with version of each dynamic symbol."""
    done = subprocess.run(["nm", "-D", path], capture_output=True, check=False)
    lines = map(_LINE.fullmatch, done.stdout.decode("utf-8", "surrogateescape").split("\n"))
    return Counter((int(line[1] or "0", 16), line[3]) for line in lines if line)


def _by_us(table: SymbolTable) -> Counter[tuple[int, str]]:
    found: Counter[tuple[int, str]] = Counter()
    for symbol in table:
        if symbol.type is SymbolType.SECTION:  # which nm leaves out
            continue
        # nm leaves out the version of a symbol that is the version itself.
        version = None if symbol.section == "ABS" and symbol.version == symbol.name else symbol.version
        name = symbol.name + (f"@{'@' * symbol.default_version}{version}" if version else "")
        found[symbol.value, name] += 1
    return found


@pytest.mark.full
def test_nm_agrees_on_every_symbol() -> None:
    differ, files, symbols = [], 0, 0
    for elf in _libraries():
        table = elf.dynamic_symbols
        if isinstance(table, SymbolTable):
            ours, theirs = _by_us(table), _by_nm(elf.path)
            files, symbols = files + 1, symbols + ours.total()
            if ours != theirs:
                differ.append((elf.path, list((ours - theirs).items())[:3], list((theirs - ours).items())[:3]))
    assert files
    assert not differ, f"{len(differ)} of {files} files, {symbols} symbols: {differ[:5]}"


@pytest.mark.full
def test_the_witnesses_agree_and_nothing_is_odd() -> None:
    differ, odd, files = [], [], 0
    for elf in _libraries():
        files += 1
        differ += [(elf.path, it) for it in cross_check(elf) if it.agrees is False or isinstance(it.agrees, Absent)]
        assert elf.notes is not None
        odd += [(elf.path, anomaly) for anomaly in elf.image.anomalies]
    assert files
    assert not differ, f"{len(differ)} of {files}: {differ[:5]}"
    assert not odd, f"{len(odd)} of {files}: {odd[:5]}"
