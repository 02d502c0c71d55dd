"""Rules on the contract with the dynamic linker: identity, dependencies, versions, imports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolBinding
from soinspect.model.dynamic import VersionFloor
from soinspect.model.finding import Profile, Severity
from soinspect.model.snapshot import DynamicLinking, Snapshot

_LD = "https://man7.org/linux/man-pages/man1/ld.1.html"
_PSABI = "https://gitlab.com/x86-psABIs/x86-64-ABI"
# auditwheel puts the beginning of a SHA-256 into the names of libraries that it copies into a wheel.
_VENDORED = re.compile(r"-[0-9a-f]{8}(?=[.-])")
_LD_SO = "https://man7.org/linux/man-pages/man8/ld.so.8.html"


def _linking(facts: Snapshot) -> DynamicLinking | None:
    return None if isinstance(facts.dynamic, Absent) else facts.dynamic


def _isa_level_raised(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    if old and new and (new.isa_level or 1) > (old.isa_level or 1):
        yield Change(subject="processor", before=f"x86-64-v{old.isa_level or 1}", after=f"x86-64-v{new.isa_level}")


def _soname_changed(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    if old and new and old.soname and new.soname and old.soname != new.soname:
        severity = Severity.INFO if pair.profile is Profile.DLOPEN else None
        yield Change(subject="SONAME", before=old.soname, after=new.soname, severity=severity)


def _soname_dropped(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    if old and new and old.soname and not new.soname:
        severity = Severity.INFO if pair.profile is Profile.DLOPEN else None
        yield Change(subject="SONAME", before=old.soname, severity=severity)


def _needed(pair: Pair) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The libraries that only the old and only the new file needs."""
    old, new = _linking(pair.old), _linking(pair.new)
    if not old or not new:
        return (), ()
    removed = tuple(library for library in old.needed if library not in new.needed)
    return removed, tuple(library for library in new.needed if library not in old.needed)


def _vendored(pair: Pair) -> dict[str, str]:
    """Libraries that are needed under another hash only: old name to new name."""
    removed, added = _needed(pair)
    names = {_without_hash(library): library for library in added}
    renamed = {library: names.get(_without_hash(library)) for library in removed if _VENDORED.search(library)}
    return {before: after for before, after in renamed.items() if after and _VENDORED.search(after)}


def _without_hash(library: str) -> str:
    return _VENDORED.sub("", library, count=1)


def _needed_renamed(pair: Pair) -> Iterator[Change]:
    for before, after in _vendored(pair).items():
        yield Change(subject=_without_hash(before), before=before, after=after)


def _needed_added(pair: Pair) -> Iterator[Change]:
    renamed = _vendored(pair).values()
    yield from (Change(subject=it, after="NEEDED") for it in _needed(pair)[1] if it not in renamed)


def _needed_removed(pair: Pair) -> Iterator[Change]:
    renamed = _vendored(pair)
    yield from (Change(subject=it, before="NEEDED") for it in _needed(pair)[0] if it not in renamed)


def _floor_changes(pair: Pair, *, raised: bool) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    if not old or not new:
        return
    floors = {floor.key: floor for floor in old.version_floors}
    for floor in new.version_floors:
        before = floors.get(floor.key)
        if before is None:
            if raised and floor.library in old.needed:  # a new library is a finding of its own
                yield Change(subject=floor.library, after=floor.version, evidence=_forced_by(floor))
        elif floor.number != before.number and (floor.number > before.number) is raised:
            evidence = _forced_by(floor) if raised else ""
            yield Change(subject=floor.library, before=before.version, after=floor.version, evidence=evidence)


def _forced_by(floor: VersionFloor) -> str:
    return f"forced by {', '.join(floor.symbols[:5])}" if floor.symbols else ""


def _version_raised(pair: Pair) -> Iterator[Change]:
    return _floor_changes(pair, raised=True)


def _version_lowered(pair: Pair) -> Iterator[Change]:
    return _floor_changes(pair, raised=False)


def _import_added(pair: Pair) -> Iterator[Change]:
    if pair.go:  # a Go binary imports what its runtime needs, and the libraries it needs are listed
        return
    old = frozenset(s.symbol.name for s in pair.old.undefined)
    for s in pair.new.undefined:
        # A version names the library that provides it; only an unversioned import may have to come from the host.
        if s.symbol.name not in old and s.symbol.version is None and s.symbol.binding is not SymbolBinding.WEAK:
            yield Change(subject=s.explained.text, after="undefined", evidence=s.symbol.name)


def _import_removed(pair: Pair) -> Iterator[Change]:
    if pair.go:
        return
    new = frozenset(s.symbol.name for s in pair.new.undefined)
    gone = [s for s in pair.old.undefined if s.symbol.name not in new and s.symbol.version is None]
    for s in gone:
        if s.symbol.binding is not SymbolBinding.WEAK:
            yield Change(subject=s.explained.text, before="undefined", evidence=s.symbol.name)


