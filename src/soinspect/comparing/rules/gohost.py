"""Rules on Go programs that open plugins: whether plugins that open in the old one open in the new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from soinspect.comparing.change import Change
from soinspect.comparing.gopackages import builds_of, packages_differ
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.wording import few
from soinspect.go.cause import build_line, of_a_dependency
from soinspect.model.finding import Severity

if TYPE_CHECKING:
    from soinspect.model.goloading import GoHosting, ModuleShape

_PLUGIN = "https://pkg.go.dev/plugin"
_HASHES = "https://go.dev/src/runtime/plugin.go"
_EVERYWHERE = "runtime"  # every plugin links it


def _hosts(pair: Pair) -> tuple[GoHosting, GoHosting] | None:
    """Both sides, if both open plugins."""
    return pair.hosts if pair.hosts and pair.hosts[1].opens_plugins else None


def _opens_no_more(pair: Pair) -> Iterator[Change]:
    if pair.hosts and not _hosts(pair):
        old, new = pair.hosts
        yield Change(subject="plugin.Open", before=old.support, after=new.support)


def _shapes(pair: Pair) -> tuple[ModuleShape, ModuleShape] | None:
    """How both lay out their module data, if they do so in different ways."""
    hosts = _hosts(pair)
    if not hosts:
        return None
    old, new = hosts[0].shape, hosts[1].shape
    return (old, new) if old and new and old != new else None


def _layout_changed(pair: Pair) -> Iterator[Change]:
    shapes = _shapes(pair)
    if shapes and pair.go:
        before, after = (f"as in {it.fields}, the next module at {it.next_offset:#x}" for it in shapes)
        lost = shapes[0].next_offset != shapes[1].next_offset
        yield Change(
            subject="module data",
            before=before,
            after=after,
            evidence="fatal error: runtime: no plugin module data" if lost else "the program misreads it, and crashes",
            fix=build_line(*builds_of(pair, pair.go)),
        )


def _hash_changed(pair: Pair) -> Iterator[Change]:
    # Where the program does not find a plugin's module, it compares nothing.
    found = packages_differ(pair) if _hosts(pair) and not _shapes(pair) else None
    if found and pair.package_hashes:
        old, new = pair.package_hashes
        every = old.get(_EVERYWHERE) != new.get(_EVERYWHERE)
        whom = "every plugin is refused" if every else "plugins that link none of these still open"
        yield replace(found, evidence=f"{found.evidence}; {whom}")


def _packages(pair: Pair) -> tuple[dict[str, str], dict[str, str]] | None:
    """The packages of both, if plugins of the old program open in the new one at all."""
    if not _hosts(pair) or _shapes(pair) or not pair.package_hashes:
        return None
    old, new = pair.package_hashes
    return (old, new) if old.get(_EVERYWHERE) == new.get(_EVERYWHERE) else None


def _package_added(pair: Pair) -> Iterator[Change]:
    packages = _packages(pair)
    if not packages or not pair.go:
        return
    old, new = packages
    gained = [package for package in new if package not in old]
    # A plugin has the standard library of the release that built it, and its program's packages from that program.
    alien = [package for package in gained if of_a_dependency(package, pair.go[1])]
    own = [package for package in gained if package not in alien]
    if alien:
        yield Change(subject=few(alien), after="linked in")
    if own:
        yield Change(subject=few(own), after="linked in", severity=Severity.INFO)


def _package_removed(pair: Pair) -> Iterator[Change]:
    packages = _packages(pair)
    if packages:
        old, new = packages
        lost = [package for package in old if package not in new]
        if lost:
            yield Change(subject=few(lost), before="linked in")


_rule = ComparisonRule.of

RULES = (
    _rule(
        "go.host-opens-no-plugins",
        Severity.BREAKING,
        "The program can no longer open plugins",
        "plugin.Open of the old program works. In the new one it fails, ends the process, or is not there at all.",
        "Call plugin.Open, and build with CGO_ENABLED=1 and a C linker that links dynamically.",
        _PLUGIN,
        _opens_no_more,
    ),
    _rule(
        "go.host-layout-changed",
        Severity.BREAKING,
        "The program lays out its module data in another way",
        "A plugin links itself into the program's list of modules where its own Go release has it. A program of a "
        "release that has it elsewhere, or reads other fields there, does not refuse the plugin, but dies.",
        "Rebuild every plugin with the Go release of the new program, or the program with that of the old one.",
        _HASHES,
        _layout_changed,
    ),
    _rule(
        "go.host-pkghash-changed",
        Severity.BREAKING,
        "The program and its plugins no longer share the same packages",
        "The program refuses plugins that were built for the old one and link these packages: 'plugin was built with "
        "a different version of package P'.",
        "Rebuild every plugin with the release, flags and modules of the new program, or the program as it was.",
        _HASHES,
        _hash_changed,
    ),
    _rule(
        "go.host-pkg-added",
        Severity.RISKY,
        "The program links further packages",
        "So far plugins that link them too brought their own. From now on theirs must be the same as the program's, "
        "or it refuses them: 'plugin was built with a different version of package P'.",
        "Build the plugins that link these modules with the versions of the program: go version -m PROGRAM.",
        _HASHES,
        _package_added,
    ),
    _rule(
        "go.host-pkg-removed",
        Severity.INFO,
        "The program no longer links some packages",
        "Plugins that link them bring their own, and open as before. Two plugins must agree on them with each other.",
        "Nothing.",
        _HASHES,
        _package_removed,
    ),
)
