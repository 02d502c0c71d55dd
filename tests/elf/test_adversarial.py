"""Files made to break readers, a sentence each: in 2 seconds and 300 MB the user sees what is odd, and the rest."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from bounded import bounded
from conftest import FIXTURES, Compile
from elfwriter import DYN, EHDR, PHDR, SYM, Section, Segment, Sym, elf32, elf64
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image

_SYMBOLS = (Sym(name=b"answer"), Sym(name=b"needed", shndx=0, value=0, size=0))
_DYNSYM_AT = EHDR + 2 * PHDR + 24  # with two symbols, .hash has five words and a gap
_HASH, _STRTAB, _SYMTAB, _RELA, _RELASZ, _STRSZ, _SYMENT = 4, 5, 6, 7, 8, 10, 11
_RELRSZ, _RELR, _RELRENT = 35, 36, 37
_GNU_HASH, _VERSYM, _VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = (
    0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF)  # fmt: skip
_LAST = (1 << 64) - 1


Write = Callable[[bytes], Path]


@pytest.fixture
def hostile(tmp_path: Path) -> Write:
    """Write a file; each one of a test has its own name."""

    def write(data: bytes) -> Path:
        path = tmp_path / f"hostile{len(list(tmp_path.iterdir()))}.so"
        path.write_bytes(data)
        return path

    return write


def names(path: Path) -> list[str]:
    """The names of the dynamic symbols as the user sees them, in the order of the file's own table of them."""
    document = bounded("symbols", path, "--format", "json").json
    return sorted(symbol["name"] for symbol in document["files"][0]["symbols"])


def replace_entry(data: bytes, tag: int, value: int) -> bytes:
    """The file with another value in its dynamic entry ``tag``."""
    (dynamic_at,) = struct.unpack_from("<Q", data, EHDR + PHDR + 8)
    for at in range(dynamic_at, len(data), DYN):
        if struct.unpack_from("<Q", data, at)[0] == tag:
            return data[: at + 8] + struct.pack("<Q", value) + data[at + 16 :]
    raise AssertionError(f"no entry {tag:#x}")


def notes(count: int, name_size: int = 4, desc_size: int = 4) -> bytes:
    return (struct.pack("<III", name_size, desc_size, 3) + b"stap" + b"abcd") * count


def circle_of_needs() -> bytes:
    # vn_aux leads to an entry whose vna_next is 16: itself a hundred million times, were it believed.
    need = struct.pack("<HHIII", 1, 0xFFFF, 1, 16, 0) + struct.pack("<IHHII", 0, 0, 2, 1, 0)
    return elf64(_SYMBOLS, tables=((_VERNEED, need),), dynamic=((_VERNEEDNUM, 1 << 31),))


def backward_definitions() -> bytes:
    verdef = struct.pack("<HHHHIII", 1, 0, 2, 1, 0, 20, (1 << 32) - 20) + struct.pack("<II", 1, 0)
    return elf64(_SYMBOLS, tables=((_VERDEF, verdef),), dynamic=((_VERDEFNUM, 0xFFFFFFFF),))


def auxiliaries_without_end() -> bytes:
    entries = struct.pack("<IHHII", 0, 0, 2, 1, 16) * 4000
    needs = struct.pack("<HHIII", 1, 0xFFFF, 1, 16, 16) * 4000
    return elf64(_SYMBOLS, tables=((_VERNEED, needs + entries),), dynamic=((_VERNEEDNUM, 4000),))


def sections_over_each_other() -> bytes:
    return elf64(_SYMBOLS, sections=(Section(name=b".text", flags=6, offset=0, size=1 << 40),) * 60_000)


def long_name_shared() -> bytes:
    data = bytearray(elf64((Sym(name=b"a" * (8 << 20)), *(Sym(name=b"") for _ in range(60_000)))))
    at = data.index(struct.pack("<IB", 1, 0x12))
    for number in range(60_000):
        struct.pack_into("<I", data, at + SYM * (number + 1), 1 + number)
    return bytes(data)


def many_notes(count: int) -> bytes:
    return elf64(_SYMBOLS, sections=(Section(name=b".note.stapsdt", type=7, data=notes(count)),))


def note_sizes(name: int, desc: int) -> bytes:
    return elf64(_SYMBOLS, sections=(Section(name=b".note.odd", type=7, data=notes(1, name, desc)),))


