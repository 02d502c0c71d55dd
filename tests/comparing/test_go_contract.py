"""What others rely on in a Go file: what ``//export`` made callable, not what Go's linker exports besides."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import GO_CURRENT
from soinspect import api
from soinspect.model.finding import Comparison, Severity
from soinspect.saved.baseline import freeze

if TYPE_CHECKING:
    from conftest import GoBuild

# These bring in assembly without a package (p256IsZero), wrappers (go:struct { io.Reader; ... }) and C code of cgo.
IMPORTS = "crypto/ecdsa", "crypto/elliptic", "net", "os/user"
USES = """
	if u, err := user.Current(); err == nil {
		net.LookupHost(u.Name)
	}
	ecdsa.GenerateKey(elliptic.P256(), nil)
"""
Source = Callable[..., Path]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A main package with these //export functions, with or without the imports."""

    def write(*exports: str, imports: bool) -> Path:
        imported = "".join(f'import "{it}"\n' for it in IMPORTS) if imports else ""
        functions = "".join(f"//export {it}\nfunc {it}() int {{ return 1 }}\n\n" for it in exports)
        run = f"func Run() {{{USES if imports else ''}}}\n"
        path = tmp_path_factory.mktemp("source") / "main.go"
        path.write_text(f'package main\n\nimport "C"\n{imported}\n{functions}{run}\nfunc main() {{}}\n')
        return path

    return write


def breaking(comparison: Comparison) -> set[tuple[str, str]]:
    """What breaks, but for what hosts look up in the plugin's own table."""
    grave = (it for it in comparison.findings if it.severity is Severity.BREAKING)
    return {(it.rule, it.subject) for it in grave if it.rule != "go.export-removed"}


def names_of_c(comparison: Comparison) -> set[str]:
    rules = "elf.symbol-added", "elf.symbol-removed", "elf.symbol-renamed", "cgo.export-removed"
    return {it.subject for it in comparison.findings if it.rule in rules}


def check_dropped_import(version: str, mode: str, source: Source, go_build: GoBuild, *, strip: bool) -> None:
    """An import that comes or goes is nothing to C callers; a function that //export named is."""

    def build(*exports: str, imports: bool) -> str:
        built = go_build(version, source(*exports, imports=imports), mode=mode)
        if strip:
            stripped = built.with_name("stripped.so")
            shutil.copy(built, stripped)
            subprocess.run(["strip", "--strip-all", stripped], check=True)
            return str(stripped)
        return str(built)

    rich, poor = build("Foo", "Bar", imports=True), build("Foo", imports=False)
    lost, gained = api.compare(rich, poor), api.compare(poor, rich)
    assert breaking(lost) == {("cgo.export-removed", "Bar")}
    assert (names_of_c(lost), breaking(gained), names_of_c(gained)) == ({"Bar"}, set(), {"Bar"})


def test_an_import_that_comes_or_goes_is_nothing_to_c_callers(source: Source, go_build: GoBuild) -> None:
    check_dropped_import(GO_CURRENT, "plugin", source, go_build, strip=False)


@pytest.mark.full
@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("mode", ["plugin", "c-shared"])
@pytest.mark.parametrize("version", ["1.19.8", "1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3"])
def test_imports_over_all_releases(
    version: str, mode: str, strip: bool, source: Source, go_build: GoBuild, debian_go: str
) -> None:
    check_dropped_import(version, mode, source, go_build, strip=strip)


def test_an_export_whose_bridge_is_hidden_is_known_by_the_functions(
    source: Source, go_build: GoBuild, tmp_path: Path
) -> None:
    """A version script leaves C callers what they call, and no symbol of cgo's."""
    script = tmp_path / "names.map"
    script.write_text("{ global: Foo; Bar; local: *; };\n")
    hidden = f"-ldflags=-extldflags=-Wl,--version-script={script}"
    old, new = (
        go_build(GO_CURRENT, source(*exports, imports=False), hidden, mode="c-shared")
        for exports in (("Foo", "Bar"), ("Foo",))
    )
    assert breaking(api.compare(str(old), str(new))) == {("cgo.export-removed", "Bar")}
    facts = api.inspect(str(old)).go
    assert facts
    assert [export.name for export in facts.cgo_exports] == ["Bar", "Foo"]


def test_a_baseline_knows_the_same_c_functions(source: Source, go_build: GoBuild, tmp_path: Path) -> None:
    plugin = go_build(GO_CURRENT, source("Foo", "Bar", imports=True))
    frozen = tmp_path / "plugin.baseline"
    frozen.write_text(freeze(api.facts_of(str(plugin))))
    lines = frozen.read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("export ")] == ["Bar", "Foo"]
    changed = api.compare(str(frozen), str(go_build(GO_CURRENT, source("Foo", imports=False))))
    assert breaking(changed) == {("cgo.export-removed", "Bar")}
