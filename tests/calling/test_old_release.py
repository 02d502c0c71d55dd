"""The demonstration with Go 1.19, whose plugins carry no build information (full run: Debian's golang-1.19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from gohosts import MARK, GoHosts, go_facts
from soinspect.api import check
from soinspect.calling.gohost import call_in_go_host
from soinspect.calling.gopreload import call_in_own_host
from soinspect.model.calling import CallRequest, Step

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import GoBuild, GoToolchains

DEMO = FIXTURES / "go-plugin-demo"
STEPS = ("Run", "I", "I=8", "PrintI")
PRINTED = "plugin 1: init has run, I = 7\nplugin 1: Run was called\nplugin 1: I = 8\n"

pytestmark = pytest.mark.full


@pytest.mark.parametrize("flags", [(), ("-trimpath", "-ldflags=-s -w")])
def test_the_demonstration(
    debian_go: str, flags: tuple[str, ...], go_build: GoBuild, go_toolchains: GoToolchains, test_cache: Path
) -> None:
    plugin = go_build(debian_go, DEMO / "plugins" / "plugin1.go", *flags)
    hosts = GoHosts(go_toolchains, test_cache)
    go = go_toolchains[debian_go].goroot / "bin"
    request = CallRequest(path=str(plugin), steps=tuple(Step(symbol=step) for step in STEPS), environment=(MARK,))
    program = go_build(debian_go, DEMO / "main.go", *flags, mode="exe")
    generic = call_in_go_host(request, go_facts(plugin), hosts.surroundings(path=f"{go}:/usr/bin:/bin"))
    own = call_in_own_host(
        request,
        go_facts(plugin),
        hosts.surroundings(),
        str(program),
        lambda: check(program, plugin).plugins[0],
    )
    for result in (generic, own):
        assert result.good, result.summary
        assert result.stdout.decode() == PRINTED
        assert [step.value for step in result.steps] == [None, "7", "8", None]
    native = call(plugin, "Run")
    assert native.crash
    assert "a Go function was called as if it were a C function" in native.crash.why
