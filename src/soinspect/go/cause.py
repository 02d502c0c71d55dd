"""Why two Go builds of a package differ, and the command that builds one side as the other was built.

The hashes decide whether packages differ; build information only explains it. Which settings change hashes was
measured on Go 1.19 to 1.27: GOAMD64, CGO_*, -ldflags, -cover, -buildvcs, -asmflags, GOFIPS140 and flags for package
main alone never do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from soinspect.go.build import Build, is_standard, module_of, modules
from soinspect.go.elsewhere import Elsewhere, folder_of, taken_from_elsewhere
from soinspect.model.golang import GoBinaryKind, GoFacts, GoModule, GoVersion
from soinspect.model.lateclass import dataclass

_SWITCHES = ("-trimpath", "-race", "-msan", "-asan")
_HARMLESS_COMPILER_FLAGS = re.compile(r" ?-(?:B|dwarf=\w+)(?= |$)")
_UNVERSIONED = "(devel)"
_RELEASE = re.compile(r"go1\.\d+(?:\.\d+)?(?:(?:beta|rc)\d+)?")
_EXPERIMENTS = re.compile(r"[ -]X:")
_MINOR = re.compile(r"(?:\bgo|\b)1\.(\d+)")
_FIRST_WITH_TOOLCHAIN_SWITCHING = 21
_UNRECORDED = "what both files record of their builds agrees: "
_OTHER_TOOLCHAIN = (
    f"{_UNRECORDED}a toolchain built from other sources, or a profile (default.pgo) of other contents, may be the cause"
)
_OTHER_SOURCES = (
    f"{_UNRECORDED}other contents or, without -trimpath, another folder of the sources (vendored?) may be the cause"
)

_TRIMMED = "where both are built with -trimpath, folders do not matter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What lies behind differing packages (None: the files do not tell), and the command that removes it."""

    text: str | None
    fix: str
    evidence: tuple[str, ...] = ()


def why_packages_differ(theirs: Build, ours: Build, differing: Sequence[str], shared: Sequence[str]) -> Cause:
    """Why packages of ``ours`` differ from those of ``theirs``: its host, or the file that it replaces."""
    fix = rebuild_line(theirs, ours, shared)
    release = _releases_differ(theirs, ours)
    if not theirs.info or not ours.info:
        silent = theirs if not theirs.info else ours
        hint = "another Go release or -trimpath" if len(differing) == len(shared) else "build flags or dependencies"
        unsaid = (f"{silent.name} carries no build information: {hint} may be the cause",)
        return Cause(text=release, fix=fix, evidence=() if release else unsaid)
    modules = tuple(text for _, text in _module_differences(theirs, ours, shared))
    if any(is_standard(package, theirs.info, ours.info) for package in differing):
        # All that touches the standard library counts; what concerns single modules will show next.
        settings = [text for text in (release, *_setting_differences(theirs, ours)) if text]
        settings = settings or list(_value_difference(theirs, ours, "-tags"))
        text = "; ".join(settings) or None
        also = (f"once that is the same: {'; '.join(modules)}",) if modules else ()
        return Cause(text=text, fix=fix, evidence=also if text else (_OTHER_TOOLCHAIN, *also))
    concerned = tuple(text for _, text in _module_differences(theirs, ours, differing))
    elsewhere = None if concerned else taken_from_elsewhere(theirs, ours, differing)
    if elsewhere is not None:
        return Cause(text=elsewhere.text, fix=_same_folder_line(theirs, ours, elsewhere), evidence=(_TRIMMED,))
    text = "; ".join(concerned or _value_difference(theirs, ours, "-tags")) or None
    if text is None and not _setting(ours, "-trimpath"):
        fix = build_line(theirs, ours, "-mod=mod")
    return Cause(text=text, fix=fix, evidence=() if text else (_OTHER_SOURCES,))


# -- what differs ------------------------------------------------------------------------------------------------------


def _releases_differ(theirs: Build, ours: Build) -> str | None:
    before, after = theirs.facts.version, ours.facts.version
    if may_be_same_release(before, after):
        return None
    return f"{theirs.name} built by {_release(before)}, {ours.name} by {_release(after)}"


