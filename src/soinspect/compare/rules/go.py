"""Rules on what a Go host checks or looks up when it opens a plugin."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.compare.change import Change
from soinspect.compare.pair import ComparisonRule, Pair
from soinspect.model.absence import Absent
from soinspect.model.finding import Rule, Severity
from soinspect.model.golang import GoBuildInfo, GoExport, GoModule, GoPlugin
from soinspect.model.snapshot import Snapshot

_PLUGIN = "https://pkg.go.dev/plugin"
_OPEN = "https://go.dev/src/plugin/plugin_dlopen.go"
_HASHES = "https://go.dev/src/runtime/plugin.go"
_BUILD = "https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies"
# Settings that the tests of other releases showed to change package hashes or the machine code's requirements.
_SETTINGS_THAT_MATTER = (
    "-buildmode", "-compiler", "-gcflags", "-pgo", "-race", "-msan", "-asan", "-tags", "-trimpath",
    "CGO_ENABLED", "GOARCH", "GOOS", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140",
)  # fmt: skip


def _what(facts: Snapshot) -> str:
    if isinstance(facts.go, Absent):
        return "not a Go binary"
    return f"Go {facts.go.kind}"


def _kind_changed(pair: Pair) -> Iterator[Change]:
    before, after = _what(pair.old), _what(pair.new)
    if before != after:
        yield Change(subject="build mode", before=before, after=after)


def _version_changed(pair: Pair) -> Iterator[Change]:
    if pair.go:
        old, new = (go.version for go in pair.go)
        if old.text != new.text:
            yield Change(subject="Go release", before=old.text, after=new.text, evidence="; ".join(new.evidence))


def _exports(plugin: GoPlugin) -> dict[str, GoExport]:
    return {export.name: export for export in plugin.exports}


def _export_removed(pair: Pair) -> Iterator[Change]:
    if pair.plugins:
        old, new = map(_exports, pair.plugins)
        yield from (Change(subject=n, before=e.declaration) for n, e in old.items() if n not in new)


def _export_added(pair: Pair) -> Iterator[Change]:
    if pair.plugins:
        old, new = map(_exports, pair.plugins)
        yield from (Change(subject=n, after=e.declaration) for n, e in new.items() if n not in old)


def _export_kind_changed(pair: Pair) -> Iterator[Change]:
    if pair.plugins:
        old, new = map(_exports, pair.plugins)
        for name, export in old.items():
            if name in new and new[name].kind is not export.kind:
                yield Change(subject=name, before=export.declaration, after=new[name].declaration)


def _export_type_changed(pair: Pair) -> Iterator[Change]:
    if pair.plugins:
        old, new = map(_exports, pair.plugins)
        for name, export in old.items():
            if name in new and new[name].kind is export.kind and new[name].type != export.type:
                yield Change(subject=name, before=export.declaration, after=new[name].declaration)


def _hashes(plugin: GoPlugin) -> dict[str, str]:
    """The hashes that a host compares: of all packages but the plugin's own."""
    return {p.package: p.hash for p in plugin.package_hashes if p.package != plugin.path}


def _package_hash_changed(pair: Pair) -> Iterator[Change]:
    if not pair.plugins:
        return
    old, new = map(_hashes, pair.plugins)
    changed = [package for package, value in old.items() if new.get(package, value) != value]
    common = sum(package in new for package in old)
    if changed:
        # One cause changes many hashes: one finding. plugin.Open names the first in the plugin's own order.
        first = next(package for package in new if package in changed)
        rest = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield Change(
            subject=f"{first}{rest}",
            before=old[first],
            after=new[first],
            evidence=f"{len(changed)} of {common} common packages: {', '.join(changed)}",
        )


def _package_added(pair: Pair) -> Iterator[Change]:
    if pair.plugins:
        old, new = map(_hashes, pair.plugins)
        gained = [package for package in new if package not in old]
        if gained:
            yield Change(subject=", ".join(gained), after="linked in")


