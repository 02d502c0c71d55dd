"""Surroundings for calls in a Go host: the tests' own toolchains and build cache, nothing of the user's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from soinspect.calling.gohost import call_in_go_host
from soinspect.calling.toolchain import CallEnvironment
from soinspect.elf.file import ElfFile
from soinspect.go.facts import read_go
from soinspect.model.calling import CallLimits, CallRequest, CallResult, EnvironmentVariable, Sandbox, Step

if TYPE_CHECKING:
    from conftest import GoToolchains
    from soinspect.model.golang import GoFacts

# In the environment of all that these tests start, to tell it from what other programs call meanwhile.
MARK = EnvironmentVariable(name="SOINSPECT_TEST", value=str(os.getpid()))
_PATH = "/usr/local/bin:/usr/bin:/bin"


class GoHosts:
    """Calls in Go hosts, which are kept in ``cache`` from one run of the tests to the next."""

    def __init__(self, toolchains: GoToolchains, cache: Path) -> None:
        self._toolchains = toolchains
        self._cache = cache

    def surroundings(self, *versions: str, cache: Path | None = None, path: str = _PATH) -> CallEnvironment:
        """An environment in which only these Go releases are to be found."""
        cache = cache or self._cache / "soinspect"
        cache.mkdir(parents=True, exist_ok=True)
        shared = self._cache / "build-cache"
        shared.mkdir(parents=True, exist_ok=True)
        if not (cache / "go-build").is_symlink():
            (cache / "go-build").symlink_to(shared)
        return CallEnvironment(
            variables={"PATH": path, "HOME": str(cache)},
            cache=cache,
            site_packages=tuple(str(self._toolchains[version].goroot.parent) for version in versions),
            python=sys.executable,
        )

    def call(
        self,
        plugin: Path,
        *steps: str,
        versions: tuple[str, ...] = ("1.27.3",),
        limits: CallLimits | None = None,
        sandbox: Sandbox | None = None,
        **variables: str,
    ) -> CallResult:
        """Carry out steps (``"--init"`` among them) in a host that one of these Go releases builds."""
        request = CallRequest(
            path=str(plugin),
            steps=tuple(Step(symbol=None if step == "--init" else step) for step in steps),
            limits=limits or CallLimits(),
            sandbox=sandbox or Sandbox(),
            environment=(MARK, *(EnvironmentVariable(name=name, value=value) for name, value in variables.items())),
        )
        return call_in_go_host(request, go_facts(plugin), self.surroundings(*versions))


def go_facts(path: Path) -> GoFacts:
    """The facts of a Go file."""
    with ElfFile.open(str(path)) as elf:
        facts = read_go(elf)
    assert facts
    return facts


def survivors() -> Iterator[str]:
    """Processes of Go hosts or their plugins that are still there."""
    mark = f"{MARK.name}={MARK.value}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark in environment.split(b"\0"):
                yield entry.name