def _hash_style_changed(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    if old and new:
        yield from (
            Change(subject=style, before="present") for style in old.hash_styles if style not in new.hash_styles
        )


def _build_id_dropped(pair: Pair) -> Iterator[Change]:
    if isinstance(pair.old.build_id, str) and isinstance(pair.new.build_id, Absent):
        yield Change(subject="build id", before=pair.old.build_id)


def _producer_changed(pair: Pair) -> Iterator[Change]:
    before, after = pair.old.producers, pair.new.producers
    if before and after and before != after:
        yield Change(subject="compilers", before="; ".join(before), after="; ".join(after))


_rule = ComparisonRule.of

RULES = (
    _rule(
        "elf.isa-level-raised",
        Severity.RISKY,
        "It needs a newer processor",
        "glibc refuses it on older ones ('CPU ISA level is lower than required'); elsewhere it dies with SIGILL.",
        "Compile with the -march of the old file, or install it under glibc-hwcaps/.",
        _PSABI,
        _isa_level_raised,
    ),
    _rule(
        "elf.soname-changed",
        Severity.BREAKING,
        "The SONAME differs",
        "Programs linked against the old file ask for the old SONAME and will not find the new file. A host "
        "that opens it by path is not affected.",
        "Install both, or rebuild the users; keep the SONAME if the interface is the same.",
        _LD_SO,
        _soname_changed,
    ),
    _rule(
        "elf.soname-dropped",
        Severity.RISKY,
        "The SONAME is gone",
        "Programs linked against the new file ask for its file name or path; those linked against the old one find it "
        "only under the old SONAME.",
        "Link with -Wl,-soname,NAME.",
        _LD_SO,
        _soname_dropped,
    ),
    _rule(
        "elf.needed-added",
        Severity.RISKY,
        "A further library is needed",
        "Loading fails where that library is not installed: 'cannot open shared object file'.",
        "Make it a dependency of the package, or link it statically.",
        _LD_SO,
        _needed_added,
    ),
    _rule(
        "elf.verneed-raised",
        Severity.RISKY,
        "A newer version of a library is needed",
        'Loading fails on systems whose library is older: "version `GLIBC_2.34\' not found".',
        "Build on the oldest system that must be served, or avoid the symbols that force it.",
        "https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html",
        _version_raised,
    ),
    _rule(
        "elf.import-added",
        Severity.RISKY,
        "A further symbol must come from elsewhere",
        "No version says which library has it, so a library it needs or the host must export it, or loading "
        "fails with 'undefined symbol'.",
        "Check that the host exports it (-rdynamic), or link the library that defines it.",
        _LD_SO,
        _import_added,
    ),
    _rule(
        "elf.needed-removed",
        Severity.INFO,
        "A library is no longer needed",
        "A program that got that library only through this one loses it.",
        "Nothing, if every program links what it uses itself.",
        _LD_SO,
        _needed_removed,
    ),
    _rule(
        "elf.verneed-lowered",
        Severity.INFO,
        "An older version of a library is enough",
        "The new file loads on more systems than the old one.",
        "Nothing.",
        "https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html",
        _version_lowered,
    ),
    _rule(
        "elf.import-removed",
        Severity.INFO,
        "A symbol no longer has to come from elsewhere",
        "A host that provided it only for this file need not do so any more.",
        "Nothing.",
        _LD_SO,
        _import_removed,
    ),
    _rule(
        "elf.needed-renamed",
        Severity.INFO,
        "A vendored library has another hash in its name",
        "It is the same library in another build, copied beside this file by a packager such as auditwheel.",
        "Ship it beside the new file.",
        _LD_SO,
        _needed_renamed,
    ),
    _rule(
        "elf.hash-style-changed",
        Severity.INFO,
        "A hash table for looking up symbols is gone",
        "glibc, musl and bionic read DT_GNU_HASH; tools and loaders from before 2006 read DT_HASH only.",
        "Link with --hash-style=both if such old loaders must be served.",
        _LD,
        _hash_style_changed,
    ),
    _rule(
        "elf.build-id-dropped",
        Severity.INFO,
        "The build id is gone",
        "Debuggers, crash reporters and debuginfod find separate debug information by it.",
        "Link with --build-id.",
        _LD,
        _build_id_dropped,
    ),
    _rule(
        "info.producer-changed",
        Severity.INFO,
        "Other compilers built it",
        "What differs in code size or symbols may come from the compiler and not from the source.",
        "Nothing.",
        "https://gcc.gnu.org/onlinedocs/gcc/Compatibility.html",
        _producer_changed,
    ),
)
