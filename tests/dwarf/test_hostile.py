"""Damaged and hostile debug information: an answer with remarks or one clear error, soon, in little memory."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import Compile
from dwarflibraries import library
from dwarfwriter import Die, assembly
from soinspect.dwarf.constants import At, Form, Tag
from soinspect.dwarf.declare import function_text, layout_lines
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import FormatError
from soinspect.model.absence import Absent
from soinspect.model.prototype import Aggregate, Prototypes, Typedef, UnreadableType

Build = Callable[..., Prototypes]


def victim(kind: str | None = "a", *children: Die) -> Die:
    values: list[tuple[At, Form, int | str]] = [
        (At.NAME, Form.STRING, "victim"),
        (At.EXTERNAL, Form.FLAG_PRESENT, 1),
        (At.PROTOTYPED, Form.FLAG_PRESENT, 1),
        (At.LOW_PC, Form.ADDR, "victim"),
    ]
    if kind:
        values.append((At.TYPE, Form.REF4, kind))
    return Die(Tag.SUBPROGRAM, values, list(children))


@pytest.fixture
def build(cc: Compile, tmp_path: Path) -> Build:
    def build(*dies: Die, text: str | None = None) -> Prototypes:
        source = tmp_path / "hostile.s"
        source.write_text(text or assembly(*dies))
        with ElfFile.open(str(cc(source, "-nostdlib"))) as elf:
            found = read_prototypes(elf)
        assert isinstance(found, Prototypes), found
        texts(found)
        return found

    return build


def texts(side: Prototypes) -> None:
    for function in side.functions:
        assert len(function_text(side, function)) < 100_000
    for index in range(len(side.types)):
        layout_lines(side, index)
        side.size_of(index)


def reasons(side: Prototypes) -> list[str]:
    return [value.reason for value in side.types if isinstance(value, UnreadableType)]


def test_typedefs_in_a_circle(build: Build) -> None:
    side = build(
        victim(),
        Die(Tag.TYPEDEF, [(At.NAME, Form.STRING, "one"), (At.TYPE, Form.REF4, "b")], label="a"),
        Die(Tag.TYPEDEF, [(At.NAME, Form.STRING, "two"), (At.TYPE, Form.REF4, "a")], label="b"),
    )
    assert reasons(side) == ["it is made of itself"]
    assert side.remarks == ("a type cannot be read: it is made of itself",)


def test_a_long_chain_of_types(build: Build) -> None:
    chain = [Die(Tag.POINTER_TYPE, [(At.TYPE, Form.REF4, f"p{n + 1}")], label=f"p{n}") for n in range(5000)]
    side = build(victim("p0"), *chain, Die(Tag.POINTER_TYPE, label="p5000"))
    assert "nested too deeply" in reasons(side)[0]


def test_types_that_double_at_each_step(build: Build) -> None:
    """The text of such a type would have 2**60 parts."""
    doubled = [
        Die(
            Tag.SUBROUTINE_TYPE,
            [(At.PROTOTYPED, Form.FLAG_PRESENT, 1)],
            [Die(Tag.FORMAL_PARAMETER, [(At.TYPE, Form.REF4, f"f{n + 1}")]) for _ in range(2)],
            label=f"f{n}",
        )
        for n in range(60)
    ]
    build(victim("f0"), *doubled, Die(Tag.POINTER_TYPE, label="f60"))


def test_specifications_in_a_circle(build: Build) -> None:
    side = build(
        Die(
            Tag.SUBPROGRAM,
            [(At.LOW_PC, Form.ADDR, "victim"), (At.SPECIFICATION, Form.REF4, "other")],
            label="self",
        ),
        Die(Tag.SUBPROGRAM, [(At.SPECIFICATION, Form.REF4, "self")], label="other"),
    )
    assert side.missing == ("victim",)
    assert any("it goes in circles" in remark for remark in side.remarks)


def test_a_damaged_entry_beside_the_sound_one_costs_only_itself(build: Build) -> None:
    """Two functions were folded into one address; what one of them completes goes in circles."""
    circle = Die(
        Tag.SUBPROGRAM, [(At.LOW_PC, Form.ADDR, "victim"), (At.SPECIFICATION, Form.REF4, "self")], label="self"
    )
    side = build(victim("a"), circle, Die(Tag.POINTER_TYPE, label="a"))
    assert [function.symbol for function in side.functions] == ["victim"]
    assert any("it goes in circles" in remark for remark in side.remarks)


def test_a_declaration_whose_name_is_damaged_costs_only_itself(build: Build) -> None:
    declared: list[tuple[At, Form, int | str]] = [
        (At.LINKAGE_NAME, Form.STRING, "other"),
        (At.EXTERNAL, Form.FLAG_PRESENT, 1),
        (At.DECLARATION, Form.FLAG_PRESENT, 1),
        (At.NAME, Form.LINE_STRP, 0x7000000),
    ]
    text = assembly(victim(None), Die(Tag.SUBPROGRAM, declared), functions=("victim", "other"))
    side = build(text=text)
    assert [function.symbol for function in side.functions] == ["victim"]
    assert side.missing == ("other",)
    assert any(".debug_line_str" in remark for remark in side.remarks)


def test_scopes_that_end_before_all_others_begin(build: Build) -> None:
    """Four hundred namespaces inside of each other, none of which holds the type."""
    nest = Die(Tag.NAMESPACE)
    for _ in range(400):
        nest = Die(Tag.NAMESPACE, children=[nest, Die(Tag.POINTER_TYPE)])
    named = Die(Tag.TYPEDEF, [(At.NAME, Form.STRING, "outside"), (At.TYPE, Form.REF4, "b")], label="a")
    side = build(nest, victim(), named, Die(Tag.POINTER_TYPE, label="b"))
    assert "outside" in [value.name for value in side.types if isinstance(value, Typedef)]
    assert not side.remarks


def test_hidden_classes_of_one_name(tmp_path: Path) -> None:
    """The habit of calling what is hidden Impl: they are told apart without reading each of them for each."""
    count = 700
    users, makers = tmp_path / "users.cpp", tmp_path / "makers.cpp"
    users.write_text("".join(f"namespace n{n} {{ struct Impl; void f(Impl *) {{}} }}\n" for n in range(count)))
    makers.write_text(
        "".join(f"namespace n{n} {{ struct Impl {{ int x[{n + 1}]; }}; Impl g; }}\n" for n in range(count))
    )
    library = tmp_path / "both.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-g", "-o", library, users, makers], check=True)
    with ElfFile.open(str(library)) as elf:
        side = read_prototypes(elf)
    assert isinstance(side, Prototypes)
    hidden = [value for value in side.types if isinstance(value, Aggregate)]
    assert sorted(value.size or 0 for value in hidden) == [4 * (n + 1) for n in range(count)]
    assert not side.remarks


def test_a_sibling_that_leads_back(build: Build) -> None:
    back = Die(Tag.STRUCTURE_TYPE, [(At.SIBLING, Form.REF4, "a")], [Die(Tag.MEMBER)])
    side = build(Die(Tag.POINTER_TYPE, label="a"), back, victim())
    assert side.missing == ("victim",)
    assert any("does not lead forward" in remark for remark in side.remarks)


def test_references_outside(build: Build) -> None:
    side = build(victim("unit + 0x7000000"))
    assert "not inside of its unit" in reasons(side)[0]


def test_structures_inside_of_each_other(build: Build) -> None:
    """Each byte begins a structure that has all that follows as children; many of them are parameters."""
    count = 20_000
    text = assembly(
        victim(None, *(Die(Tag.FORMAL_PARAMETER, [(At.TYPE, Form.REF4, f"nest + {n}")]) for n in range(500))),
        Die(Tag.STRUCTURE_TYPE, [], [Die(Tag.MEMBER)], label="nest"),
    )
    code = int(text.partition("nest:\n.uleb128 ")[2].partition("\n")[0])
    assert code > 0x7F
    text = text.replace("nest:\n", f"nest:\n.rept {count}\n.uleb128 {code}\n.endr\n")
    build(text=text)


def test_a_name_without_an_end(build: Build) -> None:
    text = assembly(victim(None)).replace('.asciz "victim"', '.ascii "victim"')
    build(text=text)


def test_absurd_abbreviations(build: Build) -> None:
    text = assembly(victim(None)).replace(".byte 0, 0\n.byte 0\n", ".byte 0, 0\n" + ".byte 5, 11\n" * 5000, 1)
    side = build(text=text)
    assert side.missing == ("victim",)


# -- damage ----------------------------------------------------------------------------------------------------

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)


def mutants(path: Path, count: int) -> Iterator[bytes]:
    """Copies with damage in the debug sections."""
    data = path.read_bytes()
    sections = Image(str(path), data).sections or ()
    ranges = [(s.offset, s.offset + s.size) for s in sections if s.name.startswith((".debug", ".zdebug")) and s.size]
    for seed in range(count):
        dice = random.Random(seed)
        mutant = bytearray(data)
        for _ in range(dice.choice((1, 1, 2, 8, 32))):
            start, end = dice.choice(ranges)
            at = dice.randrange(start, end)
            if dice.random() < 0.5:
                mutant[at] ^= 1 << dice.randrange(8)
            else:
                size = dice.choice("BHIQ")
                value = dice.choice(EXTREMES) & (1 << 8 * struct.calcsize(size)) - 1
                struct.pack_into("<" + size, mutant, at, value)
        yield bytes(mutant)


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("gcc", "-gdwarf-5"),
        ("g++", "-gdwarf-4 -fdebug-types-section"),
        ("g++", "-gdwarf-5 -O2 -flto"),
        ("gcc", "-g -gz=zlib"),
        pytest.param("clang++", "-gdwarf-5", marks=pytest.mark.full),
    ],
)
def test_mutants(compiler: str, flags: str) -> None:
    path = library(compiler, *flags.split())
    for mutant in mutants(path, 250):
        with suppress(FormatError):
            found = read_prototypes(ElfFile(Image(str(path), mutant)))
            if found:
                texts(found)


@pytest.mark.parametrize("flags", ["-gz=zlib", "-gz=zlib-gnu"])
def test_a_section_that_claims_to_be_huge(flags: str) -> None:
    path = library("gcc", "-g", flags)
    data = bytearray(path.read_bytes())
    image = Image(str(path), bytes(data))
    section = image.section(".debug_info") or image.section(".zdebug_info")
    assert section is not None
    claimed = struct.pack(">Q", 1 << 40) if flags.endswith("gnu") else struct.pack("<Q", 1 << 40)
    at = section.offset + (4 if flags.endswith("gnu") else 8)
    data[at : at + 8] = claimed
    with pytest.raises(FormatError, match="ch_size"):
        read_prototypes(ElfFile(Image("mutant.so", bytes(data))))


def test_a_section_that_unpacks_to_more_than_it_says() -> None:
    path = library("gcc", "-g", "-gz=zlib")
    data = bytearray(path.read_bytes())
    section = Image(str(path), bytes(data)).section(".debug_info")
    assert section is not None
    bomb = zlib.compress(bytes(1 << 24), 9)[: section.size - 24]
    data[section.offset + 24 : section.offset + 24 + len(bomb)] = bomb
    found = read_prototypes(ElfFile(Image("mutant.so", bytes(data))))
    assert isinstance(found, Prototypes | Absent)
