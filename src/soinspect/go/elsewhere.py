"""Packages that two Go builds took from different folders: without -trimpath, file names are a part of their hashes."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable

from soinspect.go.build import Build, is_standard, module_of
from soinspect.model.golang import GoFacts, GoPackageHash
from soinspect.model.goloading import GoHost, Guest
from soinspect.model.lateclass import dataclass

_VENDOR = "/vendor/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A package that comes from two folders, in words, and the way to take it from the same one.

    ``command`` is to be run first, ``flag`` belongs to the build of the plugin, if ``both`` to that of the host, too.
    """

    text: str
    command: str | None = None
    flag: str | None = None
    both: bool = False


def packages_to_explain(host: GoHost, guests: Iterable[Guest]) -> frozenset[str]:
    """The packages whose folders may explain a difference: none if Go's own packages differ, which other causes do."""
    go = [it.go for it in guests if isinstance(it.go, GoFacts)]
    tables: list[Iterable[tuple[str, str]]] = [host.package_hashes]
    tables += [((it.package, it.hash) for it in _hashes(facts)) for facts in go]
    hashes: dict[str, set[str]] = {}
    for table in tables:
        for package, value in table:
            hashes.setdefault(package, set()).add(value)
    differing = frozenset(package for package, values in hashes.items() if len(values) > 1)
    infos = [facts.build_info for facts in (host.facts, *go) if facts.build_info]
    return frozenset() if any(is_standard(it, *infos) for it in differing) else differing


def _hashes(facts: GoFacts) -> tuple[GoPackageHash, ...]:
    return facts.plugin.package_hashes if facts.plugin else ()


def taken_from_elsewhere(theirs: Build, ours: Build, packages: Iterable[str]) -> Elsewhere | None:
    """The first of ``packages`` that both sides took from different folders."""
    for package in packages:
        before, after = folder_of(theirs, package), folder_of(ours, package)
        if before is not None and after is not None and before != after:
            text = f"{package} comes from {before} in {theirs.name}, from {after} in {ours.name}"
            return _remedied(text, package, before, after, theirs)
    return None


def folder_of(build: Build, package: str) -> str | None:
    """The folder that is recorded, or where a replacement by a relative path leads from that of package main."""
    known = build.folder(package)
    main = build.folder("main")
    info = build.info
    module = module_of(package, info) if info else None
    if known is not None or main is None or info is None or module is None or info.main is None:
        return known
    used = module.replacement
    if used is None or not used.path.startswith(".") or not info.path.startswith(info.main.path):
        return None
    root = main.removesuffix(info.path.removeprefix(info.main.path))
    return posixpath.normpath(posixpath.join(root, used.path + package.removeprefix(module.path)))


def _remedied(text: str, package: str, before: str, after: str, theirs: Build) -> Elsewhere:
    vendored = _VENDOR in after
    if _VENDOR not in before and vendored:
        return Elsewhere(text=text, flag="-mod=mod")
    module = module_of(package, theirs.info) if theirs.info else None
    if _VENDOR in before or module is None or "@" in before:
        return Elsewhere(text=text, flag="-trimpath", both=True)
    root = before.removesuffix(package.removeprefix(module.path))
    return Elsewhere(text=text, command=shlex.join(("go", "mod", "edit", f"-replace={module.path}={root}")))