def _package_removed(pair: Pair) -> Iterator[Change]:
    if pair.plugins:
        old, new = map(_hashes, pair.plugins)
        lost = [package for package in old if package not in new]
        if lost:
            yield Change(subject=", ".join(lost), before="linked in")


def _plugin_path_changed(pair: Pair) -> Iterator[Change]:
    if pair.plugins and pair.plugins[0].path != pair.plugins[1].path:
        yield Change(subject="plugin path", before=pair.plugins[0].path, after=pair.plugins[1].path)


def _plugin_path_kept(pair: Pair) -> Iterator[Change]:
    if pair.plugins and pair.plugins[0].path == pair.plugins[1].path:
        yield Change(subject=pair.plugins[1].path, before="plugin path", after="plugin path")


def _build_infos(pair: Pair) -> tuple[GoBuildInfo, GoBuildInfo] | None:
    if pair.go and isinstance(pair.go[0].build_info, GoBuildInfo) and isinstance(pair.go[1].build_info, GoBuildInfo):
        return pair.go[0].build_info, pair.go[1].build_info
    return None


def _modules(info: GoBuildInfo) -> dict[str, str]:
    def effective(module: GoModule) -> str:
        used = module.replacement
        return f"{module.version} => {used.path} {used.version}".rstrip() if used else module.version

    return {module.path: effective(module) for module in info.dependencies}


