"""``soinspect freeze``: a file against its own baseline gives nothing; one change is one line; damage is told."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from difflib import ndiff
from pathlib import Path

import pytest

from conftest import FIXTURES, GO_VERSIONS, Compile, GoBuild, Soinspect
from soinspect import api
from soinspect.errors import InputError
from soinspect.model.prototype import Aggregate
from soinspect.saved.baseline import freeze, thaw

PLUGIN1, PLUGIN2 = FIXTURES / "plugin1.so", FIXTURES / "plugin2.so"
C_TYPES = FIXTURES / "library-of-every-c-type"
CXX_TYPES = FIXTURES / "library-of-every-cxx-type" / "types.cpp"
DEMO = FIXTURES / "go-plugin-demo" / "plugins"


def assert_nothing_against_its_own(path: Path, folder: Path) -> str:
    """The baseline of a file; reading it back loses nothing that it holds."""
    text = freeze(api.facts_of(str(path)))
    saved = folder / "saved.baseline"
    saved.write_text(text)
    assert api.compare(str(saved), str(path)).findings == ()
    assert api.compare(str(path), str(saved)).findings == ()
    again = freeze(thaw(text, str(path)))
    assert again == text
    return text


def test_a_c_library_against_its_own_baseline(cc: Compile, tmp_path: Path) -> None:
    text = assert_nothing_against_its_own(cc(C_TYPES / "first.c", "-g", "-I", str(C_TYPES)), tmp_path)
    assert text.startswith("soinspect baseline 1\n# What others rely on in 'first.so'")


def test_a_cxx_library_against_its_own_baseline(cc: Compile, tmp_path: Path) -> None:
    assert_nothing_against_its_own(cc(CXX_TYPES, "-g"), tmp_path)


@pytest.mark.parametrize("version", GO_VERSIONS)
def test_a_go_plugin_against_its_own_baseline(version: str, go_build: GoBuild, tmp_path: Path) -> None:
    text = assert_nothing_against_its_own(go_build(version, DEMO / "plugin1.go", "-trimpath"), tmp_path)
    assert '"name": "Run"' in text


def system_libraries(most: int) -> Iterator[Path]:
    paths = sorted(Path("/usr/lib/x86_64-linux-gnu").glob("*.so.[0-9]*"))
    yield from [path for path in paths if not path.is_symlink() and path.stat().st_size < 2_000_000][:most]


def test_system_libraries_against_their_own_baselines(tmp_path: Path) -> None:
    paths = list(system_libraries(15))
    assert len(paths) > 5
    for path in paths:
        assert_nothing_against_its_own(path, tmp_path)


@pytest.mark.full
def test_all_system_libraries_against_their_own_baselines(tmp_path: Path) -> None:
    for path in system_libraries(1000):
        assert_nothing_against_its_own(path, tmp_path)


def test_a_baseline_knows_what_the_file_breaks(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    source = "struct state { int a; %s int b; };\nint read_b(struct state *s) { return s->b; }\n%s"
    old = cc(source % ("", "int gone(void) { return 1; }"), "-g", name="old.so")
    new = cc(source % ("int between;", ""), "-g", name="new.so")
    saved = tmp_path / "old.baseline"
    assert soinspect("freeze", old, "--output", saved).code == 0
    against_file, against_baseline = (api.compare(str(side), str(new)) for side in (old, saved))
    found, known = ([(f.rule, f.subject, f.severity) for f in it.findings] for it in (against_file, against_baseline))
    assert [it for it in found if it[0] != "elf.function-size-changed"] == known
    assert {"elf.symbol-removed", "dwarf.member-moved"} <= {rule for rule, _, _ in known}
    assert soinspect("diff", saved, new).code == 1
    assert "what a baseline leaves out" in soinspect("diff", saved, new).out


def changed_lines(old: Path, new: Path) -> list[str]:
    before, after = (freeze(api.facts_of(str(path))).splitlines()[2:] for path in (old, new))
    return [line for line in ndiff(before, after) if line[0] in "+-"]


def test_one_change_is_one_line(cc: Compile) -> None:
    source = """