def may_be_same_release(one: GoVersion, other: GoVersion) -> bool:
    """Whether two files can have been built by the same release, as far as their versions are known."""
    if one.exact and other.exact:
        return _release(one) == _release(other)
    minors, others = _minors(one.text), _minors(other.text)
    return bool(minors & others) or not (minors and others)


def _release(version: GoVersion) -> str:
    """The version without the experiments that the toolchain was built with; a vendor's own suffix belongs to it."""
    return _EXPERIMENTS.split(version.text)[0]


def _minors(text: str) -> set[int]:
    found = [int(minor) for minor in _MINOR.findall(text)]
    return set(range(min(found), max(found) + 1)) if found else set()


def _setting_differences(theirs: Build, ours: Build) -> Iterator[str]:
    for switch in _SWITCHES:
        before, after = _setting(theirs, switch), _setting(ours, switch)
        if before != after:
            having, lacking = (theirs, ours) if before else (ours, theirs)
            yield f"{having.name} built with {switch}, {lacking.name} without"
    for name in ("GOEXPERIMENT", "-gcflags", "-pgo"):
        yield from _value_difference(theirs, ours, name)


def _value_difference(theirs: Build, ours: Build, name: str) -> Iterator[str]:
    before, after = _setting(theirs, name), _setting(ours, name)
    if before == after:
        return
    if before and after:
        yield f"{theirs.name} built with {name}={before}, {ours.name} with {name}={after}"
    else:
        having, lacking = (theirs, ours) if before else (ours, theirs)
        yield f"{having.name} built with {name}={before or after}, {lacking.name} without"


def _setting(build: Build, name: str) -> str:
    """A setting as far as it can change package hashes; empty if it is not set."""
    info = build.info
    if info is None:
        return ""
    if name == "GOEXPERIMENT":
        return info.experiments or ""
    value = info.setting(name) or ""
    if name in _SWITCHES:
        return value if value == "true" else ""
    if name == "-gcflags":
        # "pattern=flags"; without a pattern they concern package main only, which no two files share.
        pattern, _, flags = value.partition("=")
        effective = _HARMLESS_COMPILER_FLAGS.sub("", f" {flags}").strip()
        return f"{pattern}={effective}" if effective and not value.startswith("-") else ""
    return value


