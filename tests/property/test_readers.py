"""Readers on input that is made up, not damaged: an answer or the one error that they promise, and what is written
can be read. The same examples every time.
"""

from __future__ import annotations

import json
import struct
import subprocess
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import FIXTURES
from elfwriter import Section, Segment, Sym, elf
from soinspect.comparing.suppress import parse_suppressions
from soinspect.demangle.golink import GoNames, explain_go_symbol, has_hashed_type_name
from soinspect.demangle.scheme import demangle
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import InputError, SoinspectError, UsageError
from soinspect.go.binary import GoBinary
from soinspect.inspection.facts import facts_of, snapshot
from soinspect.kinds.goprofiles import parse_profile
from soinspect.loader.ldcache import parse_cache
from soinspect.saved.baseline import freeze, thaw
from soinspect.saved.snapshotfile import read_snapshot, write_snapshot
from soinspect.scan.query import Query

SAME = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
WORDS = st.one_of(st.sampled_from((0, 1, 2, 7, 64, 0x7FFFFFFF, 0xFFFFFFFF)), st.integers(0, 0xFFFFFFFF))
NAMES = st.binary(min_size=1, max_size=40).map(lambda name: name.replace(b"\0", b"?"))
SYMBOLS = st.builds(Sym, name=NAMES, value=WORDS, size=WORDS, info=st.integers(0, 255), shndx=st.integers(0, 0xFFFF))
FORM: dict[str, Any] = {
    "bits": st.sampled_from((32, 64)),
    "order": st.sampled_from("<>"),
    "machine": st.sampled_from((3, 8, 20, 21, 22, 40, 62, 183, 243, 258, 0xFFFF)),
}
TAGS = st.one_of(st.integers(1, 40), st.integers(0x6FFFFDF0, 0x6FFFFFFF))


def told(error: SoinspectError, start: str) -> None:
    assert str(error).startswith(start)
    assert "\n" not in str(error)


@SAME
@given(symbols=st.lists(SYMBOLS, max_size=20), **FORM)
def test_symbols_are_what_was_written(symbols: list[Sym], **form: Any) -> None:
    table = ElfFile(Image("made-up", elf(tuple(symbols), **form))).dynamic_symbols
    assert isinstance(table, SymbolTable)
    read = [(it.name.encode("utf-8", "surrogateescape"), it.value, it.size) for it in table]
    assert read == [(it.name, it.value, it.size) for it in symbols]


@SAME
@given(
    symbols=st.lists(SYMBOLS, max_size=3),
    dynamic=st.lists(st.tuples(TAGS, WORDS), max_size=12),
    tables=st.lists(st.tuples(TAGS, st.binary(max_size=200)), max_size=4),
    segments=st.lists(st.builds(Segment, type=st.sampled_from((1, 3, 4, 7, 0x6474E550, 0x6474E553)), offset=WORDS,
                                vaddr=WORDS, filesz=WORDS, memsz=WORDS, align=WORDS), max_size=3),
    sections=st.lists(st.builds(Section, name=NAMES, type=st.integers(0, 20), data=st.binary(max_size=100), link=WORDS,
                                info=WORDS, entsize=st.integers(0, 64)), max_size=4),
    **FORM,
)  # fmt: skip
def test_tables_that_contradict_each_other(**image: Any) -> None:
    parts: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in image.items()}
    data = elf(**parts)
    try:
        facts = snapshot(ElfFile(Image("made-up", data)))
    except InputError:
        return
    assert facts.path == "made-up"


@SAME
@given(
    abbreviations=st.binary(max_size=80),
    entries=st.binary(max_size=120),
    version=st.integers(2, 5),
    strings=st.binary(max_size=40),
)
def test_debug_information(abbreviations: bytes, entries: bytes, version: int, strings: bytes) -> None:
    head = struct.pack("<HBBI", 5, 1, 8, 0) if version == 5 else struct.pack("<HIB", version, 0, 8)
    # The first entry is a unit, by an abbreviation that the made-up ones follow.
    unit = head + b"\1" + entries
    sections = (
        Section(name=b".debug_abbrev", data=b"\1\x11\1\0\0" + abbreviations),
        Section(name=b".debug_info", data=struct.pack("<I", len(unit)) + unit),
        Section(name=b".debug_str", data=strings),
    )
    try:
        read_prototypes(ElfFile(Image("made-up", elf((Sym(name=b"f"),), sections=sections))))
    except InputError:
        return


@cache
def _go_parts() -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """A Go plugin, and the offsets and sizes of its module data, of the head of its pclntab and of its types."""
    data = (FIXTURES / "plugin1.so").read_bytes()
    binary = GoBinary.of(ElfFile(Image("plugin1.so", data)))
    assert binary
    assert binary.module
    spans = ((binary.module.address, 600), (binary.module.pclntab, 72), (binary.module.word("types"), 1 << 14))
    found = [(binary.module.memory.image.offset_of(address), size) for address, size in spans]
    return data, tuple((offset, size) for offset, size in found if offset)


