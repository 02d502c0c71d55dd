"""Every library of more than twenty Debian packages for each of eight other machines: we read what readelf reads."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bounded import bounded
from debianpackages import fetch
from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.model.constants import DynamicTag, SymbolType

MACHINES = ("arm64", "armhf", "i386", "mips64el", "mipsel", "ppc64el", "riscv64", "s390x")
_LOADER_UNKNOWN = frozenset({"mips64el", "mipsel"})
# "  5: 0000000000001234  16 FUNC  GLOBAL DEFAULT [<localentry>: 8]  12 name@@VERSION (2)"
_SYMBOL = re.compile(r" *\d+: ([0-9a-f]+) +(\w+) (\S+) +(\S+) +(\S+) +(?:\[.*?\] +)?(\S+) ?(.*?)(?: \(\d+\))?")
_NEEDED = re.compile(r" \(NEEDED\) +Shared library: \[(.*)\]")
_Row = tuple[int, int, str, str, str, bool, str]


@dataclass(frozen=True)
class Package:
    root: Path
    libraries: Sequence[Path]


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def packages(machine: str, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Package]:
    made = [Package(root, list(_libraries(root))) for root in fetch(machine, tmp_path_factory.mktemp(machine))]
    found = [package for package in made if package.libraries]
    assert len(found) >= 20
    return found


def _libraries(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*.so*")):
        if path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF":
            yield path


def _readelf(option: str, path: Path) -> str:
    done = subprocess.run(["readelf", option, "-W", path], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape")


def _theirs(path: Path) -> Counter[_Row]:
    found: Counter[_Row] = Counter()
    for line in map(_SYMBOL.fullmatch, _readelf("--dyn-syms", path).split("\n")):
        if line and line[3] != "SECTION":  # whose names readelf makes up
            value, size, kind, binding, visibility, index, name = line.groups()
            base = 16 if size.startswith("0x") else 10
            found[int(value, 16), int(size, base), kind, binding, visibility, index != "UND", name] += 1
    return found


def _ours(table: SymbolTable) -> Counter[_Row]:
    found: Counter[_Row] = Counter({(0, 0, "NOTYPE", "LOCAL", "DEFAULT", False, ""): 1})  # the null symbol
    names = {"GNU_IFUNC": "IFUNC", "GNU_UNIQUE": "UNIQUE"}
    for it in table:
        if it.type is not SymbolType.SECTION:
            # readelf leaves out the version of a symbol that is the version itself.
            version = None if it.section == "ABS" and it.version == it.name else it.version
            name = it.name + (f"@{'@' * it.default_version}{version}" if version else "")
            kind, binding = (names.get(value.name, value.name) for value in (it.type, it.binding))
            found[it.value, it.size, kind, binding, it.visibility.name, it.section != "UND", name] += 1
    return found


@pytest.mark.full
def test_symbols_versions_and_needs_are_what_readelf_reads(packages: Sequence[Package]) -> None:
    differ = []
    for path in (path for package in packages for path in package.libraries):
        with ElfFile.open(str(path)) as elf:
            table, dynamic = elf.dynamic_symbols, elf.dynamic
            assert isinstance(table, SymbolTable)
            assert isinstance(dynamic, DynamicSection)
            ours, theirs = _ours(table), _theirs(path)
            if ours != theirs:
                differ.append((path.name, list(ours - theirs)[:3], list(theirs - ours)[:3]))
            assert list(dynamic.strings_of(DynamicTag.NEEDED)) == _NEEDED.findall(_readelf("-d", path))
            assert not elf.image.anomalies
    assert not differ, f"{len(differ)}: {differ[:5]}"


@pytest.mark.full
def test_every_command_answers(packages: Sequence[Package], machine: str) -> None:
    for package in packages:
        path = package.libraries[0]
        (entry,) = bounded("info", path, "--format", "json").json["files"]
        assert entry["anomalies"] == []
        assert bounded("symbols", path).code == 0
        assert bounded("diff", path, path).code == 0
        deps = bounded("deps", path, "--root", package.root)
        if machine in _LOADER_UNKNOWN:
            assert deps.code == 2
            assert "whose loader is not known here" in deps.err
        else:
            assert deps.code in (0, 1)
