"""``--source``: which files a plugin was built from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gobinaries import EVERY_TYPE, FIXTURES, LIBRARY, GoBuild, Variant
from soinspect.go.binary import GoBinary
from soinspect.go.source import prove_source
from soinspect.model.absence import Absent

_PLUGIN1 = FIXTURES / "go-plugin-demo" / "plugins" / "plugin1.go"


def test_yes_and_one_byte_later_no(open_go: Callable[[Path], GoBinary]) -> None:
    facts = open_go(FIXTURES / "plugin1.so").facts
    source = _PLUGIN1.read_bytes()
    assert prove_source(facts, [source]).built_from is True
    assert prove_source(facts, [source + b"\n"]).built_from is False
    assert prove_source(facts, [source.replace(b"7", b"8", 1)]).built_from is False


def test_every_release(go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]) -> None:
    facts = open_go(variant(go_version, "plugin", "stripped")).facts
    assert prove_source(facts, [EVERY_TYPE.read_bytes()]).built_from is True
    assert prove_source(facts, [LIBRARY.read_bytes()]).built_from is False


def test_several_files_in_any_order(go_build: GoBuild, tmp_path: Path, open_go: Callable[[Path], GoBinary]) -> None:
    files = []
    for name in "abc":
        files.append(tmp_path / f"{name}.go")
        files[-1].write_text(f"package main\n\nfunc {name.upper()}() {{}}\n")
    facts = open_go(go_build("1.27.3", tuple(files))).facts
    contents = [file.read_bytes() for file in files]
    assert prove_source(facts, contents).built_from is True
    assert prove_source(facts, contents[::-1]).built_from is True
    assert prove_source(facts, contents[:2]).built_from is False


def test_no_answer_without_a_hash(
    go_build: GoBuild, tmp_path: Path, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    (tmp_path / "go.mod").write_text("module example.com/plug\n\ngo 1.21\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc Run() {}\n")
    of_a_module = open_go(go_build("1.27.3", tmp_path, "-buildvcs=false")).facts
    proof = prove_source(of_a_module, [(tmp_path / "main.go").read_bytes()])
    assert isinstance(proof.built_from, Absent)
    assert "import path (example.com/plug)" in proof.how
    library = open_go(variant("1.27.3", "c-shared", "plain")).facts
    assert isinstance(prove_source(library, [b""]).built_from, Absent)