@settings(SAME, max_examples=20)
@given(which=st.integers(0, 2), where=st.floats(0, 1, exclude_max=True), what=st.binary(min_size=1, max_size=16))
def test_what_go_says_about_itself(which: int, where: float, what: bytes) -> None:
    data, parts = _go_parts()
    offset = parts[which][0] + int(where * parts[which][1])
    try:
        snapshot(ElfFile(Image("made-up", data[:offset] + what + data[offset + len(what) :])))
    except InputError:
        return


@SAME
@given(
    old=st.booleans(),
    count=WORDS,
    entries=st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=8),
    rest=st.binary(max_size=60),
    order=st.sampled_from(("little", "big")),
)
def test_ld_so_cache(old: bool, count: int, entries: list[tuple[int, int, int]], rest: bytes, order: Any) -> None:
    mark = "<" if order == "little" else ">"
    records = b"".join(struct.pack(f"{mark}iIIIQ", 0, *entry, 0) for entry in entries)
    new = b"glibc-ld.so.cache1.1" + struct.pack(mark + "II20x", min(count, len(entries) + 2), 60) + records + rest
    start = b"ld.so-1.7.0\0" + struct.pack(mark + "I", len(entries)) + bytes(12 * len(entries)) if old else b""
    cache = parse_cache(start + b"\0" * (-len(start) % 8) + new, order)
    assert len(cache.entries) <= 2 * len(entries) + 2
    cache.lookup("libc.so.6", None, ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 65), 1 << 65) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A snapshot and a baseline of one library with types."""
    path = tmp_path_factory.mktemp("saved") / "a.so"
    source = FIXTURES / "library-of-every-c-type" / "first.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", "-o", path, source], check=True)
    with ElfFile.open(str(path)) as file:
        facts = facts_of(file, with_types=True)
    return write_snapshot(facts), freeze(facts)


@settings(SAME, max_examples=80)
@given(steps=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=9), value=JSON)
def test_a_snapshot_with_another_value(saved: tuple[str, str], steps: list[float], value: Any) -> None:
    body = json.loads(saved[0])
    place = body
    for step in steps:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key: Any = keys[int(step * len(keys))]
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        place, parent = place[key], place
    else:
        place = parent
    place[key] = value
    try:
        facts = read_snapshot(json.dumps(body), "s.json")
    except InputError as error:
        told(error, "")
        return
    assert read_snapshot(write_snapshot(facts), "s.json") == facts


@settings(SAME, max_examples=80)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from("drs"), st.text(max_size=30)),
                   min_size=1, max_size=4)
)  # fmt: skip
def test_a_baseline_with_other_lines(saved: tuple[str, str], edits: list[tuple[float, str, str]]) -> None:
    lines = saved[1].split("\n")
    for where, how, text in edits:
        number = int(where * len(lines))
        words = lines[number].split(" ")
        words[int(where * 7919) % len(words)] = text
        lines[number : number + 1] = {"d": [], "r": [lines[number]] * 2, "s": [" ".join(words)]}[how]
    try:
        thaw("\n".join(lines), "b.txt")
    except InputError as error:
        told(error, "")


TOML = st.lists(
    st.tuples(
        st.sampled_from(("rule", "subject", "reason", "expires", "title", "required", "any_of", "x", "[[suppress]]")),
        st.sampled_from(('"a"', '"*"', "1", "[]", '["F:func()"]', "2027-01-31", "nan", "{}", "[[", "")),
    ).map(lambda pair: pair[0] if pair[0].startswith("[") else f"{pair[0]} = {pair[1]}"),
    max_size=6,
).map("\n".join)


@SAME
@given(text=st.text(max_size=60) | TOML)
def test_toml(text: str) -> None:
    for parse in (parse_suppressions, parse_profile):
        try:
            parse(text, "s.toml")
        except UsageError as error:
            told(error, "s.toml")


SQL = "SELECT * path FROM files , count(*) ( ) 1 ; ' $$ WHERE = glibc \0 \ud800 --".split(" ")


@settings(SAME, max_examples=25)
@given(words=st.lists(st.sampled_from(SQL), max_size=8))
def test_sql(words: list[str]) -> None:
    try:
        columns, rows = Query(" ".join(words)).answer()
    except UsageError as error:
        told(error, "")
        return
    assert all(len(row) == len(columns) for row in rows)


MANGLED = st.builds(
    str.__add__,
    st.sampled_from(("_Z", "_ZN", "_R", "_RNv", "_ZTV", "type:", "go:", "main.", "_D", "$s", "")),
    st.text("abNSIEZ_0123456789$.·%{}<>RvCs", min_size=1, max_size=60) | st.text(min_size=1, max_size=20),
)


@settings(SAME, max_examples=500)
@given(name=MANGLED, symbol_type=st.integers(0, 15))
def test_names(name: str, symbol_type: int) -> None:
    assert isinstance(demangle(name), str)
    has_hashed_type_name(name)
    assert explain_go_symbol(name, symbol_type, GoNames(plugin_path="main", exports=frozenset({"F"}))).text


def test_a_name_made_to_nest() -> None:
    for name in ("_Z" + "N" * 5000, "_Z1f" + "P" * 50_000 + "i", "_RN" + "v" * 50_000, "type:" + "*[" * 50_000):
        demangle(name)
        explain_go_symbol(name, 1, GoNames())
