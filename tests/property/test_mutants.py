"""Damaged files: whatever the bytes, an answer or one clear error; never another exception, never a hang.

The mutants of one run are the same every time: seeds are numbers.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile
from elfwriter import Sym, elf64
from soinspect.comparing.engine import compare
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import SoinspectError
from soinspect.inspection.facts import snapshot
from soinspect.render.document import jsonable
from soinspect.render.info import info_page

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def mutants(seed_file: bytes, count: int, interesting: tuple[tuple[int, int], ...] = ()) -> Iterator[bytes]:
    """``count`` damaged copies; ``interesting`` ranges of offsets are hit most of the time."""
    for seed in range(count):
        dice = random.Random(seed)
        data = bytearray(seed_file)
        for _ in range(dice.choice((1, 1, 1, 2, 8))):
            start, end = dice.choice(interesting) if interesting and dice.random() < 0.8 else (0, len(data))
            offset = min(dice.randrange(start, max(start + 1, end)), len(data) - 1)
            match dice.randrange(4):
                case 0:
                    data[offset] ^= 1 << dice.randrange(8)
                case 1:
                    size = dice.choice("BHIQ")
                    value = dice.choice(EXTREMES) & (1 << 8 * struct.calcsize(size)) - 1
                    offset -= offset % struct.calcsize(size)
                    if offset + 8 < len(data):
                        struct.pack_into("<" + size, data, offset, value)
                case 2:
                    length = dice.randrange(1, 64)
                    data[offset : offset + length] = bytes([dice.randrange(256)]) * length
                case _:
                    if dice.random() < 0.3:
                        del data[max(64, offset) :]
        yield bytes(data)


def one_line(error: SoinspectError) -> None:
    assert "\n" not in str(error)


def answer(data: bytes) -> None:
    """Everything that is asked of a file: facts, page, JSON, comparison."""
    try:
        facts = snapshot(ElfFile(Image("mutant.so", data)))
    except SoinspectError as error:
        one_line(error)
        return
    jsonable(facts)
    for line in info_page(facts, verbose=True).lines(80):
        line.plain.encode()
    compare(facts, facts)


@pytest.fixture
def library(cc: Compile) -> Path:
    return cc(FIXTURES / "c-library" / "counter.c")


def test_mutants_of_a_library(library: Path) -> None:
    data = library.read_bytes()
    (section_headers,) = struct.unpack_from("<Q", data, 40)
    interesting = ((0, 64), (64, 64 + 56 * 11), (0x200, 0x900), (section_headers, len(data)))
    for mutant in mutants(data, 1500, interesting):
        answer(mutant)


def test_mutants_of_an_image_without_section_headers() -> None:
    for mutant in mutants(elf64(tuple(Sym(name=b"symbol%d" % n) for n in range(20))), 1500):
        answer(mutant)