def _module_changed(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos:
        old, new = map(_modules, infos)
        for path, version in old.items():
            if path in new and new[path] != version:
                yield Change(subject=path, before=version, after=new[path])


def _module_added(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos:
        old, new = map(_modules, infos)
        yield from (Change(subject=path, after=version) for path, version in new.items() if path not in old)


def _module_removed(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos:
        old, new = map(_modules, infos)
        yield from (Change(subject=path, before=version) for path, version in old.items() if path not in new)


def _init_tasks_changed(pair: Pair) -> Iterator[Change]:
    if not pair.plugins:
        return
    old, new = pair.plugins
    if isinstance(old.init_tasks, Absent) or isinstance(new.init_tasks, Absent):
        return
    # The plugin's own package is called by its path, which differs between any two sources.
    before = tuple("main" if task.package == old.path else task.package for task in old.init_tasks)
    after = tuple("main" if task.package == new.path else task.package for task in new.init_tasks)
    if before != after:
        yield Change(subject="packages initialised on opening", before=str(len(before)), after=str(len(after)),
                     evidence=_order_difference(before, after))  # fmt: skip


def _order_difference(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    gained = [package for package in after if package not in before]
    lost = [package for package in before if package not in after]
    parts = [f"new: {', '.join(gained)}"] if gained else []
    parts += [f"gone: {', '.join(lost)}"] if lost else []
    return "; ".join(parts) or "the same packages in another order"


def _setting_changed(pair: Pair) -> Iterator[Change]:
    infos = _build_infos(pair)
    if infos:
        old, new = infos
        for key in _SETTINGS_THAT_MATTER:
            if old.setting(key) != new.setting(key):
                yield Change(subject=key, before=old.setting(key), after=new.setting(key))


RULES = (
    ComparisonRule(
        rule=Rule(
            id="go.kind-changed",
            title="The file is no longer the same kind of Go binary",
            severity=Severity.BREAKING,
            why="plugin.Open accepts nothing but plugins, and ends the process with 'no plugin module data' for a "
            "C library; C hosts need c-shared libraries.",
            fix="Build with the -buildmode of the old file.",
            reference=_OPEN,
        ),
        find=_kind_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.toolchain-changed",
            title="Another Go release built it",
            severity=Severity.BREAKING,
            why="A host accepts plugins of its own Go release; of another one it reports 'different version of "
            "package', or dies with 'no plugin module data'.",
            fix="Build the plugin with the Go release of the host (GOTOOLCHAIN=goX.Y.Z), or rebuild the host too.",
            reference=_HASHES,
        ),
        find=_version_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.export-removed",
            title="A plugin export is gone",
            severity=Severity.BREAKING,
            why="plugin.Lookup fails with 'symbol NAME not found in plugin'.",
            fix="Export the function or variable again, with a capital letter, from package main.",
            reference=_PLUGIN,
        ),
        find=_export_removed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.export-kind-changed",
            title="A plugin export is a function instead of a variable, or the other way round",
            severity=Severity.BREAKING,
            why="plugin.Lookup returns a pointer for a variable and a func for a function: the host's type assertion "
            "fails or panics.",
            fix="Give the new thing a new name.",
            reference=_PLUGIN,
        ),
        find=_export_kind_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.export-type-changed",
            title="A plugin export has another type",
            severity=Severity.BREAKING,
            why="The host's type assertion on the result of plugin.Lookup fails or panics.",
            fix="Keep the type, or give the new thing a new name.",
            reference=_PLUGIN,
        ),
        find=_export_type_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.pkghash-changed",
            title="Packages that host and plugin share were built differently",
            severity=Severity.BREAKING,
            why="A host that accepts the old file and links these packages refuses the new one: 'plugin was built "
            "with a different version of package P'.",
            fix="Build with the same Go release, flags (-trimpath, -gcflags=all=, -tags, -race) and dependency "
            "versions as the host.",
            reference=_HASHES,
        ),
        find=_package_hash_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.dep-version-changed",
            title="A module has another version",
            severity=Severity.RISKY,
            why="If the host links this module too, it must have the same version; if not, another plugin may.",
            fix="Pin the module to the version of the host: go get MODULE@VERSION.",
            reference=_BUILD,
        ),
        find=_module_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.dep-added",
            title="A module is new",
            severity=Severity.RISKY,
            why="If the host or another plugin links this module too, all must have the same version.",
            fix="Check the version against the host's: go version -m HOST.",
            reference=_BUILD,
        ),
        find=_module_added,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.dep-removed",
            title="A module is no longer used",
            severity=Severity.INFO,
            why="Its version no longer has to agree with the host's.",
            fix="Nothing.",
            reference=_BUILD,
        ),
        find=_module_removed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.build-setting-changed",
            title="A build setting that can change package hashes differs",
            severity=Severity.RISKY,
            why="The package hashes decide whether a host accepts the plugin; this setting may be why they differ.",
            fix="Build with the settings of the host.",
            reference=_BUILD,
        ),
        find=_setting_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.export-added",
            title="The plugin exports something new",
            severity=Severity.COMPATIBLE,
            why="No host that used the old file asks for it.",
            fix="Nothing.",
            reference=_PLUGIN,
        ),
        find=_export_added,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.plugin-path-changed",
            title="The plugin path differs",
            severity=Severity.INFO,
            why="For Go these are two plugins: one process can open both, and each keeps its own state.",
            fix="Nothing.",
            reference=_OPEN,
        ),
        find=_plugin_path_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.plugin-path-same",
            title="Both files have the same plugin path",
            severity=Severity.INFO,
            why="A process that has opened one cannot open the other: 'plugin already loaded'. A new version takes "
            "effect with a new process.",
            fix="Restart the host to switch; to run both at once, give one another module path or "
            "-ldflags=-pluginpath=NAME.",
            reference=_OPEN,
        ),
        find=_plugin_path_kept,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.pkg-added",
            title="Further packages are linked in",
            severity=Severity.INFO,
            why="Packages that the plugin gains must agree with the host's, if the host has them too.",
            fix="Nothing.",
            reference=_HASHES,
        ),
        find=_package_added,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.pkg-removed",
            title="Packages are no longer linked in",
            severity=Severity.INFO,
            why="The host's version of these packages no longer matters to the plugin.",
            fix="Nothing.",
            reference=_HASHES,
        ),
        find=_package_removed,
    ),
    ComparisonRule(
        rule=Rule(
            id="go.inittasks-changed",
            title="Other packages are initialised on opening",
            severity=Severity.INFO,
            why="plugin.Open runs the initialisers of packages that the host has not initialised yet, in this order.",
            fix="Nothing, if it is meant.",
            reference=_OPEN,
        ),
        find=_init_tasks_changed,
    ),
)
