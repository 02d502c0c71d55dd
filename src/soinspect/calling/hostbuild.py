"""The Go program that opens a plugin: built as the plugin was, kept in the cache, proven by package hashes.

``plugin.Open`` refuses a plugin unless every package that host and plugin share was compiled from the same
source by the same toolchain with the same settings. It compares fingerprints; so do we, before anything is
started.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from soinspect.calling.toolchain import (
    GO_ARCHITECTURES,
    CallEnvironment,
    GoRelease,
    Toolchain,
    by_hand,
    fetch_toolchain,
    find_c_compiler,
    find_toolchains,
    parse_release,
)
from soinspect.elf.file import ElfFile
from soinspect.errors import CannotRun
from soinspect.go.loading import package_hashes
from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts, GoPlugin
from soinspect.model.lateclass import dataclass

_SOURCE = Path(__file__).parent / "gohost_src"
_BUILD_TIMEOUT = 900.0
_OLDEST_MINOR = 18  # the host's source needs it

# What may be handed on to the compiler: flags that change code. Others can write files, and the text comes
# from the plugin file.
_SAFE_GCFLAGS = re.compile(r"[\w./]+=(?: ?-(?:N|l|B|race|spectre=\w+|d=[\w/=,.]+|dwarf(?:=\w+)?|lang=go[\d.]+))+")
_SAFE_WORDS = re.compile(r"[\w.,]+")
_UNREPEATABLE = ("-asan", "-msan")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """The build settings that decide package hashes: flags of ``go build``, and environment variables."""

    flags: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        words = (*self.flags, *(f"{name}={value}" for name, value in self.variables))
        return " ".join(words) or "default settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A built host: its executable, the release and settings that made it, how it was come by (for the user)."""

    executable: Path
    release: GoRelease
    settings: HostSettings
    hashes: Mapping[str, str]
    evidence: tuple[str, ...]


def obtain_host(facts: GoFacts, plugin: GoPlugin, environment: CallEnvironment) -> Host:
    """A host that will accept the plugin: from the cache, or built now.

    :raises CannotRun: there is no such toolchain or no C compiler here, or no host that can be built here has
    the
        plugin's package hashes.
    """
    _check_machine(facts)
    hashes = {entry.package: entry.hash for entry in plugin.package_hashes}
    if not hashes:
        raise CannotRun("the plugin's package hashes cannot be read, so no host can be matched to it",
                        "rebuild the plugin")  # fmt: skip
    settings = host_settings(facts)
    refused: list[str] = []
    for host in _candidates(facts, settings, environment):
        shared = sorted(hashes.keys() & host.hashes.keys())
        differing = [package for package in shared if hashes[package] != host.hashes[package]]
        if shared and not differing:
            compared = f"package hashes: all {len(shared)} that host and plugin share are equal"
            return Host(
                executable=host.executable, release=host.release, settings=host.settings, hashes=host.hashes,
                evidence=(*host.evidence, compared),
            )  # fmt: skip
        refused.append(
            f"go{host.release.text} with {host.settings}: {len(differing)} of {len(shared)} shared packages differ"
            f" ({', '.join(differing[:3])})"
        )
    raise CannotRun(
        f"no Go host that can be built here matches the plugin's package hashes: {'; '.join(refused)}",
        f"rebuild the plugin with a Go release that is here{_profile_hint(facts)}",
    )


def host_settings(facts: GoFacts) -> tuple[HostSettings, ...]:
    """What to build the host with; several guesses, for the hashes to choose from, when the plugin does not
    say.

    :raises CannotRun: the plugin's settings cannot be repeated.
    """
    info = facts.build_info
    if isinstance(info, Absent):
        return (HostSettings(), HostSettings(flags=("-trimpath",)))
    for flag in _UNREPEATABLE:
        if info.setting(flag) == "true":
            raise CannotRun(f"the plugin was built with {flag}, for which a host cannot be built",
                            f"rebuild the plugin without {flag}")  # fmt: skip
    flags = [flag for flag in ("-trimpath", "-race") if info.setting(flag) == "true"]
    gcflags = info.setting("-gcflags") or ""
    if not gcflags.startswith("-"):  # "pattern=flags"; without a pattern they concern the main package only
        flags.extend(_checked("-gcflags", gcflags, _SAFE_GCFLAGS))
    flags.extend(_checked("-tags", info.setting("-tags"), _SAFE_WORDS))
    variables = []
    for name, value in (("GOEXPERIMENT", info.experiments), ("GOFIPS140", info.setting("GOFIPS140"))):
        if _checked(name, value, _SAFE_WORDS):
            variables.append((name, value or ""))
    return (HostSettings(flags=tuple(flags), variables=tuple(variables)),)


