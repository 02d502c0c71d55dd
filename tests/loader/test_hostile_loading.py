"""Damaged and malicious files: an answer or one clear error; never another exception, never a hang."""

from __future__ import annotations

import random
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import Compile
from elfwriter import Sym, elf64
from soinspect import api
from soinspect.errors import SoinspectError, Unsupported
from soinspect.loader.environment import LoaderEnv
from soinspect.render.deps import deps_lines
from soinspect.render.document import jsonable

NEEDED, RPATH = 1, 15
EXTREMES = (0, 1, 0x7F, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def damaged(data: bytes, dice: random.Random) -> bytes:
    copy = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5))):
        at = dice.randrange(0, min(len(copy), 6000) - 8) & ~7
        if dice.random() < 0.5:
            struct.pack_into("<Q", copy, at, dice.choice(EXTREMES))
        else:
            copy[at + dice.randrange(8)] ^= 1 << dice.randrange(8)
    return bytes(copy[: dice.randrange(64, len(copy))] if dice.random() < 0.1 else copy)


def test_mutants(cc: Compile, tmp_path: Path) -> None:
    (tmp_path / "v.map").write_text("V1 { global: a; }; V2 { global: b; };")
    library = cc(
        '#include <stdio.h>\n__thread int t;\nint a(void) { return printf("%d", t); }\nint b(void) { return a(); }',
        f"-Wl,--version-script={tmp_path / 'v.map'}", name="whole.so",
    ).read_bytes()  # fmt: skip
    mutant = tmp_path / "mutant.so"
    for seed in range(40):
        mutant.write_bytes(damaged(library, random.Random(seed)))
        with suppress(SoinspectError):
            plan = api.dependencies(str(mutant), LoaderEnv())
            jsonable(plan)
            assert all(line.plain for line in deps_lines(plan, verbose=True))
        api.dlopen_problems("/bin/sh", [str(mutant)], LoaderEnv())
        with suppress(SoinspectError):
            api.dlopen_problems(str(mutant), ["/bin/sh"], LoaderEnv())


@pytest.mark.parametrize(
    "texts",
    [
        tuple((NEEDED, b"lib%d.so" % number) for number in range(60_000)),
        tuple((NEEDED, b"./self.so") for _ in range(60_000)),
        ((NEEDED, b"liba.so"), (RPATH, b":".join(b"/x%d" % number for number in range(60_000)))),
    ],
    ids=["many libraries", "one library many times", "many folders"],
)
def test_files_made_to_keep_us_busy(texts: tuple[tuple[int, bytes], ...], tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("self.so").write_bytes(elf64((Sym(name=b"f"),), texts=texts))
    with pytest.raises(Unsupported, match="asks for more than"):
        api.dependencies("self.so", LoaderEnv())
