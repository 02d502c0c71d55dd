"""Rules on the contract with the dynamic linker: identity, dependencies, versions, imports."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.compare.change import Change
from soinspect.compare.pair import ComparisonRule, Pair
from soinspect.model.absence import Absent
from soinspect.model.dynamic import VersionFloor
from soinspect.model.finding import Profile, Rule, Severity
from soinspect.model.snapshot import DynamicLinking, Snapshot

_LD_SO = "https://man7.org/linux/man-pages/man8/ld.so.8.html"


def _linking(facts: Snapshot) -> DynamicLinking | None:
    return None if isinstance(facts.dynamic, Absent) else facts.dynamic


def _machine_changed(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.header, pair.new.header
    before, after = (f"{h.machine.name} {h.elf_class.name} {h.byteorder}-endian" for h in (old, new))
    if before != after:
        yield Change(subject="machine", before=before, after=after)


def _soname_changed(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    if old and new and old.soname and old.soname != new.soname:
        severity = Severity.INFO if pair.profile is Profile.DLOPEN else None
        yield Change(subject="SONAME", before=old.soname, after=new.soname, severity=severity)


def _needed_added(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    for library in new.needed if old and new else ():
        if old and library not in old.needed:
            yield Change(subject=library, after="NEEDED")


def _needed_removed(pair: Pair) -> Iterator[Change]:
    old, new = _linking(pair.old), _linking(pair.new)
    for library in old.needed if old and new else ():
        if new and library not in new.needed:
            yield Change(subject=library, before="NEEDED")


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
        if s.symbol.name not in old and s.symbol.version is None and s.symbol.binding.name != "WEAK":
            yield Change(subject=s.explained.text, after="undefined", evidence=s.symbol.name)


RULES = (
    ComparisonRule(
        rule=Rule(
            id="elf.machine-changed",
            title="The file is for another machine",
            severity=Severity.BREAKING,
            why="The loader refuses an object whose machine, class or byte order is not its own.",
            fix="Build for the machine of the host.",
            reference="https://www.sco.com/developers/gabi/latest/ch4.eheader.html",
        ),
        find=_machine_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.soname-changed",
            title="The SONAME differs",
            severity=Severity.BREAKING,
            why="Programs linked against the old file ask for the old SONAME and will not find the new file. A host "
            "that opens it by path is not affected.",
            fix="Install both, or rebuild the users; keep the SONAME if the interface is the same.",
            reference=_LD_SO,
        ),
        find=_soname_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.needed-added",
            title="A further library is needed",
            severity=Severity.RISKY,
            why="Loading fails where that library is not installed: 'cannot open shared object file'.",
            fix="Make it a dependency of the package, or link it statically.",
            reference=_LD_SO,
        ),
        find=_needed_added,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.verneed-raised",
            title="A newer version of a library is needed",
            severity=Severity.RISKY,
            why='Loading fails on systems whose library is older: "version `GLIBC_2.34\' not found".',
            fix="Build on the oldest system that must be served, or avoid the symbols that force it.",
            reference="https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html",
        ),
        find=_version_raised,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.import-added",
            title="A further symbol must come from elsewhere",
            severity=Severity.RISKY,
            why="No version says which library has it, so a library it needs or the host must export it, or loading "
            "fails with 'undefined symbol'.",
            fix="Check that the host exports it (-rdynamic), or link the library that defines it.",
            reference=_LD_SO,
        ),
        find=_import_added,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.needed-removed",
            title="A library is no longer needed",
            severity=Severity.INFO,
            why="A program that got that library only through this one loses it.",
            fix="Nothing, if every program links what it uses itself.",
            reference=_LD_SO,
        ),
        find=_needed_removed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.verneed-lowered",
            title="An older version of a library is enough",
            severity=Severity.INFO,
            why="The new file loads on more systems than the old one.",
            fix="Nothing.",
            reference="https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html",
        ),
        find=_version_lowered,
    ),
)