def _checked(name: str, value: str | None, safe: re.Pattern[str]) -> tuple[str, ...]:
    if not value:
        return ()
    if not safe.fullmatch(value):
        raise CannotRun(f"the plugin says that it was built with {name}={value}, which soinspect does not repeat",
                        f"rebuild the plugin without {name}")  # fmt: skip
    return (f"{name}={value}",)


def _profile_hint(facts: GoFacts) -> str:
    profile = facts.build_info and facts.build_info.setting("-pgo")
    return f" and without -pgo={profile}: the profile decides how packages are compiled" if profile else ""


def _check_machine(facts: GoFacts) -> None:
    wanted = facts.build_info.setting("GOARCH") if facts.build_info else None
    here = GO_ARCHITECTURES.get(platform.machine(), platform.machine())
    if wanted and wanted != here:
        raise CannotRun(f"the plugin is for {wanted}, this machine is {here}", f"run soinspect on a {wanted} machine")


# -- which hosts to try --------------------------------------------------------------------------------------


def _candidates(facts: GoFacts, settings: tuple[HostSettings, ...], environment: CallEnvironment) -> Iterator[Host]:
    """Hosts that may match, best first; each is built only when it is asked for."""
    exact = parse_release(facts.version.text) if facts.version.exact else None
    if exact is not None and exact.minor >= _OLDEST_MINOR:
        cached = [_cached(exact, choice, environment) for choice in settings]
        if all(cached):
            yield from (host for host in cached if host)
            return
    for toolchain in _toolchains(facts, exact, environment):
        for choice in settings:
            yield _cached(toolchain.release, choice, environment) or _build(toolchain, choice, environment)


def _toolchains(facts: GoFacts, exact: GoRelease | None, environment: CallEnvironment) -> tuple[Toolchain, ...]:
    """The toolchain of the exact release, or those near enough for the hashes to decide.

    :raises CannotRun: there is none.
    """
    here = find_toolchains(environment)
    minors = _minors(facts.version.text)
    if not minors or max(minors) < _OLDEST_MINOR:
        raise CannotRun(f"the plugin was built by {facts.version.text}: the Go host needs 1.{_OLDEST_MINOR} or newer",
                        "rebuild the plugin with a newer Go release")  # fmt: skip
    if exact is None:
        near = [t for t in here if min(minors) <= t.release.minor <= max(minors)]
        remedy = f"install it as ~/sdk/go1.{max(minors)}.N: see https://go.dev/dl/"
    else:
        same = [t for t in here if t.release.text == exact.text]
        if same:
            return (same[0],)
        if environment.fetch:
            return (fetch_toolchain(exact, environment),)
        near = sorted((t for t in here if t.release.minor == exact.minor), key=lambda t: _distance(t.release, exact))
        remedy = f"--fetch-toolchain, or: {by_hand(exact)}" if exact.on_pypi else by_hand(exact)
    if not near:
        have = ", ".join(f"go{t.release.text}" for t in here) or "none at all"
        raise CannotRun(f"the plugin needs a host built by {facts.version.text}; toolchains here: {have}", remedy)
    return tuple(near)


def _minors(text: str) -> tuple[int, ...]:
    return tuple(int(minor) for minor in re.findall(r"\b(?:go)?1\.(\d+)", text))


def _distance(release: GoRelease, wanted: GoRelease) -> int:
    return abs((release.patch or 0) - (wanted.patch or 0))


# -- one host ------------------------------------------------------------------------------------------------


def _folder(release: GoRelease, settings: HostSettings, environment: CallEnvironment) -> Path:
    """Where the cache keeps a host: the name covers all that decides its contents."""
    digest = hashlib.sha256(f"{platform.machine()}\n{release.text}\n{settings!r}\n".encode())
    for path in sorted(_SOURCE.glob("*.go")):
        digest.update(path.read_bytes())
    return environment.cache / "hosts" / f"go{release.text}-{digest.hexdigest()[:16]}"


