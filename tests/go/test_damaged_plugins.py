"""Damaged Go plugins: no traceback, no hang, no memory out of proportion, whatever bytes are flipped."""

from __future__ import annotations

import random
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gobinaries import FIXTURES, Variant
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import FormatError
from soinspect.go.binary import GoBinary
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag
from soinspect.model.golang import GoBinaryKind

_SECONDS = 2.0
_MEGABYTES = 300


def _regions(binary: GoBinary) -> list[tuple[int, int]]:
    """File offsets and sizes of the tables worth damaging."""
    module = binary.module
    assert module
    image, elf = module.memory.image, module.memory.elf
    assert elf.dynamic
    info = image.section(".go.buildinfo")
    assert info
    spans = [
        (module.address, module.layout.offsets["hasmain"] + 64),
        (module.pclntab, 72),
        (module.pclntab, 1 << 16),
        (module.pclntab, 1 << 20),
        (module.word("types"), module.word("etypes") - module.word("types")),
        (module.slice("ptab").address, 8 * module.slice("ptab").length),
        (module.slice("pkghashes").address, 40 * module.slice("pkghashes").length),
        (info.addr, info.size),
        (elf.dynamic.get(DynamicTag.RELA, 0), elf.dynamic.get(DynamicTag.RELASZ, 0)),
    ]
    found = [(image.offset_of(address), min(size, image.available(address))) for address, size in spans]
    return [(offset, size) for offset, size in found if offset is not None and size]


def _mutant(data: bytes, regions: list[tuple[int, int]], seed: int) -> bytes:
    chance = random.Random(seed)
    changed = bytearray(data)
    offset, size = chance.choice(regions)
    for _ in range(chance.choice((1, 2, 8, 64))):
        where = offset + chance.randrange(size)
        what = chance.randrange(4)
        if what == 0:
            changed[where] ^= 1 << chance.randrange(8)
        elif what == 1:
            changed[where] = chance.randrange(256)
        else:
            start = where - where % 8
            word = chance.choice(
                (0, 1, (1 << 64) - 1, 1 << 63, 0x7FFFFFFF, chance.getrandbits(64), chance.getrandbits(24))
            )
            changed[start : start + 8] = word.to_bytes(8, "little")
    return bytes(changed)


def _read_everything(data: bytes) -> None:
    with ElfFile(Image("mutant", data)) as elf:
        binary = GoBinary.of(elf)
        if not binary:
            return
        assert binary.facts.kind
        for listing in (binary.list_functions(), binary.list_types(), binary.list_itabs(), binary.exported_types()):
            for _ in listing:
                pass
        binary.package_sizes()
        binary.function_at(0x1000)


@contextmanager
def _bounded() -> Iterator[None]:
    """What takes too much memory or time meanwhile fails here, and does not take the machine."""

    def fail(*_: object) -> None:
        raise AssertionError(f"more than {_SECONDS} s")

    used = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGPROF, fail)
    resource.setrlimit(resource.RLIMIT_DATA, (used + (_MEGABYTES << 20), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _read_mutants(path: Path, open_go: Callable[[Path], GoBinary], seeds: Iterable[int]) -> None:
    data = path.read_bytes()
    regions = _regions(open_go(path))
    with _bounded():
        for seed in seeds:
            signal.setitimer(signal.ITIMER_PROF, _SECONDS)
            try:
                _read_everything(_mutant(data, regions, seed))
            except FormatError:
                pass  # where not even the ELF header is sound any more
            except (AssertionError, MemoryError) as error:
                raise AssertionError(f"mutant {seed} of {path.name}") from error


def test_mutants_are_read_as_far_as_they_go(open_go: Callable[[Path], GoBinary]) -> None:
    _read_mutants(FIXTURES / "plugin1.so", open_go, range(20))


def test_types_that_lead_in_circles(variant: Variant, open_go: Callable[[Path], GoBinary]) -> None:
    """Damaged descriptors that seem to have thousands of parts, and are parts of each other."""
    _read_mutants(variant("1.21.13", "plugin", "no-debug"), open_go, (1193, 1285, 1441, 1453))


@pytest.mark.full
def test_thousands_of_mutants_within_bounds(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    _read_mutants(variant(go_version, "plugin", "no-debug"), open_go, range(1000, 2000))


@pytest.mark.parametrize("count", [0, 1])
def test_a_table_of_hardly_any_functions(count: int) -> None:
    data = bytearray((FIXTURES / "plugin1.so").read_bytes())
    with ElfFile(Image("plugin", bytes(data))) as elf:
        binary = GoBinary.of(elf)
        assert binary
        assert binary.module
        offset = elf.image.offset_of(binary.module.pclntab)
        assert offset is not None
    data[offset + 8 : offset + 16] = count.to_bytes(8, "little")
    with ElfFile(Image("plugin", bytes(data))) as elf:
        binary = GoBinary.of(elf)
        assert binary
        assert len(list(binary.list_functions())) == count
        assert sum(size.functions for size in binary.package_sizes()) == count


def test_a_newer_release_is_recognised_and_not_read_with_an_old_table() -> None:
    data = (FIXTURES / "plugin1.so").read_bytes().replace(b"\x08go1.27.3", b"\x08go1.28.3")
    with ElfFile(Image("plugin", data)) as elf:
        binary = GoBinary.of(elf)
        assert binary
        assert binary.facts.version.text == "go1.28.3"
        assert binary.facts.plugin == Absent("newer than go1.27: layout unknown")
        assert binary.facts.kind is GoBinaryKind.PLUGIN
