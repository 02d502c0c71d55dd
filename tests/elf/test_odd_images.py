"""Hand-made images: what is odd is named, what can be read is read, nothing crashes or hangs."""

from __future__ import annotations

import struct
from typing import Literal

import pytest

from elfwriter import DYN, EHDR, PHDR, Sym, elf64
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError, NotElf
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolBinding, SymbolType


def read(data: bytes) -> ElfFile:
    return ElfFile(Image("odd.so", data))


def symbols_of(elf: ElfFile) -> SymbolTable:
    assert isinstance(elf.dynamic_symbols, SymbolTable)
    return elf.dynamic_symbols


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_without_section_headers(order: str) -> None:
    elf = read(elf64((Sym(name=b"answer", value=0x42, size=7), Sym(name=b"needed", shndx=0)), order=order))
    answer, needed = symbols_of(elf)
    assert (answer.name, answer.value, answer.size, answer.type) == ("answer", 0x42, 7, SymbolType.FUNC)
    assert needed.section == "UND"
    assert isinstance(elf.image.sections, Absent)


def test_unknown_numbers_have_names() -> None:
    elf = read(elf64((Sym(name=b"x", info=0xBC),), machine=0xABCD))
    (symbol,) = symbols_of(elf)
    assert symbol.binding.name == "LOOS+0x1"
    assert symbol.type.name == "LOOS+0x2"
    assert elf.image.header.machine.name == "0xabcd"
    assert SymbolBinding(10) is SymbolBinding.UNIQUE


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    (symbol,) = symbols_of(read(elf64((Sym(name=b"caf\xe9"),))))
    assert symbol.name.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_name_outside_of_the_string_table_is_a_remark_not_an_end() -> None:
    data = elf64((Sym(name=b"good"), Sym(name=b"bad")))
    bad = data.index(struct.pack("<I", 6) + b"\x12")  # st_name of the second symbol
    names = [s.name for s in symbols_of(read(data[:bad] + struct.pack("<I", 0xFFFF) + data[bad + 4 :]))]
    assert names == ["good", "<name at 0xffff is outside of the string table>"]


def test_names_that_overlap_out_of_proportion_are_not_read() -> None:
    long_name = b"a" * 3_000_000
    data = bytearray(elf64((Sym(name=long_name), *(Sym(name=b"b") for _ in range(60)))))
    # Let every symbol's name begin inside of the long one.
    table = data.index(struct.pack("<I", 1) + b"\x12")
    for index in range(61):
        struct.pack_into("<I", data, table + 24 * index, 1 + index)
    names = symbols_of(read(bytes(data))).names
    assert sum(map(len, names)) < 30_000_000
    assert "overlap out of proportion" in names[-1]


def test_gnu_hash_is_walked_to_the_end_of_its_last_chain() -> None:
    chain = struct.pack("<4IQI3I", 1, 1, 1, 0, 0, 1, 2, 4, 7)
    elf = read(elf64(tuple(Sym(name=b"s%d" % n) for n in range(3)), gnu_hash=chain))
    assert len(symbols_of(elf)) == 3


@pytest.mark.parametrize(
    "table",
    [
        struct.pack("<4I", 0xFFFFFFFF, 1, 1, 0),  # buckets that cannot fit
        struct.pack("<4IQI", 1, 1, 0x10000000, 0, 0, 1),  # a bloom filter that cannot fit
        struct.pack("<4IQI2I", 1, 1, 1, 0, 0, 0xFFFFFFF0, 2, 4),  # a bucket that points far away
    ],
)
def test_a_lying_gnu_hash_is_not_followed(table: bytes) -> None:
    elf = read(elf64((Sym(name=b"x"),), gnu_hash=table))
    assert len(symbols_of(elf)) <= 1
    assert elf.image.anomalies


def test_an_announced_count_is_checked_against_the_file() -> None:
    data = elf64((Sym(name=b"x"),))
    count = EHDR + 2 * PHDR + 4
    elf = read(data[:count] + struct.pack("<I", 0x7FFFFFFF) + data[count + 4 :])
    assert len(symbols_of(elf)) < 100
    assert any("announced" in anomaly.what for anomaly in elf.image.anomalies)


def test_needed_versions_that_go_in_circles_end() -> None:
    # One DT_VERNEED entry that points to itself, announced 2^31 times.
    data = elf64((Sym(name=b"x"),), dynamic=((0x6FFFFFFE, 0), (0x6FFFFFFF, 1 << 31), (0x6FFFFFF0, 0)))
    assert len(symbols_of(read(data))) == 1


def test_string_table_that_leaves_the_file_is_cut() -> None:
    data = elf64((Sym(name=b"x"),))
    size_entry = data.rindex(struct.pack("<Q", 10)) + 8
    elf = read(data[:size_entry] + struct.pack("<Q", 1 << 40) + data[size_entry + 8 :])
    assert [s.name for s in symbols_of(elf)] == ["x"]
    assert any(anomaly.where == "DT_STRSZ" for anomaly in elf.image.anomalies)


def test_dynamic_section_without_an_end() -> None:
    data = elf64((Sym(name=b"x"),))
    elf = ElfFile(Image("odd.so", data[:-DYN]))
    assert [s.name for s in symbols_of(elf)] == ["x"]
    assert any("truncated" in anomaly.what for anomaly in elf.image.anomalies)


@pytest.mark.parametrize(
    ("offset", "data", "field"),
    [
        (4, b"\x07", "EI_CLASS"),
        (5, b"\x00", "EI_DATA"),
        (54, b"\x01\x00", "e_phentsize"),
        (56, b"\xf0\xff", "e_phnum"),
    ],
)
def test_broken_headers_are_named(offset: int, data: bytes, field: str) -> None:
    with pytest.raises(FormatError, match=field) as caught:
        read(elf64(overrides={offset: data}))
    assert caught.value.offset == offset


@pytest.mark.parametrize("size", range(1, EHDR))
def test_every_cut_of_the_header_is_an_error(size: int) -> None:
    with pytest.raises((FormatError, NotElf)):
        read(elf64()[:size])


@pytest.mark.parametrize(
    ("bits", "size", "field", "offset"),
    [
        (64, 5, "e_ident", 0),
        (64, 16, "e_type", 16),
        (64, 17, "e_type", 16),
        (64, 18, "e_machine", 18),
        (64, 40, "e_shoff", 40),
        (64, 63, "e_shstrndx", 62),
        (32, 40, "e_ehsize", 40),
        (32, 51, "e_shstrndx", 50),
    ],
)
def test_where_the_header_is_cut(bits: Literal[32, 64], size: int, field: str, offset: int) -> None:
    with pytest.raises(FormatError, match=f"{field} at offset {offset:#x} is missing: the file has {size} bytes") as at:
        read(elf64(bits=bits)[:size])
    assert (at.value.field, at.value.offset, at.value.value) == (field, offset, None)


def test_section_headers_outside_of_the_file_are_absent() -> None:
    elf = read(elf64((Sym(name=b"x"),), overrides={40: struct.pack("<Q", 1 << 60), 60: b"\x05\x00"}))
    assert isinstance(elf.image.sections, Absent)
    assert [s.name for s in symbols_of(elf)] == ["x"]
