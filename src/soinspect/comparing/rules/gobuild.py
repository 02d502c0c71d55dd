"""Rules on how a Go binary was built: release, modules, settings."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.gopackages import builds_of
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.go.cause import build_line, may_be_same_release
from soinspect.model.finding import Severity
from soinspect.model.golang import GoBinaryKind, GoBuildInfo, GoModule

_HASHES = "https://go.dev/src/runtime/plugin.go"
_BUILD = "https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies"
_VCS = "https://pkg.go.dev/runtime/debug#BuildSetting"
# Settings that the tests of other releases showed to change package hashes or the machine code's requirements.
_SETTINGS_THAT_MATTER = frozenset((
    "-compiler", "-gcflags", "-pgo", "-race", "-msan", "-asan", "-tags", "-trimpath",
    "CGO_ENABLED", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS",
    "GOARCH", "GOOS", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140",
))  # fmt: skip
# Other kinds have a runtime of their own. What a program's release means to its plugins is a finding of its own.
_MUST_AGREE = (GoBinaryKind.PLUGIN, GoBinaryKind.SHARED)
_MODIFIED = "vcs.modified"


def _version_changed(pair: Pair) -> Iterator[Change]:
    if pair.go:
        old, new = (go.version for go in pair.go)
        if not may_be_same_release(old, new):
            asks = pair.go[0].kind in _MUST_AGREE
            yield Change(
                subject="Go release",
                before=old.text,
                after=new.text,
                evidence="; ".join(new.evidence),
                severity=None if asks else Severity.INFO,
                fix=build_line(*builds_of(pair, pair.go)) if pair.plugins else None,
            )


def _build_infos(pair: Pair) -> tuple[GoBuildInfo, GoBuildInfo] | None:
    if pair.go and isinstance(pair.go[0].build_info, GoBuildInfo) and isinstance(pair.go[1].build_info, GoBuildInfo):
        return pair.go[0].build_info, pair.go[1].build_info
    return None


def _modules(info: GoBuildInfo) -> dict[str, GoModule]:
    return {module.path: module for module in info.dependencies}


def _common_modules(pair: Pair) -> Iterator[tuple[GoModule, GoModule]]:
    infos = _build_infos(pair)
    if infos:
        old, new = map(_modules, infos)
        yield from ((module, new[path]) for path, module in old.items() if path in new)


def _effective(module: GoModule) -> str:
    used = module.replacement
    return f"{module.version} => {used.path} {used.version}".rstrip() if used else module.version


def _replacement(module: GoModule) -> tuple[str, str] | None:
    used = module.replacement
    return (used.path, used.version) if used else None


def _severity(pair: Pair, module: GoModule) -> Severity | None:
    """Host and plugin that both link the module refuse each other where the hash of one of its packages differs."""
    if not pair.package_hashes:
        return None
    old, new = pair.package_hashes
    inside = [package for package in old if package == module.path or package.startswith(f"{module.path}/")]
    return Severity.BREAKING if any(new.get(package, old[package]) != old[package] for package in inside) else None


def _module_changed(pair: Pair) -> Iterator[Change]:
    for old, new in _common_modules(pair):
        if old.version != new.version and _replacement(old) == _replacement(new):
            severity = _severity(pair, old)
            yield Change(subject=old.path, before=_effective(old), after=_effective(new), severity=severity)


def _module_replaced(pair: Pair) -> Iterator[Change]:
    for old, new in _common_modules(pair):
        if _replacement(old) != _replacement(new):
            severity = _severity(pair, old)
            yield Change(subject=old.path, before=_effective(old), after=_effective(new), severity=severity)


def _module_added(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos:
        old, new = map(_modules, infos)
        yield from (Change(subject=path, after=_effective(it)) for path, it in new.items() if path not in old)


def _module_removed(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos:
        old, new = map(_modules, infos)
        yield from (Change(subject=path, before=_effective(it)) for path, it in old.items() if path not in new)


def _setting_changed(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if not infos:
        return
    old, new = infos
    for key in dict.fromkeys(setting.key for info in infos for setting in info.settings):
        # cmd/go writes some settings even if they are empty, which is as good as not set; others, or older ones, not.
        if (old.setting(key) or "") != (new.setting(key) or "") and key != _MODIFIED:
            severity = None if key in _SETTINGS_THAT_MATTER else Severity.INFO
            yield Change(subject=key, before=old.setting(key), after=new.setting(key), severity=severity)


def _became_modified(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos and infos[1].setting(_MODIFIED) == "true" and infos[0].setting(_MODIFIED) != "true":
        yield Change(subject=_MODIFIED, before=infos[0].setting(_MODIFIED), after="true",
                     evidence=f"on top of {infos[1].setting('vcs.revision') or 'an unknown revision'}")  # fmt: skip


_rule = ComparisonRule.of

RULES = (
    _rule(
        "go.toolchain-changed",
        Severity.BREAKING,
        "Another Go release built it",
        "A host accepts plugins of its own Go release; of another one it reports 'different version of "
        "package', or dies with 'no plugin module data'. C hosts do not notice.",
        "Build with the Go release of the old file, or rebuild the other side too.",
        _HASHES,
        _version_changed,
    ),
    _rule(
        "go.dep-version-changed",
        Severity.RISKY,
        "A module has another version",
        "If the host links this module too, it must have the same version; if not, another plugin may.",
        "Pin the module to the version of the host: go get MODULE@VERSION.",
        _BUILD,
        _module_changed,
    ),
    _rule(
        "go.dep-replaced",
        Severity.RISKY,
        "A module is replaced by another one",
        "The replacement has the module's import path and other contents: a host that links the module itself refuses "
        "the plugin.",
        "Replace it in the host's go.mod too, or nowhere.",
        _BUILD,
        _module_replaced,
    ),
    _rule(
        "go.dep-added",
        Severity.RISKY,
        "A module is new",
        "If the host or another plugin links this module too, all must have the same version.",
        "Check the version against the host's: go version -m HOST.",
        _BUILD,
        _module_added,
    ),
    _rule(
        "go.dep-removed",
        Severity.INFO,
        "A module is no longer used",
        "Its version no longer has to agree with the host's.",
        "Nothing.",
        _BUILD,
        _module_removed,
    ),
    _rule(
        "go.build-setting-changed",
        Severity.RISKY,
        "A build setting that can change package hashes differs",
        "The package hashes decide whether a host accepts the plugin; this setting may be why they differ. Those "
        "that change none (-ldflags, vcs.*) are told for information.",
        "Build with the settings of the host.",
        _BUILD,
        _setting_changed,
    ),
    _rule(
        "go.vcs-dirty",
        Severity.INFO,
        "It was built from sources that are not committed",
        "Nobody can build this very file again from the revision that it names.",
        "Commit, and build again.",
        _VCS,
        _became_modified,
    ),
)