def bomb(library: Path) -> bytes:
    """A library whose debug information is said to unpack to 4 GiB."""
    data = bytearray(library.read_bytes())
    section = Image(str(library), bytes(data)).section(".debug_info")
    assert section
    struct.pack_into("<Q", data, section.offset + 8, 4 << 30)
    return bytes(data)


def relr_without_bound() -> bytes:
    # Two million bitmaps with all bits set: 126 million addresses, were they all kept.
    table = struct.pack("<Q", 0x1000) + b"\xff" * (16 << 20)
    return elf64(_SYMBOLS, tables=((_RELR, table),), dynamic=((_RELRSZ, len(table)),))


def dynamic_in_the_header() -> bytes:
    return elf64(_SYMBOLS, overrides={EHDR + PHDR + 8: struct.pack("<4Q", 0, 0, 0, 64)})


def overlapping_loads() -> bytes:
    return elf64(_SYMBOLS, segments=(Segment(type=1, offset=8, vaddr=16, filesz=64, memsz=1 << 40),))


def wrapping_load() -> bytes:
    return elf64(_SYMBOLS, segments=(Segment(type=1, vaddr=_LAST - 0xFFF, filesz=0x2000, memsz=1 << 40),))


def strings_in_bss() -> bytes:
    bss = Segment(type=1, vaddr=1 << 32, memsz=1 << 20)
    return replace_entry(elf64(_SYMBOLS, segments=(bss,)), _STRTAB, (1 << 32) + 0x100)


def endless_gnu_hash() -> bytes:
    return elf64(_SYMBOLS, gnu_hash=struct.pack("<4IQI", 1, 1, 1, 0, 0, 1) + bytes(400_000))


def interpreter(data: bytes) -> bytes:
    image = elf64(_SYMBOLS, segments=(Segment(type=3),), sections=(Section(name=b".interp", data=data),))
    at = image.index(data)
    return elf64(
        _SYMBOLS,
        segments=(Segment(type=3, offset=at, vaddr=at, filesz=len(data), memsz=len(data)),),
        sections=(Section(name=b".interp", data=data),),
    )


def entsize_of(value: int) -> bytes:
    symbols = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x10, 4)
    return replace_entry(
        elf64(
            _SYMBOLS,
            sections=(
                Section(name=b".symtab", type=2, data=symbols, link=2, entsize=value),
                Section(name=b".strtab", type=3, data=b"\0static\0"),
            ),
        ),
        _SYMENT,
        value,
    )