struct point {{ int x; {} int y; }};
int distance(const struct point *to, {}) {{ return to->x{}; }}
"""
    plain = cc(source.format("", "unsigned scale", ""), "-g", name="plain.so")
    longer = cc(source.format("", "unsigned scale", " * 3 + to->y * 5"), "-g", name="longer.so")
    other = cc(source.format("", "int scale", ""), "-g", name="other.so")
    assert changed_lines(plain, longer) == []  # the code is another one, what callers rely on is not
    assert changed_lines(plain, other) == [
        "- export distance type=FUNC: func(to: *const struct point, scale: unsigned int) int",
        "+ export distance type=FUNC: func(to: *const struct point, scale: int) int",
        "- base unsigned int size=4 encoding=UNSIGNED",
    ]
    moved = cc(source.format("int z;", "unsigned scale", ""), "-g", name="moved.so")
    assert changed_lines(plain, moved) == [
        "- struct point size=8", "+ struct point size=12",
        "-   y offset=4: int", "+   z offset=4: int", "+   y offset=8: int",
    ]  # fmt: skip


def test_what_moves_with_every_build_is_in_no_line(go_build: GoBuild, cc: Compile) -> None:
    module = FIXTURES / "rules" / "go.dep-added" / "new"
    plugins = [go_build("1.27.3", module, *flags) for flags in ((), ("-ldflags=-s -w -X main.built=now",))]
    assert changed_lines(*plugins) == []
    source = "int n; __attribute__((constructor)) static void start(void) { n = 7; } int f(void) { return n; }"
    assert changed_lines(cc(source, name="plain.so"), cc(source, "-s", "-O2", name="stripped.so")) == []


def test_lines_do_not_depend_on_where_the_library_lies(cc: Compile, tmp_path: Path) -> None:
    old = cc("int f(void) { return 1; }", "-g", name="one.so")
    elsewhere = tmp_path / "deeper" / "one.so"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(old.read_bytes())
    assert freeze(api.facts_of(str(old))) == freeze(api.facts_of(str(elsewhere)))


def test_types_of_the_same_name_and_of_no_name_are_kept_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one.c", tmp_path / "two.c"
    one.write_text("struct node { int a; }; union { struct { int x; }; long y; } shared;\n"
                   "int f(struct node *n) { return n->a; }")  # fmt: skip
    two.write_text("struct node { char *b; }; typedef struct { int quiet; } t;\n"
                   "char *g(struct node *n, t v) { return n->b + v.quiet; }")  # fmt: skip
    library = tmp_path / "both.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", "-o", library, one, two], check=True)
    text = assert_nothing_against_its_own(library, tmp_path)
    for line in ("struct node size=4", "struct node#2 size=8", "union #shared size=8", "  - offset=0: struct #shared.1",
                 "struct #t size=4", "export g type=FUNC: func(n: *struct node#2, v: t) *char"):  # fmt: skip
        assert line in text.splitlines()
    types = thaw(text, "both.so").types
    assert types
    assert [it.name for it in types.types if isinstance(it, Aggregate)].count("node") == 2


def test_long_chains_of_types_are_written_as_far_as_they_can_be_read(cc: Compile, tmp_path: Path) -> None:
    pointers = "".join(f"__typeof__(v{number:03}) *v{number + 1:03};" for number in range(300))
    text = assert_nothing_against_its_own(cc(f"int v000;{pointers}", "-g"), tmp_path)
    (line,) = (line for line in text.splitlines() if line.startswith("export v040 "))
    assert line.endswith(": " + "*" * 40 + "int")


def test_a_thousand_types_of_one_name(tmp_path: Path, cc: Compile) -> None:
    holders = (f"struct {{ struct {{ char c[{number + 1}]; }} it; }} v{number};" for number in range(1000))
    text = assert_nothing_against_its_own(cc("\n".join(holders), "-g"), tmp_path)
    assert len([line for line in text.splitlines() if line.startswith("struct #")]) == 2000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("baseline 1", "baseline 2", 1), "a baseline of another version"),
        (lambda text: text[:-5], "it ends inside of line"),
        (lambda text: text + "nonsense\n", "line 66: neither a fact nor a type"),
        (lambda text: text + "export f type=FUNC: func(struct lost) int\n", "line 66: no line describes struct lost"),
        (lambda text: text + "export f type=PIE\n", "line 66: type: 'PIE' is no SymbolType"),
        (lambda text: text + "export f type=FUNC: func(x: *int\n", "line 66: ', ' is missing"),
        (lambda text: text + "struct s size=big\n", "line 66: no value at 'big'"),
        (lambda text: text + "struct s size=4\n  x offset=0\n", "line 67: type is missing"),
        (lambda text: text + "typedef a: b\ntypedef b: a\n", "is made of itself"),
        (lambda text: text + "export f type=FUNC: " + "*" * 999 + "int\n", "line 66: too many parts"),
        (lambda text: text + "dynamic.soname.more = 1\n", "line 66: soname has a value already"),
        (lambda text: text + "tls = 1\n", "line 66: tls has a value already"),
        (lambda text: text.replace("kind =", "kin =", 1), "kind is missing"),
    ],
)  # fmt: skip
def test_an_altered_baseline_is_refused_with_the_line(change: object, told: str, cc: Compile) -> None:
    text = freeze(api.facts_of(str(cc("int f(const int *p) { return *p; }", "-g", "-nostdlib"))))
    text += "#\n" * (64 - text.count("\n")) + "#\n"
    with pytest.raises(InputError) as caught:
        thaw(change(text), "saved")  # type: ignore[operator]
    assert told in str(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_baselines_are_refused_or_harmless(seed: int, cc: Compile, tmp_path: Path) -> None:
    library = cc(CXX_TYPES, "-g")
    original = freeze(api.facts_of(str(library)))
    saved = tmp_path / "saved.baseline"
    chance = random.Random(seed)
    for _ in range(40):
        text = list(original)
        for _ in range(chance.choice((1, 1, 4))):
            text[chance.randrange(21, len(text))] = chance.choice('0123456789",:[]{}aZ- \n*()#')
        saved.write_text("".join(text))
        with suppress(InputError):
            api.compare(str(saved), str(library))
