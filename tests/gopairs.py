"""Go hosts and plugins in every variant that matters, and what really happens when one opens the other.

A plugin of pytest's: ``conftest.py`` loads it, so that its fixture serves all tests.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soinspect.elf.file import ElfFile
from soinspect.go.loading import read_guest, read_host
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.plan import dlopen_plans
from soinspect.model.absence import Absent
from soinspect.model.goloading import GoHost, Guest, Program
from soinspect.model.verdict import Outcome, PluginVerdict, Policy
from soinspect.verdict.check import judge

if TYPE_CHECKING:
    from conftest import GoToolchains

SOURCES = Path(__file__).parent.parent / "fixtures" / "go-host-and-plugins"
LIBRARY = "example.com/library"
_TIMEOUT = 60
_ASAN_DETAILS = re.compile(r"^==\d+==| \(0x[0-9a-f]+\):$")  # process and address


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a host or plugin is built: ``source`` is a folder of the fixture, ``library`` a version or a folder."""

    source: str
    mode: str
    flags: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    strip: bool = False
    library: str | None = None


_BOTH: Mapping[str, dict[str, object]] = {
    "plain": {},
    "trimpath": {"flags": ("-trimpath",)},
    "unoptimised": {"flags": ("-gcflags=all=-N -l",)},
    "race": {"flags": ("-race",)},
    "tags": {"flags": ("-tags=timetzdata",)},
    "experiment": {"variables": (("GOEXPERIMENT", "fieldtrack"),)},
    "harmless": {"flags": ("-ldflags=-s -w", "-gcflags=-N -l", "-tags=nothing"), "variables": (("GOAMD64", "v2"),)},
    "stripped": {"strip": True},
}
HOSTS: dict[str, Variant] = {
    **{name: Variant(source="host", mode="exe", **how) for name, how in _BOTH.items()},  # type: ignore[arg-type]
    "pie": Variant(source="host", mode="pie"),
    "static": Variant(source="host", mode="exe", flags=("-ldflags=-extldflags=-static",)),
    "internally linked": Variant(source="host", mode="exe", flags=("-ldflags=-linkmode=internal",)),
    "without cgo": Variant(source="host", mode="exe", variables=(("CGO_ENABLED", "0"),)),
    "asan": Variant(source="host", mode="exe", flags=("-asan",)),
    "library 1.0.0": Variant(source="host-with-library", mode="exe", library="v1.0.0"),
}
PLUGINS: dict[str, Variant] = {
    **{name: Variant(source="first", mode="plugin", **how) for name, how in _BOTH.items()},  # type: ignore[arg-type]
    "second": Variant(source="second", mode="plugin"),
    # It has one export: of several, the runtime names any.
    "renamed path": Variant(source="second", mode="plugin", flags=("-ldflags=-pluginpath=another",)),
    "asan": Variant(source="first", mode="plugin", flags=("-asan",)),
    "library 1.0.0": Variant(source="first-with-library", mode="plugin", library="v1.0.0"),
    "library 1.0.1": Variant(source="second-with-library", mode="plugin", library="v1.0.1"),
    "library 1.1.0": Variant(source="second-with-library", mode="plugin", library="v1.1.0"),
    "library replaced": Variant(source="second-with-library", mode="plugin", library="folder"),
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of a plugin: the error of plugin.Open, or the first line that the dying host printed."""

    outcome: Outcome
    message: str | None = None


class GoPairs:
    """Builds hosts and plugins, each once for all test runs, and opens the ones in the others."""

    def __init__(self, toolchains: GoToolchains, cache: Path) -> None:
        self._toolchains = toolchains
        self._cache = cache / "pairs"
        self._hosts: dict[Path, GoHost] = {}
        self._guests: dict[Path, Guest] = {}

    def host(self, version: str, name: str) -> Path:
        return self._built(version, f"host {name}", HOSTS[name])

    def plugin(self, version: str, name: str) -> Path:
        return self._built(version, f"plugin {name}.so", PLUGINS[name])

    def read_host(self, path: Path) -> GoHost:
        """The facts of a host, read once."""
        if path not in self._hosts:
            with ElfFile.open(str(path)) as elf:
                host = read_host(elf)
            assert not isinstance(host, Absent), host.reason
            self._hosts[path] = host
        return self._hosts[path]

    def read_guest(self, path: Path) -> Guest:
        """The facts of a plugin, read once."""
        if path not in self._guests:
            with ElfFile.open(str(path)) as elf:
                self._guests[path] = read_guest(elf)
        return self._guests[path]

    def judged(self, host: Path, plugins: Sequence[Path]) -> Sequence[PluginVerdict]:
        """What check says, from facts that are read once."""
        program = Program(path=str(host), go=self.read_host(host), producers=())
        real = [str(plugin.resolve()) for plugin in plugins]
        plans = dlopen_plans(str(host), real, LoaderEnv(), into_global_scope=True)
        return judge(program, [self.read_guest(plugin) for plugin in plugins], plans, Policy()).plugins

    # -- building ------------------------------------------------------------------------------------------

    def _built(self, version: str, name: str, how: Variant) -> Path:
        digest = hashlib.sha256(repr(how).encode())
        for source in sorted(SOURCES.rglob("*.go")):
            digest.update(source.read_bytes())
        output = self._cache / f"go{version}-{digest.hexdigest()[:12]}" / name.replace(" ", "-")
        if not output.exists():
            self._build(version, how, output)
        return output

    def _build(self, version: str, how: Variant, output: Path) -> None:
        toolchain = self._toolchains[version]
        work = output.parent / f"work-{output.name}"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(SOURCES / how.source, work / how.source)
        variables = dict(how.variables)
        if how.library:
            variables |= self._with_library(work, how)
        fresh = work / output.name
        # Outside of a module the package is named by its files, and the plugin path is a hash of them.
        what = "." if how.library else "main.go"
        toolchain.run(
            "build", f"-buildmode={how.mode}", *how.flags, "-o", fresh, what, cwd=work / how.source, **variables
        )
        if how.strip:
            subprocess.run(["strip", "--strip-all", fresh], check=True)
        fresh.rename(output)

    def _with_library(self, work: Path, how: Variant) -> dict[str, str]:
        """Make the source a module that requires the library; the variables that let Go find it."""
        lines = [f"module example.com/{how.source}", "", "go 1.21", ""]
        if how.library == "folder":
            local = work / "library"
            local.mkdir()
            shutil.copy(SOURCES / "library" / "v1.0.0.go", local / "library.go")
            (local / "go.mod").write_text(f"module {LIBRARY}\n\ngo 1.21\n")
            lines += [f"require {LIBRARY} v1.0.0", f"replace {LIBRARY} => ../library"]
        else:
            lines += [f"require {LIBRARY} {how.library}"]
        (work / how.source / "go.mod").write_text("\n".join(lines) + "\n")
        return {
            "GO111MODULE": "on",
            "GOFLAGS": "-mod=mod -modcacherw",
            "GOMODCACHE": str(self._cache / "modules"),
            "GOPROXY": self._proxy().as_uri(),
            "GONOSUMDB": "*",
            "GONOSUMCHECK": "1",
        }

    def _proxy(self) -> Path:
        """A folder in the form of a module proxy, with all versions of the library."""
        proxy = self._cache / "proxy"
        folder = proxy / LIBRARY / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        for source in (SOURCES / "library").glob("*.go"):
            version = source.stem
            module = f"module {LIBRARY}\n\ngo 1.21\n"
            (folder / f"{version}.mod").write_text(module)
            (folder / f"{version}.info").write_text(json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"}))
            with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
                archive.writestr(f"{LIBRARY}@{version}/go.mod", module)
                archive.writestr(f"{LIBRARY}@{version}/library.go", source.read_text())
        return proxy


@pytest.fixture(scope="session")
def pairs(go_toolchains: GoToolchains, test_cache: Path) -> GoPairs:
    """Hosts and plugins, built when asked for."""
    return GoPairs(go_toolchains, test_cache)


def really_open(host: Path, plugins: Sequence[Path]) -> list[Seen]:
    """Start the host and have it open the plugins; as many answers as it lived to give, and its death."""
    done = subprocess.run(
        [host, *plugins], capture_output=True, text=True, check=False, timeout=_TIMEOUT,
        env={"GOTRACEBACK": "0", "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    seen = []
    for line in done.stdout.splitlines():
        word, _, message = line.partition(" ")
        if word in ("accepted", "rejected"):
            seen.append(Seen(outcome=Outcome(word), message=message or None))
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if line.strip(" =")), "")
        seen.append(Seen(outcome=Outcome.ABORTS_HOST, message=_ASAN_DETAILS.sub("", first)))
    return seen


def foreseen(verdicts: Sequence[PluginVerdict]) -> list[Seen]:
    """The verdicts as :func:`really_open` tells what happened: nothing comes after the host's death."""
    seen = []
    for verdict in verdicts:
        message = next((r.message for r in verdict.reasons if r.outcome is verdict.outcome), None)
        seen.append(Seen(outcome=verdict.outcome, message=message))
        if verdict.outcome is Outcome.ABORTS_HOST:
            break
    return seen


def compare(pairs: GoPairs, host: Path, *plugins: Path) -> tuple[list[Seen], list[Seen]]:
    """What happens when the host opens the plugins in this order, and what is foreseen.

    Where no message is foreseen, the real one is left out.
    """
    real, expected = really_open(host, plugins), foreseen(pairs.judged(host, plugins))
    silent = [n for n, seen in enumerate(expected) if seen.message is None]
    return [replace(seen, message=None) if n in silent else seen for n, seen in enumerate(real)], expected
