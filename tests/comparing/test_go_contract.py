"""What others rely on in a Go file: what ``//export`` made callable, not what Go's linker exports besides."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import FIXTURES, GO_CURRENT
from gopairs import HOSTS
from soinspect import api
from soinspect.comparing.engine import compare
from soinspect.model.finding import Comparison, Severity
from soinspect.model.golang import GoBuildSetting, GoVersion
from soinspect.model.verdict import Outcome
from soinspect.saved.baseline import freeze

if TYPE_CHECKING:
    from conftest import GoBuild
    from gopairs import GoPairs

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


# -- programs that open plugins --------------------------------------------------------------------------------


def check_hosts(pairs: GoPairs, version: str, old: str, new: str, plugin: str) -> None:
    """A program breaks those who use the old one if it does not open a plugin that the old one opens."""
    before, after, guest = pairs.host(version, old), pairs.host(version, new), pairs.plugin(version, plugin)
    opens = [api.check(str(host), str(guest)).plugins[0].outcome is Outcome.ACCEPTED for host in (before, after)]
    assert opens[0]
    found = {it.rule for it in api.compare(str(before), str(after)).findings if it.severity is Severity.BREAKING}
    assert bool(found) is not opens[1], found
    assert found <= {"go.host-opens-no-plugins", "go.host-pkghash-changed"}


@pytest.mark.parametrize("new", [name for name in HOSTS if "library" not in name and name not in {"asan", "race"}])
def test_a_program_that_refuses_the_plugins_of_the_old_one_breaks_them(pairs: GoPairs, new: str) -> None:
    check_hosts(pairs, GO_CURRENT, "plain", new, "plain")


@pytest.mark.full
@pytest.mark.parametrize("version", ["1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3"])
@pytest.mark.parametrize("old", ["plain", "trimpath", "unoptimised", "race", "stripped"])
def test_programs_of_all_releases(pairs: GoPairs, version: str, old: str) -> None:
    for new in HOSTS:
        if "library" not in new and new != "asan":  # which ends the process, whatever packages say
            check_hosts(pairs, version, old, new, old)


def test_the_cause_is_told_as_check_tells_it(pairs: GoPairs) -> None:
    old, new = pairs.host(GO_CURRENT, "trimpath"), pairs.host(GO_CURRENT, "plain")
    found = next(it for it in api.compare(str(old), str(new)).findings if it.rule == "go.host-pkghash-changed")
    assert found.evidence.startswith("the old file built with -trimpath, the new one without; ")
    assert found.evidence.endswith("; every plugin is refused")
    assert found.fix == f"CGO_ENABLED=1 go build -trimpath -o {new.name} ."


def test_a_baseline_of_a_program_knows_what_plugins_share(pairs: GoPairs, tmp_path: Path) -> None:
    old, new = pairs.host(GO_CURRENT, "trimpath"), pairs.host(GO_CURRENT, "plain")
    frozen = tmp_path / "host.baseline"
    frozen.write_text(freeze(api.facts_of(str(old))))
    assert "go.host-pkghash-changed" in {it.rule for it in api.compare(str(frozen), str(new)).findings}
    assert not api.compare(str(frozen), str(old)).findings


def test_versions_that_are_known_in_part_contradict_nothing(pairs: GoPairs) -> None:
    """Of plugins up to go1.20 often only a range of releases is known."""
    facts = api.facts_of(str(pairs.plugin(GO_CURRENT, "plain"))).snapshot
    assert facts.go
    plugin = facts.go.plugin
    sides = [
        replace(facts, go=replace(facts.go, plugin=plugin, version=GoVersion(text=text, exact=False, evidence=())))
        for text in ("go1.18 to go1.19", "go1.19", "go1.21")
    ]
    rules = [{it.rule for it in compare(sides[0], other).findings} for other in sides]
    assert ["go.toolchain-changed" in found for found in rules] == [False, False, True]


@pytest.mark.parametrize(("value", "found"), [("", set[str]()), ("-O3", {"CGO_CFLAGS"})])
def test_a_setting_that_is_empty_is_as_good_as_not_set(value: str, found: set[str]) -> None:
    """A go command that lists the settings of cgo lists those that nobody set, too."""
    facts = api.facts_of(str(FIXTURES / "plugin1.so")).snapshot
    assert facts.go
    assert facts.go.build_info
    others = tuple(it for it in facts.go.build_info.settings if it.key != "CGO_CFLAGS")
    without, having = (
        replace(facts, go=replace(facts.go, build_info=replace(facts.go.build_info, settings=settings)))
        for settings in (others, (*others, GoBuildSetting(key="CGO_CFLAGS", value=value)))
    )
    for old, new in ((without, having), (having, without)):
        assert {it.subject for it in compare(old, new).findings if it.rule == "go.build-setting-changed"} == found
