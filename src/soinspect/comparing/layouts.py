"""What changed inside of one type: members, bases, virtual methods, enumerators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from soinspect.comparing.tailpadding import end_of, may_hold_members_of_others, tail_start
from soinspect.dwarf.declare import type_text
from soinspect.model.finding import Severity
from soinspect.model.lateclass import dataclass
from soinspect.model.prototype import Aggregate, Enumeration, Member, Prototypes
from soinspect.model.texts import count

# The last name of an enumeration that only counts the others: nobody's data holds it.
_SENTINELS = ("count", "max", "last", "end", "num", "size", "sentinel")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutChange:
    """One change inside of a type, and how grave it is for those who hold the type by value, or only a pointer.

    ``of_passing`` tells a change that matters only where functions take or return the type by value, ``shift`` one
    that a member of another size would explain.
    """

    rule: str
    severity_by_value: Severity
    severity_by_pointer: Severity
    of_passing: bool = False
    shift: bool = False
    before: str | None = None
    after: str | None = None
    evidence: str = ""


def info(rule: str, before: str | None, after: str | None) -> LayoutChange:
    """A change that no compiled code notices."""
    both = Severity.INFO
    return LayoutChange(rule=rule, severity_by_value=both, severity_by_pointer=both, before=before, after=after)


def _breaking(rule: str, before: str | None, after: str | None, evidence: str = "") -> LayoutChange:
    both = Severity.BREAKING
    return LayoutChange(
        rule=rule, severity_by_value=both, severity_by_pointer=both, before=before, after=after, evidence=evidence
    )


def aggregate_changes(
    old_side: Prototypes,
    old: Aggregate,
    new_side: Prototypes,
    new: Aggregate,
    differing: Callable[[Member, Member], bool],
) -> Iterator[LayoutChange]:
    """What changed from ``old`` to ``new``; ``differing`` tells whether the types of two members differ."""
    before = {member.name: member for member in old.members if member.name}
    after = {member.name: member for member in new.members if member.name}
    gone = [member for name, member in before.items() if name not in after]
    fresh = [member for name, member in after.items() if name not in before]
    renamed = _renamed(gone, fresh, differing)
    gone = [member for member in gone if member not in renamed]
    taken = set(renamed.values())
    fresh = [member for member in fresh if member not in taken]
    retyped = [name for name in before if name in after and differing(before[name], after[name])]
    moved = [name for name in before if name in after and _place(before[name]) != _place(after[name])]
    # Growing at the end leaves every member where it was: who only holds a pointer does not notice.
    grown_only = not gone and not moved and not retyped and not renamed
    if old.size != new.size:
        yield LayoutChange(
            rule="dwarf.type-size-changed",
            severity_by_value=Severity.BREAKING,
            severity_by_pointer=Severity.RISKY if grown_only else Severity.BREAKING,
            before=_bytes(old.size),
            after=_bytes(new.size),
            evidence=_summary(gone, fresh, moved),
            shift=not (gone or fresh or retyped or renamed),
        )
    elif fresh and not (gone or moved or retyped):
        yield from _filled(old_side, old, new_side, fresh)
    if gone:
        places = {_place(member) for member in gone}
        instead = [member for member in fresh if _place(member) in places]
        yield _breaking("dwarf.member-removed", _named(old_side, gone), _named(new_side, instead) or None)
    if moved:
        yield replace(_moved(before, after, moved), shift=not (gone or fresh or retyped or renamed))
    for name in sorted(retyped):
        one, other = type_text(old_side, before[name].type, name), type_text(new_side, after[name].type, name)
        yield _breaking("dwarf.member-type-changed", one, other)
    for name, member in before.items():
        twin = after.get(name)
        if twin is not None and member.bit_size != twin.bit_size:
            yield _breaking("dwarf.bitfield-changed", f"{name}: {_bits(member)}", f"{name}: {_bits(twin)}")
    for member, twin in renamed.items():
        yield info("dwarf.member-renamed", member.name, twin.name)
    if old.alignment != new.alignment:
        before_text, after_text = (_bytes(it.alignment) if it.alignment else "its natural one" for it in (old, new))
        yield _breaking("dwarf.alignment-changed", before_text, after_text)
    yield from _class_changes(old_side, old, new_side, new)


def _filled(old_side: Prototypes, old: Aggregate, new_side: Prototypes, fresh: list[Member]) -> Iterator[LayoutChange]:
    """New members in bytes that were unused: harmless, unless others may have put theirs there."""
    start = tail_start(old_side, old)
    in_tail: list[Member] = []
    if may_hold_members_of_others(old_side, old):
        in_tail = [member for member in fresh if (end := end_of(new_side, member)) is not None and end > start]
    within = [member for member in fresh if member not in in_tail]
    if in_tail:
        why = "a class derived from it may keep its own first member in these bytes"
        yield _breaking("dwarf.tail-padding-filled", None, _named(new_side, in_tail), why)
    if within:
        yield LayoutChange(
            rule="dwarf.member-added",
            severity_by_value=Severity.COMPATIBLE,
            severity_by_pointer=Severity.COMPATIBLE,
            after=_named(new_side, within),
            evidence="it fills a hole",
        )


def _bytes(size: int | None) -> str:
    return "unknown" if size is None else count(size, "byte")


def _place(member: Member) -> tuple[int | None, int | None]:
    return (None, member.bit_offset) if member.bit_size is not None else (member.offset, None)


def _renamed(
    gone: list[Member], fresh: list[Member], differing: Callable[[Member, Member], bool]
) -> dict[Member, Member]:
    """Members that only changed their name: same place, type and size of bit-field."""
    places = {(_place(member), member.bit_size): member for member in fresh}
    pairs = ((member, places.get((_place(member), member.bit_size))) for member in gone)
    return {member: twin for member, twin in pairs if twin is not None and not differing(member, twin)}


def _summary(gone: list[Member], fresh: list[Member], moved: list[str]) -> str:
    parts = [f"new: {', '.join(m.name or '' for m in fresh)}"] if fresh else []
    parts += [f"gone: {', '.join(m.name or '' for m in gone)}"] if gone else []
    parts += [f"moved: {len(moved)}"] if moved else []
    return "; ".join(parts)


def _named(side: Prototypes, members: list[Member]) -> str:
    return ", ".join(f"{type_text(side, m.type, m.name or '')} at {_at(m)}" for m in members)


def _at(member: Member) -> str:
    if member.bit_size is not None:
        return f"bit {member.bit_offset}"
    return "?" if member.offset is None else str(member.offset)


def _bits(member: Member) -> str:
    return "no bit-field" if member.bit_size is None else f"{member.bit_size} bits"


def _moved(before: dict[str, Member], after: dict[str, Member], moved: list[str]) -> LayoutChange:
    """Members in other places: one finding, since one insertion moves all that follow."""
    first = moved[0]
    steps = {(after[n].offset or 0) - (before[n].offset or 0) for n in moved}
    step = f"{steps.pop():+d} bytes" if len(steps) == 1 else "by different steps"
    return _breaking(
        "dwarf.member-moved",
        f"{first} at {_at(before[first])}",
        f"{first} at {_at(after[first])}",
        evidence=f"{len(moved)} moved {step}: {', '.join(moved[:5])}" if len(moved) > 1 else "",
    )


def _class_changes(
    old_side: Prototypes, old: Aggregate, new_side: Prototypes, new: Aggregate
) -> Iterator[LayoutChange]:
    """What only C++ classes have."""
    bases = [
        [f"{'virtual ' if base.virtual else ''}{type_text(side, base.type)} at {base.offset}" for base in it.bases]
        for side, it in ((old_side, old), (new_side, new))
    ]
    if bases[0] != bases[1]:
        before, after = (", ".join(it) or "no base" for it in bases)
        yield _breaking("dwarf.base-class-changed", before, after)
    slots = [{(m.linkage_name or m.name): m.slot for m in it.virtual_methods} for it in (old, new)]
    shared = [name for name in slots[0] if name in slots[1]]
    lost = [name for name in slots[0] if name not in slots[1]]
    shifted = [name for name in shared if slots[0][name] != slots[1][name]]
    if lost or shifted or len(slots[0]) != len(slots[1]):
        yield _breaking(
            "dwarf.vtable-changed",
            f"{len(slots[0])} virtual methods",
            f"{len(slots[1])} virtual methods",
            evidence="; ".join(
                f"{what}: {', '.join(names[:5])}" for what, names in (("gone", lost), ("other slot", shifted)) if names
            ),
        )


def enumeration_changes(old: Enumeration, new: Enumeration) -> Iterator[LayoutChange]:
    """What changed from one enumeration to the other."""
    if old.size is None or new.size is None:
        return
    if old.size != new.size:
        yield _breaking("dwarf.enum-underlying-changed", count(old.size, "byte"), count(new.size, "byte"))
    before, after = ({e.name: e.value for e in it.enumerators} for it in (old, new))
    for name, value in before.items():
        if name not in after:
            yield LayoutChange(
                rule="dwarf.enumerator-removed",
                severity_by_value=Severity.RISKY,
                severity_by_pointer=Severity.RISKY,
                before=f"{name} = {value}",
            )
        elif after[name] != value:
            counts = name.lower().rpartition("_")[2] in _SENTINELS
            severity = Severity.RISKY if counts else Severity.BREAKING
            yield LayoutChange(
                rule="dwarf.enum-value-changed",
                severity_by_value=severity,
                severity_by_pointer=severity,
                before=f"{name} = {value}",
                after=f"{name} = {after[name]}",
            )
    fresh = [f"{name} = {value}" for name, value in after.items() if name not in before]
    if fresh:
        yield LayoutChange(
            rule="dwarf.enumerator-added",
            severity_by_value=Severity.COMPATIBLE,
            severity_by_pointer=Severity.COMPATIBLE,
            after=", ".join(fresh),
        )
