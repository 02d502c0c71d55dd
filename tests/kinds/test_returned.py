"""Constants read from code: what compilers make of a function that returns one."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

import pytest

from conftest import Compile
from elfwriter import Sym, elf64
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.kinds.returned import returned
from soinspect.model.absence import Absent

AARCH64 = 183
CODE = 0x1000
SOURCE = """
int zero(void) { return 0; }
int eight(void) { return 8; }
unsigned large(void) { return 0xfedcba98u; }
static int hidden = 42;
int variable = 43;
int loads(void) { return hidden; }
static struct { int version; } record = {7};
void *own(void) { return &record; }
void *exported(void) { return &variable; }
int depends(int on) { return on + 1; }
"""


def result(path: Path, name: str) -> int | Absent:
    with ElfFile.open(str(path)) as elf:
        assert elf.dynamic_symbols
        symbol = elf.dynamic_symbols.get(name)
        assert symbol is not None
        return returned(elf, symbol)


@pytest.mark.parametrize("flags", ["-O0", "-O1", "-O2 -fcf-protection=full", "-Os -fno-semantic-interposition"])
def test_it_is_what_the_function_returns(flags: str, cc: Compile) -> None:
    plugin = cc(SOURCE, *flags.split(), name="plugin.so")
    loaded = ctypes.CDLL(str(plugin))
    for name in ("zero", "eight", "large"):
        assert result(plugin, name) == getattr(loaded, name)() & 0xFFFFFFFF
    # Addresses are those of the file: the difference to the loaded ones is the load address, the same for all.
    with ElfFile.open(str(plugin)) as elf:
        assert elf.dynamic_symbols
        variable = elf.dynamic_symbols.get("variable")
        assert variable is not None
        base = ctypes.addressof(ctypes.c_int.in_dll(loaded, "variable")) - variable.value
    for name in ("own", "exported"):
        function = getattr(loaded, name)
        function.restype = ctypes.c_void_p
        assert result(plugin, name) == function() - base
    assert isinstance(result(plugin, "depends"), Absent)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([0x52800000 | 2 << 5, 0xD65F03C0], 2),  # mov w0, #2; ret
        ([0xD503245F, 0x52800000 | 3 << 5, 0xD65F03C0], 3),  # bti c first
        ([0x90000000, 0x91000000 | 0x40 << 10, 0xD65F03C0], CODE + 0x40),  # adrp x0, .; add x0, x0, #0x40; ret
        ([0xB0FFFFE0, 0x91000000 | 0x40 << 10, 0xD65F03C0], 0x1000 - 0x3000 + 0x40),  # adrp three pages back
        ([0x90000000, 0xB9400000 | 0x10 << 10, 0xD65F03C0], 1234),  # ldr w0, [x0, #0x40]
        ([0x90000000, 0xF9400000 | 0x8 << 10, 0xD65F03C0], 1234),  # ldr x0, [x0, #0x40]
        ([0xD10083FF, 0x52800000, 0xD65F03C0], None),  # sub sp, sp, #32
    ],
)
def test_aarch64(words: list[int], expected: int | None) -> None:
    image = bytearray(elf64((Sym(name=b"f", value=CODE),), machine=AARCH64))
    image += bytes(0x2000 - len(image))
    image[CODE : CODE + 4 * len(words)] = struct.pack(f"<{len(words)}I", *words)
    image[CODE + 0x40 : CODE + 0x48] = struct.pack("<Q", 1234)
    struct.pack_into("<QQ", image, 64 + 32, len(image), len(image))  # the segment has all of it
    elf = ElfFile(Image("aarch64.so", bytes(image)))
    assert elf.dynamic_symbols
    symbol = elf.dynamic_symbols.get("f")
    assert symbol is not None
    found = returned(elf, symbol)
    assert isinstance(found, Absent) if expected is None else found == expected


def test_other_machines_are_said_to_be() -> None:
    elf = ElfFile(Image("riscv.so", elf64((Sym(name=b"f"),), machine=243)))
    assert elf.dynamic_symbols
    symbol = elf.dynamic_symbols.get("f")
    assert symbol is not None
    assert returned(elf, symbol) == Absent("code of RISCV is not read, only of x86-64 and AArch64")
