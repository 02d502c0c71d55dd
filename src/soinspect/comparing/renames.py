"""Exported symbols that went away and came back under another name, in groups that share one cause.

A group is found by its pattern (a hash, a namespace, a prefix), which a sample of the names suggests and all names
must bear out. That keeps the work in proportion to the number of names, however many were renamed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher

from soinspect.demangle.scheme import demangle
from soinspect.model.lateclass import dataclass
from soinspect.model.symbol import Symbol
from soinspect.model.texts import count

RENAMED, INLINE_NAMESPACE, DUAL_ABI = (
    "elf.symbol-renamed",
    "cxx.inline-namespace-changed",
    "cxx.dual-abi-flipped",
)
_MANGLED = ("_Z", "_R")
_SAMPLE = 64
_PATTERNS = 6  # of the most frequent ones that the sample suggests
_LEAST_CORE = 3  # characters of a name that a changed prefix or suffix leaves
_LEAST_WITH_AFFIX = 3  # symbols that make a prefix or suffix a pattern
_SIMILAR = 0.7
_MOST_SINGLES = 500
# Telling how alike two names are takes time in proportion to the product of their lengths: so much of it in sum.
_MOST_SIMILARITY = 8_000_000

# Legacy Rust mangling ends in 17h<hash>E, v0 marks the crate's hash by Cs<base 62>_; ThinLTO adds .llvm.<number>.
_RUST_HASH = re.compile(r"17h[0-9a-f]{16}(?=E)")
_RUST_CRATE = re.compile(r"(?<=C)s[0-9a-zA-Z]+_")
_HASH_SUFFIX = re.compile(r"\.llvm\.\d+$|[._-](?=[a-f]*\d)[0-9a-f]{8,40}$")
_OLD_STRING = re.compile(r"std::basic_string<char, std::char_traits<char>, std::allocator<char> ?>")
_SCOPE = re.compile(r"\b\w+::")
_VERSION_SCOPE = re.compile(r"_*(?:abi|cxx|version|ver|v|inline)?_*\d[\d_]*::", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """Symbols that were renamed in one way: the rule that reports them, the way in words, old and new symbols."""

    rule: str
    how: str
    pairs: tuple[tuple[Symbol, Symbol], ...]


class Renames:
    """The symbols that only the old and only the new file has, sorted into renamings and the rest.

    ``may_be_same`` tells of an old and a new name whether their prototypes, as far as they are known, agree.
    """

    def __init__(
        self, removed: Iterable[Symbol], added: Iterable[Symbol], may_be_same: Callable[[str, str], bool]
    ) -> None:
        self._may_be_same = may_be_same
        self._removed = {symbol.name: symbol for symbol in removed}
        self._added = {symbol.name: symbol for symbol in added}
        self._texts: dict[str, str] = {}
        self.groups: tuple[Renaming, ...] = ()
        if self._removed and self._added:
            self._texts = {name: demangle(name) for name in (*self._removed, *self._added)}
            self.groups = tuple(self._find())

    @property
    def removed(self) -> tuple[Symbol, ...]:
        """What is gone and was not renamed."""
        return tuple(self._removed.values())

    @property
    def added(self) -> tuple[Symbol, ...]:
        """What is new and was not renamed."""
        return tuple(self._added.values())

    def _find(self) -> Iterator[Renaming]:
        yield from self._same_key(RENAMED, "another hash in the name", _without_hash)
        if _uses_cxx11(self._removed) is not _uses_cxx11(self._added):
            yield from self._same_key(DUAL_ABI, "std::string and std::list of the other C++11 ABI", _without_cxx11)
        yield from self._other_scopes()
        yield from self._other_affixes()
        yield from self._same_key(RENAMED, "the same C++ function with other parameters", _without_parameters)
        yield from self._single()

    def _take(self, rule: str, how: str, names: Iterable[tuple[str, str]]) -> Iterator[Renaming]:
        pairs = tuple((self._removed.pop(old), self._added.pop(new)) for old, new in list(names))
        if pairs:
            yield Renaming(rule=rule, how=how, pairs=pairs)

    def _same_key(self, rule: str, how: str, key: Callable[[str, str], str | None]) -> Iterator[Renaming]:
        """Names that are equal but for what ``key`` leaves out; it gives None for names that have no such part."""
        waiting = self._by_key(self._added, key)
        old = self._by_key(self._removed, key) if waiting else {}
        pairs = (
            (name, twin) for k, names in old.items() for name, twin in zip(names, waiting.get(k, ()), strict=False)
        )
        yield from self._take(rule, how, pairs)

    def _by_key(self, names: Iterable[str], key: Callable[[str, str], str | None]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in names:
            value = key(name, self._texts[name])
            if value is not None:
                found[value].append(name)
        return found

    # -- namespaces ------------------------------------------------------------------------------------------

    def _other_scopes(self) -> Iterator[Renaming]:
        added = {self._texts[name]: name for name in self._added}
        removed = {self._texts[name]: name for name in self._removed}
        bare: dict[str, list[str]] = defaultdict(list)
        for text in added:
            bare[_SCOPE.sub("", text)].append(text)
        votes = Counter(
            change
            for text in _sample(list(removed))
            for other in bare.get(_SCOPE.sub("", text), ())[:_PATTERNS]
            if (change := _scope_change(text, other)) is not None
        )
        for (before, after), _ in votes.most_common(_PATTERNS):
            pattern = re.compile(rf"\b{re.escape(before)}")
            pairs = [
                (removed.pop(text), added.pop(renamed))
                for text in list(removed)
                if (renamed := pattern.sub(after, text)) != text and renamed in added
            ]
            rule = INLINE_NAMESPACE if _only_versions_differ(before, after) else RENAMED
            yield from self._take(rule, f"namespace {before[:-2]} -> {after[:-2]}", pairs)

    # -- prefixes and suffixes -------------------------------------------------------------------------------

    def _other_affixes(self) -> Iterator[Renaming]:
        # Of mangled names, beginning and end say nothing about what the programmer changed.
        removed = [name for name in self._removed if not name.startswith(_MANGLED)]
        forward = sorted(name for name in self._added if not name.startswith(_MANGLED))
        backward = sorted(name[::-1] for name in forward)
        lines = "\n".join(forward)
        votes: Counter[_Affixes] = Counter()
        for name in _sample(removed):
            ends = [_common_end(name, other[::-1]) for other in _neighbours(backward, name[::-1])]
            starts = [_common_start(name, other) for other in _neighbours(forward, name)]
            votes.update({it for it in (*ends, *starts, _contained(name, lines)) if it is not None})
        for affixes, _ in votes.most_common(_PATTERNS):
            pairs = [
                (name, renamed)
                for name in removed
                if name in self._removed and (renamed := affixes.applied(name)) is not None and renamed in self._added
            ]
            if len(pairs) >= _LEAST_WITH_AFFIX:
                yield from self._take(RENAMED, affixes.words, pairs)

    # -- one by one ------------------------------------------------------------------------------------------

    def _single(self) -> Iterator[Renaming]:
        """A symbol of the same kind and size whose name is much like the old one, if there is just one."""
        alike: dict[tuple[object, int], list[str]] = defaultdict(list)
        for name, symbol in self._added.items():
            alike[symbol.type, symbol.size].append(name)
        work = 0
        for name, symbol in list(self._removed.items())[:_MOST_SINGLES] if len(self._added) <= _MOST_SINGLES else ():
            candidates = alike.get((symbol.type, symbol.size), ()) if symbol.size else ()
            work += len(self._bare(name)) * sum(len(self._bare(other)) for other in candidates)
            if work > _MOST_SIMILARITY:
                return
            close = [other for other in candidates if other in self._added and self._similar(name, other)]
            if len(close) == 1:
                how = f"a similar name, and the same size of {count(symbol.size, 'byte')}"
                yield from self._take(RENAMED, how, [(name, close[0])])

    def _bare(self, name: str) -> str:
        """The readable name without its parameters."""
        return self._texts[name].partition("(")[0]

    def _similar(self, old: str, new: str) -> bool:
        alike = SequenceMatcher(a=self._bare(old), b=self._bare(new), autojunk=False)
        return alike.ratio() >= _SIMILAR and self._may_be_same(old, new)


def _sample(names: list[str]) -> list[str]:
    """Names from all over the list, which often holds runs of kindred ones."""
    return names[:: max(1, len(names) // _SAMPLE)]


def _uses_cxx11(names: Iterable[str]) -> bool:
    return any("cxx11" in name for name in names)


def _without_cxx11(name: str, text: str) -> str | None:
    if not name.startswith("_Z"):
        return None
    return _OLD_STRING.sub("std::string", text.replace("std::__cxx11::", "std::").replace("[abi:cxx11]", ""))


def _without_hash(name: str, _text: str) -> str | None:
    pattern = _RUST_CRATE if name.startswith("_R") else _RUST_HASH
    bare = _HASH_SUFFIX.sub("", pattern.sub("", name))
    return bare if bare != name else None


def _without_parameters(name: str, text: str) -> str | None:
    if not name.startswith("_Z") or text.startswith("(") or not text.endswith((")", ") const")):
        return None
    return text.partition("(")[0]


def _scope_change(old: str, new: str) -> tuple[str, str] | None:
    """The first scopes that differ; where one side has none there, with the scope before (``a::`` to ``a::v2::``)."""
    start = _same_start(old, new)
    while start and (old[start - 1].isalnum() or old[start - 1] == "_"):
        start -= 1
    before, after = _scopes_at(old, start), _scopes_at(new, start)
    while before and after and before[-1] == after[-1]:
        before.pop()
        after.pop()
    if not before or not after:
        outer = re.search(r"\w+::$", old[:start])
        if outer is None:
            return None
        before.insert(0, outer[0])
        after.insert(0, outer[0])
    return ("".join(before), "".join(after)) if before != after else None


def _scopes_at(text: str, start: int) -> list[str]:
    """The scopes that follow each other from ``start`` on."""
    scopes: list[str] = []
    while match := _SCOPE.match(text, start):
        scopes.append(match[0])
        start = match.end()
    return scopes


def _only_versions_differ(before: str, after: str) -> bool:
    """Whether the scopes are the same but for those that look like a version (``v2``, ``__1``, ``abi_3``)."""
    kept = [[scope for scope in _SCOPE.findall(it) if not _VERSION_SCOPE.fullmatch(scope)] for it in (before, after)]
    return kept[0] == kept[1]


@dataclass(frozen=True, slots=True)
class _Affixes:
    """A prefix and a suffix that were replaced."""

    old_prefix: str
    new_prefix: str
    old_suffix: str
    new_suffix: str

    def applied(self, name: str) -> str | None:
        """The name as it is now, None where it has not these affixes."""
        if not name.startswith(self.old_prefix) or not name.endswith(self.old_suffix):
            return None
        core = name[len(self.old_prefix) : len(name) - len(self.old_suffix)]
        return f"{self.new_prefix}{core}{self.new_suffix}" if len(core) >= _LEAST_CORE else None

    @property
    def words(self) -> str:
        """How the names changed."""
        parts = (("prefix", self.old_prefix, self.new_prefix), ("suffix", self.old_suffix, self.new_suffix))
        return ", ".join(_replaced(what, old, new) for what, old, new in parts if old != new)


def _replaced(what: str, old: str, new: str) -> str:
    if not old:
        return f"{what} {new} added"
    return f"{what} {old} -> {new}" if new else f"{what} {old} dropped"


def _same_start(old: str, new: str) -> int:
    """How many characters two names begin with in common."""
    return next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )


def _neighbours(ordered: list[str], text: str) -> list[str]:
    at = bisect_left(ordered, text)
    return ordered[max(0, at - 1) : at + 1]


def _common_start(old: str, new: str) -> _Affixes | None:
    same = _same_start(old, new)
    return _Affixes("", "", old[same:], new[same:]) if same >= _LEAST_CORE else None


def _common_end(old: str, new: str) -> _Affixes | None:
    same = _same_start(old[::-1], new[::-1])
    return _Affixes(old[: len(old) - same], new[: len(new) - same], "", "") if same >= _LEAST_CORE else None


def _contained(name: str, lines: str) -> _Affixes | None:
    """What was put before and after a name, if one of the lines holds it as a whole."""
    at = lines.find(name) if len(name) >= _LEAST_CORE else -1
    if at < 0:
        return None
    start, end = lines.rfind("\n", 0, at) + 1, lines.find("\n", at)
    return _Affixes("", lines[start:at], "", lines[at + len(name) : end if end >= 0 else len(lines)])