def _module_differences(theirs: Build, ours: Build, packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The modules of ``packages`` that come at another version or from another place, each with both in words."""
    if not theirs.info or not ours.info:
        return
    seen: set[str] = set()
    for package in packages:
        before, after = module_of(package, theirs.info), module_of(package, ours.info)
        if before is None or after is None or before.path in seen:
            continue
        seen.add(before.path)
        if _where(before) != _where(after):
            yield before.path, f"{before.path} is {_where(before)} in {theirs.name}, {_where(after)} in {ours.name}"


def _where(module: GoModule) -> str:
    used = module.replacement
    if used is None:
        return module.version or _UNVERSIONED
    return f"replaced by {used.path} {used.version.replace(_UNVERSIONED, '')}".rstrip()


def of_a_dependency(package: str, facts: GoFacts) -> bool:
    """Whether a package is neither of the standard library nor of the main module, as far as the file tells."""
    if not facts.build_info:
        return "." in package.partition("/")[0]
    return module_of(package, facts.build_info) in facts.build_info.dependencies


def modules_at_other_versions(theirs: Build, ours: Build, packages: Sequence[str]) -> tuple[str, ...]:
    """In words, the modules of ``packages`` that both sides took at different versions."""
    return tuple(text for _, text in _module_differences(theirs, ours, packages))


# -- how to build it ---------------------------------------------------------------------------------------------------


def rebuild_line(theirs: Build, ours: Build, packages: Sequence[str] = ()) -> str:
    """The command that builds ``ours`` with the release, the settings and the modules of ``theirs``."""
    if _setting(theirs, "-asan") and _is_plugin(ours):
        return f"build {theirs.file} without -asan: AddressSanitizer ends the process when a plugin has it too"
    moves = [command for path, _ in _module_differences(theirs, ours, packages)
             if (command := _module_command(path, theirs))]  # fmt: skip
    return " && ".join((*moves, build_line(theirs, ours)))


def build_line(model: Build, ours: Build, *more: str) -> str:
    """The command that builds ``ours`` again with the release and the settings of ``model``, and the flags ``more``."""
    first: tuple[str, ...] = ()
    words: list[str] = []
    go, note = "go", ""
    release, own = _release(model.facts.version), _release(ours.facts.version)
    if model.facts.version.exact and _RELEASE.fullmatch(release):
        if release != own and _switches_toolchains(release) and _switches_toolchains(own):
            words.append(f"GOTOOLCHAIN={release}")
        elif release != own:
            first, go = (f"go install golang.org/dl/{release}@latest", f"{release} download"), release
    elif not may_be_same_release(model.facts.version, ours.facts.version):
        known = f"the toolchain that calls itself {release!r}, no public release"
        note = f"  # by {known if model.facts.version.exact else release}"
    experiments = _setting(model, "GOEXPERIMENT")
    if experiments or _setting(ours, "GOEXPERIMENT"):
        words.append(f"GOEXPERIMENT={experiments}")
    words += (go, "build", "-buildmode=plugin") if _is_plugin(ours) else ("CGO_ENABLED=1", go, "build")
    words += (*more, *_flags(model))
    if _setting(ours, "-pgo") and not _setting(model, "-pgo"):
        words.append("-pgo=off")
    return " && ".join((*first, shlex.join((*words, "-o", ours.file, _target(ours))))) + note


def _switches_toolchains(release: str) -> bool:
    """Whether go commands of the release heed GOTOOLCHAIN, and fetch the release where it names it."""
    return min(_minors(release), default=0) >= _FIRST_WITH_TOOLCHAIN_SWITCHING


def _is_plugin(build: Build) -> bool:
    return build.facts.kind is GoBinaryKind.PLUGIN


def c_library_line(ours: Build) -> str:
    """The command that builds ``ours`` for a host in C."""
    return shlex.join(("go", "build", "-buildmode=c-shared", "-o", ours.file, _target(ours)))


def _same_folder_line(theirs: Build, ours: Build, elsewhere: Elsewhere) -> str:
    """The command that builds ``ours`` so that a package comes from where ``theirs`` took it."""
    line = build_line(theirs, ours, *filter(None, (elsewhere.flag,)))
    if elsewhere.both:
        return f"{line}  (and build {theirs.file} with {elsewhere.flag}, too)"
    return f"{elsewhere.command} && {line}" if elsewhere.command else line


def host_build_line(host: Build) -> str:
    """The command that builds a host so that it can open plugins."""
    return shlex.join(("CGO_ENABLED=1", "go", "build", *_flags(host), "-o", host.file, _target(host)))


def _flags(build: Build) -> Iterator[str]:
    yield from (switch for switch in _SWITCHES if _setting(build, switch))
    yield from (f"{name}={value}" for name in ("-gcflags", "-tags", "-pgo") if (value := _setting(build, name)))


def _target(build: Build) -> str:
    path = build.info.path if build.info else ""
    return path if path and path != "command-line-arguments" else "."


def _module_command(path: str, model: Build) -> str | None:
    """The command that makes the module at ``path`` the one that ``model`` was built with; None if none can."""
    module = next((m for m in modules(model.info) if m.path == path), None) if model.info else None
    if module is None:
        return None
    used = module.replacement
    if used is not None:
        at = f"@{used.version}" if used.version.startswith("v") else ""
        # A relative path is one in the model's module: where it leads is the same for all.
        place = (folder_of(model, path) if used.path.startswith(".") else None) or used.path
        return shlex.join(("go", "mod", "edit", f"-replace={path}={place}{at}"))
    return shlex.join(("go", "get", f"{path}@{module.version}")) if module.version.startswith("v") else None
