"""Which file of a folder replaces which of another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePath

from soinspect.model.series import Candidate

# What auditwheel and delvewheel put into the names of libraries that a wheel brings: libz-eb09ad1d.so.1.2.3
_VENDOR_HASH = re.compile(r"-[0-9a-f]{8,64}(?=\.so\b|\.cpython-|\.abi3\b|$)")
_VERSION = re.compile(r"(?<=\.so)[.0-9]+$|-[0-9][0-9.]*(?=\.so\b)")


def pair_up(
    old: Iterable[Candidate], new: Iterable[Candidate]
) -> tuple[list[tuple[Candidate, Candidate]], list[Candidate], list[Candidate]]:
    """The pairs, the old files that are gone, and the new ones that were added.

    Whatever tells most comes first: the SONAME, the identity of a Go plugin, the place, the name, the name without
    its version. What two files of one folder have in common identifies none of them.
    """
    before, after = list(old), list(new)
    pairs: list[tuple[Candidate, Candidate]] = []
    for key in _KEYS:
        olds, news = _unique(before, key), _unique(after, key)
        found = [(one, news[name]) for name, one in olds.items() if name in news]
        pairs += found
        before = [it for it in before if all(it is not one for one, _ in found)]
        after = [it for it in after if all(it is not other for _, other in found)]
    return sorted(pairs, key=lambda pair: pair[0].relative), before, after


def _unique(candidates: list[Candidate], key: Callable[[Candidate], str | None]) -> dict[str, Candidate]:
    keys = [key(candidate) for candidate in candidates]
    count = Counter(keys)
    return {name: it for name, it in zip(keys, candidates, strict=True) if name is not None and count[name] == 1}


def _soname(candidate: Candidate) -> str | None:
    return candidate.soname and _VENDOR_HASH.sub("", candidate.soname)


def _plugin_path(candidate: Candidate) -> str | None:
    return candidate.plugin_path


def _place(candidate: Candidate) -> str:
    return candidate.relative


def _name(candidate: Candidate) -> str:
    return _VENDOR_HASH.sub("", PurePath(candidate.relative).name)


def _name_without_version(candidate: Candidate) -> str:
    return _VERSION.sub("", _name(candidate))


_KEYS = (_soname, _plugin_path, _place, _name, _name_without_version)
