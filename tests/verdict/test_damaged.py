"""Damaged hosts and plugins: a verdict or one clear error, whatever the bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conftest import FIXTURES
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import InputError
from soinspect.go.binary import GoBinary
from soinspect.go.loading import read_guest, read_host
from soinspect.model.golang import GoBinaryKind
from soinspect.model.goloading import GoHost
from soinspect.model.requirement import Requirement
from soinspect.verdict.goplugin import GoProcess

PLUGIN = FIXTURES / "plugin1.so"
PER_REGION = 25
MODULE_DATA_SIZE = 0x250


def regions() -> dict[str, tuple[int, int]]:
    """The parts of the plugin that a verdict rests on: offset and size."""
    with ElfFile.open(str(PLUGIN)) as elf:
        binary = GoBinary.of(elf)
        assert binary
        assert binary.module
        module = binary.module
        hashes, exports = module.slice("pkghashes"), module.slice("ptab")
        found = {
            "headers": (0, 1024),
            "module data": (elf.image.offset_of(module.address), MODULE_DATA_SIZE),
            "package hashes": (elf.image.offset_of(hashes.address), 40 * hashes.length),
            "exports": (elf.image.offset_of(exports.address), 8 * exports.length),
            "dynamic section": next((s.offset, s.filesz) for s in elf.image.segments if s.type.name == "DYNAMIC"),
            "dynamic symbols": next((s.offset, s.size) for s in elf.image.sections or () if s.name == ".dynsym"),
        }
    return {name: (offset, size) for name, (offset, size) in found.items() if offset is not None}


def mutants(offset: int, size: int) -> Iterator[bytes]:
    whole = PLUGIN.read_bytes()
    for seed in range(PER_REGION):
        dice = random.Random(seed)
        data = bytearray(whole)
        for _ in range(dice.choice((1, 3))):
            at = offset + dice.randrange(size)
            data[at] = dice.choice((0, 0xFF, data[at] ^ 1 << dice.randrange(8)))
        yield bytes(data)


def as_host(elf: ElfFile) -> GoHost:
    """The plugin in the role of a host: it exports package hashes, too."""
    host = read_host(elf)
    assert isinstance(host, GoHost)
    return replace(host, facts=replace(host.facts, kind=GoBinaryKind.EXECUTABLE))


@pytest.mark.parametrize("region", regions())
def test_a_damaged_file_gets_a_verdict_or_an_error(region: str) -> None:
    with ElfFile.open(str(PLUGIN)) as elf:
        sound_host, sound_guest = as_host(elf), read_guest(elf)
    judged = 0
    for data in mutants(*regions()[region]):
        try:
            elf = ElfFile(Image("mutant.so", data))
            guest = read_guest(elf)
            host = read_host(elf)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        judged += 1
        hosts = [sound_host]
        if isinstance(host, GoHost):
            hosts.append(replace(host, facts=replace(host.facts, kind=GoBinaryKind.EXECUTABLE)))
        for each in hosts:
            process = GoProcess.of(each)
            for opened in (guest, sound_guest):
                verdict = process.open(opened, (Requirement(symbol="Run", type="func()"),))
                assert verdict.summary
                assert all(reason.summary and reason.fix for reason in verdict.reasons)
    assert judged or region == "headers"