def extended_numbering(count: int) -> bytes:
    """e_shnum 0 and e_shstrndx SHN_XINDEX: the numbers stand in section header 0, ``count`` of them."""
    data = bytearray(elf64(_SYMBOLS, sections=tuple(Section(name=b".s%d" % n) for n in range(3))))
    (shoff,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<HH", data, 60, 0, 0xFFFF)
    struct.pack_into("<QI", data, shoff + 32, count, 4)
    return bytes(data)


def names_that_drive_a_terminal() -> bytes:
    names = (b"red\x1b[31m", b"title\x1b]0;x\x07", "b\u202eidi".encode(), b"caf\xe9", b"line\nfeed",
             "zero\u200bwidth".encode(), b"c1\xc2\x9b31m", b"tab\tnull")  # fmt: skip
    return elf64(
        tuple(Sym(name=name) for name in names),
        texts=((14, b"lib\x1b[2J.so"), (1, b"needed\r\xff.so"), (29, "/run\u202epath".encode())),
    )


def test_needed_versions_that_lead_to_themselves(hostile: Write) -> None:
    path = hostile(circle_of_needs())
    assert (
        "odd        DT_VERNEED: 2147483648 entries are announced, the chain ends after 1" in bounded("info", path).out
    )
    assert names(path) == ["answer", "needed"]


def test_definitions_that_lead_backwards(hostile: Write) -> None:
    path = hostile(backward_definitions())
    assert "DT_VERDEF: an entry lies outside of the file" in bounded("info", path).out
    assert bounded("deps", path).code == 3


def test_each_of_4000_needs_with_65535_versions(hostile: Write) -> None:
    out = bounded("info", hostile(auxiliaries_without_end())).out
    assert "DT_VERNEED: more than 32768 versions: the rest is not read" in out


def test_60000_sections_over_each_other(hostile: Write) -> None:
    path = hostile(sections_over_each_other())
    assert "section headers: 60000 of 60002 sections end past the end of the file" in bounded("info", path).out
    assert bounded("symbols", path).out.count("\t.text\t") == 1


def test_a_name_of_8_megabytes_that_60000_symbols_share(hostile: Write) -> None:
    path = hostile(long_name_shared())
    assert bounded("info", path).out.startswith(f"{path}: shared library, x86-64; 60,001 exported symbols")
    assert bounded("symbols", path).out.count("not read: the names overlap out of proportion") > 59_000


def test_a_compressed_section_that_lies_about_4_gigabytes(hostile: Write, cc: Compile) -> None:
    library = cc(FIXTURES / "c-library" / "counter.c", "-g", "-gz=zlib")
    path = hostile(bomb(library))
    assert ".debug_info has" in bounded("diff", library, path).out


def test_a_relocation_table_that_expands_without_bound(hostile: Write) -> None:
    path = hostile(relr_without_bound())
    bounded("info", path)
    assert bounded("diff", path, hostile(elf64(_SYMBOLS))).code == 0
    with ElfFile.open(str(path)) as elf:
        assert elf.pointers
        assert len(elf.pointers.all) < elf.image.size / 8
        assert any(anomaly.where == "DT_RELR" for anomaly in elf.image.anomalies)


@pytest.mark.parametrize("count", [8_000, 20_000])
def test_thousands_of_notes(count: int, hostile: Write) -> None:
    out = bounded("info", hostile(many_notes(count))).out
    assert ("notes: more than 10000: the rest is not read" in out) == (count > 10_000)


@pytest.mark.parametrize("sizes", [(0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFC, 4), (4, 0xFFFFFFFF), (0x7FFFFFFF, 0)])
def test_note_sizes_that_wrap(sizes: tuple[int, int], hostile: Write) -> None:
    assert "would end past its section or the file" in bounded("info", hostile(note_sizes(*sizes))).out


def test_a_dynamic_section_inside_of_the_header(hostile: Write) -> None:
    path = hostile(dynamic_in_the_header())
    run = bounded("symbols", path)
    assert (run.code, run.out) == (0, "")
    assert "no dynamic symbols: the dynamic section has no DT_SYMTAB" in run.err
    assert "dynamic section: has no DT_NULL at its end" in bounded("info", path).out


def test_loads_over_each_other(hostile: Write) -> None:
    out = bounded("info", hostile(overlapping_loads())).out
    assert "segments: the LOAD at 0x10 begins inside of the one at 0x0" in out


def test_a_load_that_wraps_around_the_address_space(hostile: Write) -> None:
    path = hostile(wrapping_load())
    assert names(path) == ["answer", "needed"]
    assert "TRUNCATED" in bounded("info", path).out


def test_a_load_past_the_end_of_the_file(hostile: Write) -> None:
    path = hostile(elf64(_SYMBOLS, segments=(Segment(type=1, offset=1 << 62, vaddr=1 << 40, filesz=9, memsz=9),)))
    assert "segment LOAD: ends at 0x4000000000000009, past the end of the file" in bounded("info", path).out
    assert names(path) == ["answer", "needed"]
    assert bounded("diff", path, hostile(elf64(_SYMBOLS))).code == 2


def test_strings_in_memory_that_the_file_does_not_fill(hostile: Write) -> None:
    path = hostile(strings_in_bss())
    assert "DT_STRSZ: is 0xf, but only 0x0 bytes are in the file at 0x100000100" in bounded("info", path).out
    assert all("is outside of the string table" in name for name in names(path))


def test_a_hash_chain_without_end(hostile: Write) -> None:
    assert "dynamic symbols:" in bounded("info", hostile(endless_gnu_hash())).out


@pytest.mark.parametrize("gnu", [False, True])
def test_hash_tables_of_zeros(gnu: bool, hostile: Write) -> None:
    data = elf64(_SYMBOLS, gnu_hash=bytes(24)) if gnu else elf64(_SYMBOLS, overrides={EHDR + 2 * PHDR: bytes(20)})
    assert "0 undefined" in bounded("info", hostile(data)).out


def test_symbols_that_only_a_relocation_proves(hostile: Write) -> None:
    data = elf64(_SYMBOLS, gnu_hash=bytes(24), relocations=((2, 6),))
    assert names(hostile(data)) == ["answer", "needed"]


def test_a_symbol_count_of_four_billion(hostile: Write) -> None:
    data = elf64(_SYMBOLS, overrides={EHDR + 2 * PHDR + 4: b"\xff\xff\xff\xff"})
    assert "4294967295 are announced" in bounded("info", hostile(data)).out


def test_a_relocation_against_symbol_four_billion(hostile: Write) -> None:
    path = hostile(elf64(_SYMBOLS, relocations=((0xFFFFFFFF, 1),)))
    assert names(path) == ["answer", "needed"]


def test_relocations_that_would_fill_the_address_space(hostile: Write) -> None:
    data = replace_entry(elf64(_SYMBOLS, relocations=((1, 1),)), _RELASZ, _LAST)
    assert f"DT_RELA: {_LAST} bytes are announced" in bounded("info", hostile(data)).out


@pytest.mark.parametrize("entsize", [0, 1, 23, _LAST])
def test_an_absurd_entsize(entsize: int, hostile: Write) -> None:
    path = hostile(entsize_of(entsize))
    assert "symbols of .symtab: 1" in bounded("info", path).out or names(path) == ["answer", "needed"]


def test_extended_section_numbering(hostile: Write) -> None:
    path = hostile(extended_numbering(5))
    assert bounded("symbols", path).out.split("\t")[5] == ".s0"
    path = hostile(extended_numbering(1 << 60))
    assert "1152921504606846976 headers" in bounded("info", path).out
    assert names(path) == ["answer", "needed"]


def test_an_interpreter_without_an_end(hostile: Write) -> None:
    out = bounded("info", hostile(interpreter(b"/lib/ld" + b"x" * 100_000))).out
    assert len(out) < 10_000
    assert "interpreter /lib/ldxxx" in out


def test_names_that_drive_a_terminal(hostile: Write) -> None:
    path = hostile(names_that_drive_a_terminal())
    for command in ("info", "symbols", "deps", "freeze"):
        bounded(command, path)  # which refuses what is not escaped
    out = bounded("symbols", path).out
    for text in (r"red\x1b[31m", r"title\x1b]0;x\x07", r"b\u202eidi", r"caf\xe9", r"line\nfeed", r"c1\x9b31m"):
        assert text in out
    assert r"lib\x1b[2J.so" in bounded("info", path).out
    in_json = [symbol["name"] for symbol in bounded("symbols", path, "--format", "json").json["files"][0]["symbols"]]
    assert "red\x1b[31m" in in_json
    assert r"caf\xe9" in in_json


def test_an_interpreter_that_drives_a_terminal(hostile: Write) -> None:
    path = hostile(interpreter(b"/lib/\x1b[31m\0"))
    assert r"interpreter /lib/\x1b[31m" in bounded("info", path).out


def test_65535_dynamic_entries(hostile: Write) -> None:
    path = hostile(elf64(_SYMBOLS, texts=((1, b"libneeded.so"),), dynamic=tuple((1, n % 20) for n in range(65_535))))
    assert bounded("info", path).out.count("\n") > 65_535
    assert "no program asks for as many" in bounded("deps", path).err


def test_a_symbol_at_the_last_address(hostile: Write) -> None:
    path = hostile(elf64((Sym(name=b"answer", value=_LAST, size=_LAST),)))
    assert bounded("symbols", path).out.startswith("0xffffffffffffffff\t18446744073709551615\tFUNC")
    (symbol,) = bounded("symbols", path, "--format", "json").json["files"][0]["symbols"]
    assert (symbol["value"], symbol["size"]) == (_LAST, _LAST)


def test_a_symbol_in_a_section_that_does_not_exist(hostile: Write) -> None:
    path = hostile(elf64((Sym(name=b"answer", shndx=0xFEFF), Sym(name=b"reserved", shndx=0xFF77))))
    out = bounded("symbols", path).out
    assert "\t[65279]\t" in out
    assert "\tLORESERVE+0x77\t" in out or "\t0xff77\t" in out


def test_program_headers_over_the_elf_header(hostile: Write) -> None:
    path = hostile(elf64(_SYMBOLS, overrides={32: struct.pack("<Q", 0)}))
    assert bounded("info", path).code == 0
    assert "not dynamically linked" in bounded("symbols", path).err


def test_more_program_headers_than_the_file_has_room_for(hostile: Write) -> None:
    run = bounded("info", hostile(elf64(_SYMBOLS, overrides={56: b"\xfe\xff"})))
    assert run.code == 2
    assert "e_phnum" in run.err


def test_a_dynamic_segment_past_the_end(hostile: Write) -> None:
    path = hostile(elf64(_SYMBOLS, overrides={EHDR + PHDR + 8: struct.pack("<Q", _LAST)}))
    assert "the dynamic segment lies past the end of the file" in bounded("symbols", path).err


def test_a_string_table_without_a_nul(hostile: Write) -> None:
    data = elf64(_SYMBOLS)
    path = hostile(replace_entry(data, _STRSZ, data.index(b"answer") + 3 - data.index(b"\0answer")))
    assert names(path) == ["<name at 0x8 is outside of the string table>", "ans"]


def test_initialisers_by_the_million(hostile: Write) -> None:
    table = struct.pack("<Q", 0x1000) * 200_000
    path = hostile(elf64(_SYMBOLS, tables=((25, table),), dynamic=((27, _LAST),)))
    assert "only the first" in bounded("info", path).out


def test_a_32_bit_file_with_addresses_at_its_end(hostile: Write) -> None:
    path = hostile(elf32((Sym(name=b"answer", value=0xFFFFFFFF, size=0xFFFFFFFF),), machine=3))
    assert bounded("symbols", path).out.startswith("0x00000000ffffffff\t4294967295\tFUNC")


def test_a_name_that_the_demangler_would_unfold_for_ever(hostile: Write) -> None:
    nested = b"_Z1f" + b"N1aIS_" * 200 + b"E" * 200
    doubling = b"_Z1f" + b"".join(b"St4pairI" for _ in range(400)) + b"ii" + b"E" * 400
    squared = b"_ZN1a1bE" + b"S_" * 5_000
    path = hostile(elf64((Sym(name=nested), Sym(name=doubling), Sym(name=squared), Sym(name=b"_Z" + b"9" * 10_000))))
    assert len(names(path)) == 4


def test_an_import_as_long_as_the_file(hostile: Write) -> None:
    imports = tuple(Sym(name=b"n" * 100_000 + b"%d" % n, shndx=0, value=0) for n in range(40))
    path = hostile(elf64(imports, texts=((1, b"libc.so.6"),)))
    assert bounded("deps", path).code in (0, 1)


def test_5000_units_whose_abbreviations_are_the_ends_of_one_table(hostile: Write) -> None:
    declarations = b"".join(bytes((n & 0x7F | 0x80, n >> 7 & 0x7F | 0x80, n >> 14)) + b"\x11\1\x13\x0b\0\0"
                            for n in range(1, 100_001))  # fmt: skip
    units = b"".join(
        struct.pack("<IHIB", 12, 4, 9 * number, 8) + declarations[9 * number : 9 * number + 3] + b"\x0c\0"
        for number in range(5000)
    )
    sections = (Section(name=b".debug_info", data=units), Section(name=b".debug_abbrev", data=declarations + b"\0"))
    path = hostile(elf64((Sym(name=b"f"),), sections=sections))
    for command in (("snapshot", path), ("diff", path, path)):
        bounded(*command)


def test_a_version_name_of_1_megabyte_that_20000_symbols_have(hostile: Write) -> None:
    symbols = tuple(Sym(name=b"", shndx=0, value=0, size=0) for _ in range(20_000))
    library, version = len(symbols) + 1, len(symbols) + 1 + len(b"libc.so.6\0")
    needs = struct.pack("<HHIII", 1, 1, library, 16, 0) + struct.pack("<IHHII", 0, 0, 2, version, 0)
    data = elf64(
        symbols,
        texts=((1, b"libc.so.6"), (0x7FFFFFFF, b"V" * (1 << 20))),
        tables=((0x6FFFFFFE, needs), (0x6FFFFFF0, struct.pack("<H", 2) * (len(symbols) + 1))),
        dynamic=((0x6FFFFFFF, 1),),
    )
    run = bounded("symbols", hostile(data), "--format", "json")
    assert run.code == 0
    assert len(run.out) < 10 << 20
    versions = {symbol["version"] for symbol in run.json["files"][0]["symbols"]}
    assert versions == {f"<name at {version:#x} not read: it has 1,048,576 characters>"}


def test_300000_units_of_nothing(hostile: Write) -> None:
    sections = (Section(name=b".debug_info", data=struct.pack("<IHIB", 7, 4, 0, 8) * 300_000),
                Section(name=b".debug_abbrev", data=b"\0"))  # fmt: skip
    path = hostile(elf64((Sym(name=b"f"),), sections=sections))
    for command in (("freeze", path), ("diff", path, path)):
        bounded(*command)
