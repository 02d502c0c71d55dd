"""Types as people write them, in the form in which Go's own compiler prints them."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import FIXTURES, GO_CURRENT, GoBuild
from soinspect.elf.file import ElfFile
from soinspect.errors import UsageError
from soinspect.go.binary import GoBinary
from soinspect.go.typetext import is_written_alike, package_name, parse_type


def printed(text: str) -> str:
    return "".join(it if isinstance(it, str) else it.text for it in parse_type(text).pieces)


@pytest.mark.parametrize(
    ("written", "as_go_prints_it"),
    [
        ("func(a, b int)int", "func(int, int) int"),
        ("func(name string, more ...any) (n int, err error)", "func(string, ...interface {}) (int, error)"),
        ("func() (int)", "func() int"),
        ("func(f func(x int) (a, b int), c chan<- main.T,)", "func(func(int) (int, int), chan<- main.T)"),
        ("[]byte", "[]uint8"),
        ("[2]rune", "[2]int32"),
        ("chan (<-chan int)", "chan (<-chan int)"),
        ("chan <- (<-chan int)", "chan<- <-chan int"),
        ("<- chan (chan int)", "<-chan chan int"),
        ("map[net/http.ConnState]gopkg.in/yaml.v3.Node", "map[net/http.ConnState]gopkg.in/yaml.v3.Node"),
        ("interface{B(x int);A()}", "interface { A(); B(int) }"),
        ("interface { main.b(); A(); a() }", "interface { A(); a(); main.b() }"),
        ('struct{A,B int `k:"v"`;*http.Request;error}',
         'struct { A int "k:\\"v\\""; B int "k:\\"v\\""; *http.Request; error }'),
        ("*lib.Pair[ string , map[string]any ]", "*lib.Pair[string,map[string]interface {}]"),
        ("unsafe.Pointer", "unsafe.Pointer"),
        ("(func())", "func()"),
    ],
)  # fmt: skip
def test_one_form(written: str, as_go_prints_it: str) -> None:
    assert printed(written) == printed(as_go_prints_it) == as_go_prints_it


def test_what_the_compiler_printed_stays_as_it_is(go_build: GoBuild) -> None:
    """Every type in a plugin and its whole runtime, but those of the compiler's own that no source can name."""
    with ElfFile.open(str(go_build(GO_CURRENT, FIXTURES / "go-plugin-of-every-type" / "everytype.go"))) as elf:
        binary = GoBinary.of(elf)
        assert binary
        texts = [it.text for it in binary.list_types() if not re.search(r"go\.shape|map\.group", it.text)]
    assert len(texts) > 1400
    assert [text for text in texts if printed(text) != text] == []


def test_what_an_interface_asks_for() -> None:
    wanted = parse_type("interface { Close() error; Read(p []byte) (int, error) }")
    assert [(it.name, it.signature) for it in wanted.asked or ()] == [
        ("Close", ("func() error",)),
        ("Read", ("func([]uint8) (int, error)",)),
    ]
    assert [it.name for it in parse_type("error").asked or ()] == ["Error"]
    assert parse_type("any").asked == ()
    assert parse_type("func()").asked is None


def test_names_in_small_letters_are_of_a_package() -> None:
    assert parse_type("struct { a int }").has_hidden
    assert parse_type("*struct { A interface { m() } }").has_hidden
    assert not parse_type("struct { A int }").has_hidden


def test_types_without_paths_are_alike_by_name() -> None:
    assert is_written_alike("func(w net/http.ResponseWriter)", "func(http.ResponseWriter)")
    assert not is_written_alike("func(w net/http.ResponseWriter)", "func(mux.ResponseWriter)")
    assert not is_written_alike("func(", "func(")


@pytest.mark.parametrize(
    ("path", "name"), [("fmt", "fmt"), ("math/rand/v2", "rand"), ("net/http", "http"), ("gopkg.in/yaml.v3", None)]
)
def test_names_of_packages(path: str, name: str | None) -> None:
    assert package_name(path) == name


@given(st.text(alphabet=string.ascii_letters[:6] + '()[]{}<-*.,;:/"` \n·%funcmapchanstructinterface', max_size=80))
def test_any_text_is_a_type_or_is_refused(text: str) -> None:
    try:
        once = printed(text)
    except UsageError:
        return
    assert printed(once) == once
