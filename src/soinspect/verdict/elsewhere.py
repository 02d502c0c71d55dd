"""A host whose libraries are not on this machine: what can be said of a plugin all the same.

Wherever the host starts, its own libraries are there, in the versions that it needs. A plugin that asks for no more
than that finds it, too: a library keeps the versions that it once had.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from soinspect.demangle.scheme import demangle
from soinspect.model.loadplan import DlopenPlan, LoadedObject, LoadPlan, VersionUse

_VERSION = re.compile(r"(\w+?)_(\d+(?:\.\d+)*)")


def as_where_the_host_starts(plan: DlopenPlan) -> tuple[DlopenPlan, tuple[str, ...]]:
    """The plan without what only this machine lacks, and what remains open, in words."""
    host, plugin = plan.host, plan.plugin
    libraries = {need.name for it in host.objects for need in it.needs}
    symbols = {(it.symbol, it.version) for it in host.bindings}
    served = [it for it in plugin.versions if _is_served(it, host)]
    symbols |= {(symbol, it.version) for it in served for symbol in it.symbols}
    questions = [need.name for need in plugin.missing if need.name not in libraries]
    questions += [
        f"version {it.version} of {it.library}"
        for it in plugin.versions
        if it.provider is None and not it.weak and it not in served
    ]
    questions += [
        f"symbol {demangle(it.symbol)}"
        for it in plugin.unresolved
        if it.version is None and (it.symbol, it.version) not in symbols
    ]
    known = replace(
        plugin,
        objects=tuple(_without_missing(plugin)),
        bindings=tuple(it for it in plugin.bindings if not it.unresolved),
        versions=tuple(it for it in plugin.versions if it.provider is not None),
    )
    return replace(plan, plugin=known), tuple(dict.fromkeys(questions))


def _is_served(use: VersionUse, host: LoadPlan) -> bool:
    """Whether the host itself needs this version of the library, or a newer one of the same family."""
    wanted = _family(use.version)
    for own in host.versions:
        if own.library != use.library:
            continue
        had = _family(own.version)
        if own.version == use.version or (wanted and had and wanted[0] == had[0] and wanted[1] <= had[1]):
            return True
    return False


def _family(version: str) -> tuple[str, tuple[int, ...]] | None:
    match = _VERSION.fullmatch(version)
    return (match[1], tuple(int(part) for part in match[2].split("."))) if match else None


def _without_missing(plugin: LoadPlan) -> Iterator[LoadedObject]:
    for it in plugin.objects:
        yield replace(it, needs=tuple(need for need in it.needs if need.error is None))
