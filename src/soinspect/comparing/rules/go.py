"""Rules on what a Go host checks or looks up when it opens a plugin."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.gopackages import packages_differ
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.wording import few
from soinspect.model.absence import Absent
from soinspect.model.finding import Severity
from soinspect.model.golang import GoExport, GoPlugin
from soinspect.model.snapshot import Snapshot

_PLUGIN = "https://pkg.go.dev/plugin"
_OPEN = "https://go.dev/src/plugin/plugin_dlopen.go"
_HASHES = "https://go.dev/src/runtime/plugin.go"


def _what(facts: Snapshot) -> str:
    if isinstance(facts.go, Absent):
        return "not a Go binary"
    return "Go program" if facts.go.kind.is_program else f"Go {facts.go.kind}"


def _kind_changed(pair: Pair) -> Iterator[Change]:
    before, after = _what(pair.old), _what(pair.new)
    if before != after:
        yield Change(subject="build mode", before=before, after=after)


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


def _package_hash_changed(pair: Pair) -> Iterator[Change]:
    found = packages_differ(pair) if pair.plugins else None
    if found:
        yield found


def _package_added(pair: Pair) -> Iterator[Change]:
    if pair.plugins and pair.package_hashes:
        old, new = pair.package_hashes
        gained = [package for package in new if package not in old]
        if gained:
            yield Change(subject=few(gained), after="linked in")


def _package_removed(pair: Pair) -> Iterator[Change]:
    if pair.plugins and pair.package_hashes:
        old, new = pair.package_hashes
        lost = [package for package in old if package not in new]
        if lost:
            yield Change(subject=few(lost), before="linked in")


def _plugin_path_changed(pair: Pair) -> Iterator[Change]:
    if pair.plugins and pair.plugins[0].path != pair.plugins[1].path:
        yield Change(subject="plugin path", before=pair.plugins[0].path, after=pair.plugins[1].path)


def _plugin_path_kept(pair: Pair) -> Iterator[Change]:
    if pair.plugins and pair.plugins[0].path == pair.plugins[1].path:
        yield Change(subject=pair.plugins[1].path, before="plugin path", after="plugin path")


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
    parts = [f"new: {few(gained)}"] if gained else []
    parts += [f"gone: {few(lost)}"] if lost else []
    return "; ".join(parts) or "the same packages in another order"


_rule = ComparisonRule.of

RULES = (
    _rule(
        "go.kind-changed",
        Severity.BREAKING,
        "The file is no longer the same kind of Go binary",
        "plugin.Open accepts nothing but plugins, and ends the process with 'no plugin module data' for a "
        "C library; C hosts need c-shared libraries.",
        "Build with the -buildmode of the old file.",
        _OPEN,
        _kind_changed,
    ),
    _rule(
        "go.export-removed",
        Severity.BREAKING,
        "A plugin export is gone",
        "plugin.Lookup fails with 'symbol NAME not found in plugin'.",
        "Export the function or variable again, with a capital letter, from package main.",
        _PLUGIN,
        _export_removed,
    ),
    _rule(
        "go.export-kind-changed",
        Severity.BREAKING,
        "A plugin export is a function instead of a variable, or the other way round",
        "plugin.Lookup returns a pointer for a variable and a func for a function: the host's type assertion "
        "fails or panics.",
        "Give the new thing a new name.",
        _PLUGIN,
        _export_kind_changed,
    ),
    _rule(
        "go.export-type-changed",
        Severity.BREAKING,
        "A plugin export has another type",
        "The host's type assertion on the result of plugin.Lookup fails or panics.",
        "Keep the type, or give the new thing a new name.",
        _PLUGIN,
        _export_type_changed,
    ),
    _rule(
        "go.pkghash-changed",
        Severity.BREAKING,
        "Packages that host and plugin share were built differently",
        "A host that accepts the old file and links these packages refuses the new one: 'plugin was built "
        "with a different version of package P'.",
        "Build with the same Go release, flags (-trimpath, -gcflags=all=, -tags, -race) and dependency "
        "versions as the host.",
        _HASHES,
        _package_hash_changed,
    ),
    _rule(
        "go.export-added",
        Severity.COMPATIBLE,
        "The plugin exports something new",
        "No host that used the old file asks for it.",
        "Nothing.",
        _PLUGIN,
        _export_added,
    ),
    _rule(
        "go.plugin-path-changed",
        Severity.INFO,
        "The plugin path differs",
        "For Go these are two plugins: one process can open both, and each keeps its own state.",
        "Nothing.",
        _OPEN,
        _plugin_path_changed,
    ),
    _rule(
        "go.plugin-path-same",
        Severity.INFO,
        "Both files have the same plugin path",
        "A process that has opened one cannot open the other: 'plugin already loaded'. A new version takes "
        "effect with a new process.",
        "Restart the host to switch; to run both at once, give one another module path or -ldflags=-pluginpath=NAME.",
        _OPEN,
        _plugin_path_kept,
    ),
    _rule(
        "go.pkg-added",
        Severity.INFO,
        "Further packages are linked in",
        "Packages that the plugin gains must agree with the host's, if the host has them too.",
        "Nothing.",
        _HASHES,
        _package_added,
    ),
    _rule(
        "go.pkg-removed",
        Severity.INFO,
        "Packages are no longer linked in",
        "The host's version of these packages no longer matters to the plugin.",
        "Nothing.",
        _HASHES,
        _package_removed,
    ),
    _rule(
        "go.inittasks-changed",
        Severity.INFO,
        "Other packages are initialised on opening",
        "plugin.Open runs the initialisers of packages that the host has not initialised yet, in this order.",
        "Nothing, if it is meant.",
        _OPEN,
        _init_tasks_changed,
    ),
)
