"""The pairs of files in ``fixtures/rules/``: sources of an old and a new file, and what their comparison must find.

A rule's folder holds ``old`` and ``new`` (one source, or a folder with a Go module), and in ``near-miss`` another
pair, alike, that the rule must not find. The first line of a source says how it is built, the second line of the new
one what is to be found. A ``host.c`` is a program that was written for the old file.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from elfwriter import Sym, elf64

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import GoBuild

PAIRS = Path(__file__).parent.parent / "fixtures" / "rules"
NEAR_MISS = "near-miss"
GO_CURRENT = "1.27.3"

_F = (Sym(name=b"f"),)
_OSABI_AT, _FLAGS_AT = 7, 48
_AMD64, _ARM64, _RISCV = 62, 183, 243
_DOUBLE_FLOAT = bytes([4])  # EF_RISCV_FLOAT_ABI_DOUBLE


def _needing(library: bytes) -> bytes:
    """An image with a DT_NEEDED whose text is the name of a weak import: the only strings it has are symbols'."""
    return elf64((*_F, Sym(name=library, shndx=0, info=0x22)), dynamic=((1, len(b"\0f\0")),))


# No compiler at hand builds for two machines, or with other flags in the header: these images are written by hand.
_BY_HAND = {
    "elf.machine-changed": (elf64(_F, machine=_AMD64), elf64(_F, machine=_ARM64), {"elf.machine-changed"}),
    "elf.machine-changed/near-miss": (elf64(_F), elf64((*_F, Sym(name=b"g"))), {"elf.symbol-added"}),
    "elf.osabi-changed": (elf64(_F), elf64(_F, overrides={_OSABI_AT: b"\x09"}), {"elf.osabi-changed"}),
    # GNU extensions are marked by an OSABI of their own, which every Linux loader takes.
    "elf.osabi-changed/near-miss": (elf64(_F), elf64(_F, overrides={_OSABI_AT: b"\x03"}), set[str]()),
    "elf.flags-changed": (
        elf64(_F, machine=_RISCV),
        elf64(_F, machine=_RISCV, overrides={_FLAGS_AT: _DOUBLE_FLOAT}),
        {"elf.flags-changed"},
    ),
    "elf.flags-changed/near-miss": (
        elf64(_F, machine=_RISCV, overrides={_FLAGS_AT: _DOUBLE_FLOAT}),
        elf64(_F, machine=_ARM64, overrides={_FLAGS_AT: _DOUBLE_FLOAT}),
        {"elf.machine-changed"},
    ),
    "elf.needed-renamed": (
        _needing(b"libz-1a2b3c4d.so.1.2"),
        _needing(b"libz-98765432.so.1.2"),
        {"elf.needed-renamed"},
    ),
    "elf.needed-renamed/near-miss": (
        _needing(b"libz-1a2b3c4d.so.1.2"),
        _needing(b"libz-98765432.so.2"),
        {"elf.needed-added", "elf.needed-removed"},
    ),
}


@dataclass(frozen=True, kw_only=True)
class RulePair:
    """A pair that was built, and the ids of the rules that must find something in it."""

    old: Path
    new: Path
    expected: set[str]


def has_pair(name: str) -> bool:
    """Whether there is a pair of this name: a rule's id, or ``id/near-miss``."""
    return name in _BY_HAND or any((PAIRS / name).glob("new*"))


@pytest.fixture(scope="session")
def rule_pair(tmp_path_factory: pytest.TempPathFactory, go_build: GoBuild) -> Callable[[str], RulePair]:
    """Build the pair of a rule, or of its near miss (``id/near-miss``); each once a session."""
    built: dict[str, RulePair] = {}

    def build(name: str) -> RulePair:
        if name not in built:
            built[name] = _build_pair(name, tmp_path_factory.mktemp("pair"), go_build)
        return built[name]

    return build


def _build_pair(name: str, folder: Path, go_build: GoBuild) -> RulePair:
    if name in _BY_HAND:
        before, after, expected = _BY_HAND[name]
        old, new = folder / "old.so", folder / "new.so"
        old.write_bytes(before)
        new.write_bytes(after)
        return RulePair(old=old, new=new, expected=expected)
    old, new = (_build(PAIRS / name, side, folder / f"{side}.so", go_build) for side in ("old", "new"))
    return RulePair(old=old, new=new, expected=set(_directive(_source(PAIRS / name, "new"), "expect")))


def build_words(source: Path) -> list[str]:
    """How a source asks to be built: flags, a Go release, a build mode."""
    return _directive(source, "build")


def _directive(source: Path, key: str) -> list[str]:
    """The words after ``// key:`` in the first lines of a source."""
    for line in source.read_text().splitlines()[:2]:
        if line.startswith(f"// {key}:"):
            return line.partition(":")[2].replace(",", " " if key == "expect" else ",").split()
    return []


def _source(folder: Path, side: str) -> Path:
    names = (f"{side}.c", f"{side}.cpp", f"{side}.go", f"{side}/main.go")
    return next(folder / name for name in names if (folder / name).exists())


def _build(folder: Path, side: str, output: Path, go_build: GoBuild) -> Path:
    source = _source(folder, side)
    words = build_words(source)
    if source.suffix == ".go":
        version = next((w[2:] for w in words if w.startswith("go1")), GO_CURRENT)
        mode = next((w[5:] for w in words if w.startswith("mode=")), "plugin")
        whole = folder / side if source.parent.name == side else source
        built = go_build(version, whole, *(w for w in words if w.startswith("-")), mode=mode)
        patch = next((w[6:] for w in words if w.startswith("patch=")), None)
        if patch is None:
            return built
        # Stands in for what only a build in a repository writes; Go's build information is text of a fixed length.
        before, _, after = patch.partition(":")
        output.write_bytes(built.read_bytes().replace(before.encode(), after.encode()))
        return output
    compiler = "g++" if source.suffix == ".cpp" else "gcc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", output, source.name, *words], cwd=folder, check=True)
    return output
