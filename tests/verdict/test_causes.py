"""Why packages differ, in one line, and the command that makes them the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gopairs import GoPairs
from soinspect import api
from soinspect.go.build import Build
from soinspect.go.cause import build_line
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBinaryKind, GoBuildInfo, GoBuildSetting, GoFacts, GoPlugin, GoVersion
from soinspect.model.goloading import GoHost, Guest
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Outcome, PluginVerdict, Policy, Reason
from soinspect.verdict.goplugin import GoProcess

NEW, OLD = "1.27.3", "1.24.11"
BUILD = "go build -buildmode=plugin"
END = "-o PLUGIN ."


def verdict(host: Path, plugin: Path, *requirements: Requirement) -> PluginVerdict:
    (only,) = api.check(str(host), str(plugin), policy=Policy(requirements=requirements)).plugins
    return only


@pytest.mark.parametrize(
    ("host", "plugin", "cause", "fix"),
    [
        ("trimpath", "plain", "host built with -trimpath, plugin without", f"{BUILD} -trimpath {END}"),
        ("plain", "trimpath", "plugin built with -trimpath, host without", f"{BUILD} {END}"),
        ("unoptimised", "plain", "host built with -gcflags=all=-N -l, plugin without",
         f"{BUILD} '-gcflags=all=-N -l' {END}"),
        ("tags", "plain", "host built with -tags=timetzdata, plugin without", f"{BUILD} -tags=timetzdata {END}"),
        ("experiment", "plain", "host built with GOEXPERIMENT=fieldtrack, plugin without",
         f"GOEXPERIMENT=fieldtrack {BUILD} {END}"),
        ("plain", "experiment", "plugin built with GOEXPERIMENT=fieldtrack, host without",
         f"GOEXPERIMENT= {BUILD} {END}"),
        ("trimpath", "harmless", "host built with -trimpath, plugin without", f"{BUILD} -trimpath {END}"),
        ("library 1.0.0", "library 1.1.0", "example.com/library is v1.0.0 in host, v1.1.0 in plugin",
         f"go get example.com/library@v1.0.0 && {BUILD} -o PLUGIN example.com/second-with-library"),
        ("library 1.0.0", "library replaced",
         "example.com/library is v1.0.0 in host, replaced by ../library in plugin",
         f"go get example.com/library@v1.0.0 && {BUILD} -o PLUGIN example.com/second-with-library"),
    ],
)  # fmt: skip
def test_a_setting_that_differs_is_the_cause(pairs: GoPairs, host: str, plugin: str, cause: str, fix: str) -> None:
    opened = pairs.plugin(NEW, plugin)
    only = verdict(pairs.host(NEW, host), opened)
    assert only.outcome is Outcome.REJECTED
    (found,) = only.reasons
    assert found.cause == cause
    assert re.fullmatch(r"\d+ of \d+ shared packages differs?: " + re.escape(cause), found.summary)
    assert found.fix == fix.replace("PLUGIN", opened.name)


@pytest.mark.full
def test_sanitizers_are_causes(pairs: GoPairs) -> None:
    plugin = pairs.plugin(NEW, "trimpath")
    (found,) = verdict(pairs.host(NEW, "race"), plugin).reasons
    assert found.cause == "plugin built with -trimpath, host without; host built with -race, plugin without"
    assert found.fix == f"{BUILD} -race -o {plugin.name} ."
    (found,) = verdict(pairs.host(NEW, "asan"), pairs.plugin(NEW, "plain")).reasons
    assert found.cause == "host built with -asan, plugin without"
    assert found.fix.startswith("build host-asan without -asan")


@pytest.mark.full  # the releases of the default run lay out module data differently
def test_another_release_is_the_cause(pairs: GoPairs) -> None:
    plugin = pairs.plugin(OLD, "trimpath")
    (found,) = verdict(pairs.host("1.23.9", "plain"), plugin).reasons
    assert found.cause == "host built by go1.23.9, plugin by go1.24.11; plugin built with -trimpath, host without"
    assert found.fix == f"GOTOOLCHAIN=go1.23.9 {BUILD} -o {plugin.name} ."


def test_another_version_with_the_same_hash_is_a_risk(pairs: GoPairs) -> None:
    """As when both are vendored in the same place, and only the body of a function that is not inlined differs."""
    host = pairs.read_host(pairs.host(NEW, "library 1.0.0"))
    guest = pairs.read_guest(pairs.plugin(NEW, "library 1.0.0"))
    assert isinstance(guest.go, GoFacts)
    assert isinstance(guest.go.build_info, GoBuildInfo)
    newer = tuple(replace(module, version="v1.0.1") for module in guest.go.build_info.dependencies)
    altered = replace(guest, go=replace(guest.go, build_info=replace(guest.go.build_info, dependencies=newer)))
    only = GoProcess.of(host).open(altered)
    assert only.outcome is Outcome.ACCEPTED
    (risk,) = only.reasons
    assert risk.rule == "check.go.other-version"
    assert risk.cause == "example.com/library is v1.0.0 in host, v1.0.1 in plugin"


@pytest.mark.parametrize(
    ("symbol", "go_type", "rule", "message"),
    [
        ("Run", None, None, None),
        ("Run", "func()", None, None),
        ("Count", "*int", None, None),
        ("Count", "int", "check.go.required-type", "interface conversion: plugin.Symbol is *int, not int"),
        ("Rum", None, "check.go.required-symbol", "plugin: symbol Rum not found in plugin plugin/unnamed-"),
    ],
)
def test_required_symbols(
    pairs: GoPairs, symbol: str, go_type: str | None, rule: str | None, message: str | None
) -> None:
    required = Requirement(symbol=symbol, type=go_type)
    only = verdict(pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain"), required)
    assert [reason.rule for reason in only.reasons] == ([rule] if rule else [])
    assert [(reason.message or "").startswith(message or "?") for reason in only.reasons] == ([True] if rule else [])


# -- causes for which no pair is built -----------------------------------------------------------------------


def differing(guest: Guest, *packages: str, info: GoBuildInfo | Absent, everything: bool = False) -> Guest:
    """A plugin whose hashes of some packages (or all) are other ones, and which says this of its build."""
    assert isinstance(guest.go, GoFacts)
    assert isinstance(guest.go.plugin, GoPlugin)
    plugin = guest.go.plugin
    hashes = tuple(
        replace(entry, hash="0" * 16) if everything or entry.package in packages else entry
        for entry in plugin.package_hashes
    )
    return replace(guest, go=replace(guest.go, build_info=info, plugin=replace(plugin, package_hashes=hashes)))


def reason(host: GoHost, guest: Guest) -> Reason:
    (found,) = GoProcess.of(host).open(guest).reasons
    return found


def info_of(guest: Guest, **settings: str) -> GoBuildInfo:
    assert isinstance(guest.go, GoFacts)
    assert isinstance(guest.go.build_info, GoBuildInfo)
    more = tuple(GoBuildSetting(key=f"-{key}", value=value) for key, value in settings.items())
    return replace(guest.go.build_info, settings=(*guest.go.build_info.settings, *more))


@pytest.mark.parametrize(
    ("host", "plugin", "fix"),
    [
        ("go1.24.11", "go1.27.3", f"GOTOOLCHAIN=go1.24.11 {BUILD}"),
        ("go1.27.3 X:fieldtrack", "go1.27.3", BUILD),
        # A go command before 1.21 does not know GOTOOLCHAIN, nor does a later one find so old a release by it.
        ("go1.20.14", "go1.27.3", "go install golang.org/dl/go1.20.14@latest && go1.20.14 download && go1.20.14 build"),
        ("go1.27.3", "go1.20.14", "go install golang.org/dl/go1.27.3@latest && go1.27.3 download && go1.27.3 build"),
        # What a vendor has patched, or was built from a commit, can be fetched nowhere.
        ("go1.22.5-1-openssl-fips", "go1.22.5", BUILD),
        ("devel go1.28-1a2b3c4", "go1.27.3", BUILD),
        ("go1.28\nexit", "go1.27.3", BUILD),
    ],
)
def test_the_release_of_the_host_is_fetched_in_a_way_that_works(
    pairs: GoPairs, host: str, plugin: str, fix: str
) -> None:
    facts = pairs.read_host(pairs.host(NEW, "plain")).facts
    model, ours = (
        Build(name=name, file=name, facts=replace(facts, version=GoVersion(text=text, exact=True, evidence=())))
        for name, text in (("host", host), ("plugin", plugin))
    )
    line = build_line(model, replace(ours, facts=replace(ours.facts, kind=GoBinaryKind.PLUGIN)))
    assert line.startswith(fix)
    assert "\n" not in line
    assert ("GOTOOLCHAIN" in line) == ("GOTOOLCHAIN" in fix)
    fetched = fix != BUILD or "X:" in host
    assert line.endswith(
        "-o plugin ." if fetched else f"  # by the toolchain that calls itself {host!r}, no public release"
    )


def test_a_release_that_is_known_in_part_is_told(pairs: GoPairs) -> None:
    facts = pairs.read_host(pairs.host(NEW, "plain")).facts
    older = replace(facts, version=GoVersion(text="go1.18 to go1.19", exact=False, evidence=()))
    host, plugin = (Build(name=name, file=name, facts=it) for name, it in (("host", older), ("plugin", facts)))
    assert build_line(host, plugin) == "CGO_ENABLED=1 go build -o plugin .  # by go1.18 to go1.19"


def test_a_profile_is_the_cause(pairs: GoPairs) -> None:
    host, guest = pairs.read_host(pairs.host(NEW, "plain")), pairs.read_guest(pairs.plugin(NEW, "plain"))
    profiled = differing(guest, "runtime", "sync", info=info_of(guest, pgo="/src/default.pgo"))
    found = reason(host, profiled)
    assert found.cause == "plugin built with -pgo=/src/default.pgo, host without"
    assert "-pgo=off" in found.fix


def test_without_build_information_the_pattern_is_told(pairs: GoPairs) -> None:
    """As for plugins of Go 1.20 and older."""
    host, guest = pairs.read_host(pairs.host(NEW, "plain")), pairs.read_guest(pairs.plugin(NEW, "plain"))
    found = reason(host, differing(guest, everything=True, info=Absent("none")))
    assert found.cause is None
    assert found.evidence[-1].startswith("plugin carries no build information: another Go release or -trimpath")
    some = reason(host, differing(guest, "os", info=Absent("none")))
    assert "build flags or dependencies may be the cause" in some.evidence[-1]


def test_what_is_not_recorded_is_not_guessed(pairs: GoPairs) -> None:
    host, guest = pairs.read_host(pairs.host(NEW, "plain")), pairs.read_guest(pairs.plugin(NEW, "plain"))
    found = reason(host, differing(guest, everything=True, info=info_of(guest)))
    assert found.cause is None
    assert found.summary.endswith("the cause is not recorded in the files")
    assert "a toolchain built from other sources" in found.evidence[-1]
    host = pairs.read_host(pairs.host(NEW, "library 1.0.0"))
    guest = pairs.read_guest(pairs.plugin(NEW, "library 1.0.0"))
    found = reason(host, differing(guest, "example.com/library", info=info_of(guest)))
    assert re.fullmatch(r"1 of \d+ shared packages differs: the cause is not recorded in the files", found.summary)
    assert "another folder of the sources" in found.evidence[-1]