def _cached(release: GoRelease, settings: HostSettings, environment: CallEnvironment) -> Host | None:
    folder = _folder(release, settings, environment)
    try:
        hashes = json.loads((folder / "hashes.json").read_bytes())
    except (OSError, ValueError):
        return None
    evidence = f"host: go{release.text} with {settings}, from the cache"
    return Host(executable=folder / "host", release=release, settings=settings, hashes=hashes, evidence=(evidence,))


def _build(toolchain: Toolchain, settings: HostSettings, environment: CallEnvironment) -> Host:
    """Build the host; concurrent builds of the same host do not disturb each other.

    :raises CannotRun: no C compiler, the build failed, or the cache cannot be written.
    """
    compiler = find_c_compiler(environment)
    if compiler is None:
        raise CannotRun("the Go host needs a C compiler to be built (Go's package plugin uses cgo): there is none",
                        "apt install gcc, or: pip install ziglang")  # fmt: skip
    release = toolchain.release
    folder = _folder(release, settings, environment)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".build-") as temporary:
            source, fresh = Path(temporary, "source"), Path(temporary, "fresh")
            source.mkdir()
            fresh.mkdir()
            for path in _SOURCE.glob("*.go"):
                (source / path.name).write_bytes(path.read_bytes())
            # The go line is the toolchain's own: an older one would bring that version's GODEBUG defaults.
            (source / "go.mod").write_text(f"module soinspect.invalid/host\n\ngo 1.{release.minor}\n")
            _compile(toolchain, settings, compiler, source, fresh / "host", environment)
            (fresh / "hashes.json").write_text(json.dumps(_hashes(fresh / "host"), indent=1))
            _publish(fresh, folder)
    except OSError as error:
        raise CannotRun(f"the cache {environment.cache} cannot be used: {error.strerror}",
                        "set XDG_CACHE_HOME to a folder that can be written") from None  # fmt: skip
    host = _cached(release, settings, environment)
    assert host is not None  # noqa: S101
    evidence = f"host: built by go{release.text} ({toolchain.found}) with {settings}"
    return Host(
        executable=host.executable,
        release=release,
        settings=settings,
        hashes=host.hashes,
        evidence=(evidence,),
    )


def _publish(fresh: Path, folder: Path) -> None:
    """Give a complete host its name in the cache; another process may just have done the same."""
    try:
        fresh.rename(folder)
    except OSError:
        if not (folder / "hashes.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)


def _compile(
    toolchain: Toolchain,
    settings: HostSettings,
    compiler: str,
    source: Path,
    output: Path,
    environment: CallEnvironment,
) -> None:
    cache = environment.cache
    variables = {
        "PATH": environment.variables.get("PATH", ""),
        "HOME": str(cache),  # Go's and zig's own files stay with ours
        "CC": compiler,
        "CGO_ENABLED": "1",  # else Go builds, without a word, a host that cannot open plugins
        "GO111MODULE": "on",
        "GOCACHE": str(cache / "go-build"),
        "GOENV": "off",
        "GOFLAGS": "",
        "GOPATH": str(cache / "gopath"),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        **dict(settings.variables),
    }
    if "TMPDIR" in environment.variables:
        variables["TMPDIR"] = environment.variables["TMPDIR"]
    command = [str(toolchain.go), "build", "-buildvcs=false", "-ldflags=-s -w", *settings.flags, "-o", str(output), "."]
    try:
        done = subprocess.run(
            command, cwd=source, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False, timeout=_BUILD_TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CannotRun(f"building the Go host took more than {_BUILD_TIMEOUT:.0f} s", "try again") from None
    if done.returncode != 0:
        complaint = "; ".join(line.strip() for line in done.stderr.strip().splitlines()[-4:])
        raise CannotRun(f"go{toolchain.release.text} ({toolchain.found}) cannot build the Go host: {complaint}",
                        "check that toolchain and the C compiler")  # fmt: skip


def _hashes(program: Path) -> dict[str, str]:
    with ElfFile.open(str(program)) as elf:
        return package_hashes(elf)
