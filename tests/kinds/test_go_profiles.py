"""What Go hosts look up in their plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import GO_CURRENT, GoBuild, Soinspect
from soinspect import api
from soinspect.errors import UsageError
from soinspect.kinds.goprofiles import PROFILES, parse_profile

HANDLERS = """package main
import "net/http"
type registerer string
var HandlerRegisterer registerer = "toy"
func Hook(w http.ResponseWriter, r *http.Request) {}
"""


@pytest.fixture(scope="module")
def gateway_plugin(go_build: GoBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("gateway") / "gateway.go"
    source.write_text(HANDLERS)
    return go_build(GO_CURRENT, source, "-ldflags=-s -w")


def test_known_hosts(gateway_plugin: Path, soinspect: Soinspect) -> None:
    (kind,) = api.plugin_kinds(str(gateway_plugin))
    assert [(fact.name, fact.value) for fact in kind.facts] == [
        ("what KrakenD looks up", "HandlerRegisterer"),
        ("what Tyk looks up", "Hook"),
    ]
    for profile in PROFILES:
        (kind,) = api.plugin_kinds(str(gateway_plugin), profile=profile)
        assert bool(kind.problems) is (profile.id not in ("krakend", "tyk"))
    assert soinspect("info", "--profile", "krakend", gateway_plugin).code == 0
    assert soinspect("info", "--profile", "nakama", gateway_plugin).code == 1


def test_a_profile_of_ones_own(gateway_plugin: Path, tmp_path: Path, soinspect: Soinspect) -> None:
    profile = tmp_path / "gateway.toml"
    profile.write_text(
        'title = "gw"\nrequired = ["Hook:func(http.ResponseWriter, *http.Request)"]\nany_of = ["A", "B"]'
    )
    run = soinspect("info", "--profile", profile, gateway_plugin)
    assert run.code == 1
    assert "refused: gw looks up one of A, B: it exports var HandlerRegisterer main.registerer, func Hook(" in run.out
    profile.write_text('title = "gw"\nrequired = ["HandlerRegisterer:*main.registerer"]')
    assert soinspect("info", "--profile", profile, gateway_plugin).code == 0
    profile.write_text('title = "gw"\nrequired = ["HandlerRegisterer:*main.other"]')
    assert "fix: export HandlerRegisterer as *main.other" in soinspect("info", "--profile", profile, gateway_plugin).out


def test_a_profile_is_for_go_plugins(soinspect: Soinspect) -> None:
    run = soinspect("info", "--profile", "krakend", "/lib/x86_64-linux-gnu/libc.so.6")
    assert run.code == 2
    assert "no Go plugin" in run.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title", "not TOML"),
        ("titel = 'a'", "unknown key titel; known are title, required, any_of, reference"),
        ("required = ['A']", "name the host"),
        ("title = 'a'", "nothing is looked up"),
        ("title = 'a'\nrequired = 'A'", "required must be a list of texts"),
        ("title = 'a'\nany_of = [1]", "any_of must be a list of texts"),
    ],
)
def test_profiles_that_say_nothing(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"a.toml.*{why}"):
        parse_profile(text, "a.toml")


def test_a_profile_that_is_not_there(soinspect: Soinspect, gateway_plugin: Path) -> None:
    run = soinspect("info", "--profile", "nobody", gateway_plugin)
    assert run.code == 2
    assert "no known host; known are krakend, tyk, nakama" in run.err
