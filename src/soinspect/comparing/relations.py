"""How the types of an old file relate to those that took their place: both type graphs, walked together.

A named type or typedef is compared where it is first met and not again: what differs inside of it is its own change,
not one of those who use it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import IntEnum

from soinspect.comparing.layouts import LayoutChange, aggregate_changes, enumeration_changes, info
from soinspect.comparing.passing import passed
from soinspect.dwarf.declare import type_text
from soinspect.model.constants import Machine
from soinspect.model.finding import Severity
from soinspect.model.prototype import (
    Aggregate,
    ArrayType,
    BaseType,
    DerivedType,
    Encoding,
    Enumeration,
    FunctionType,
    Member,
    MemberPointer,
    Prototypes,
    Type,
    Typedef,
    UnreadableType,
)

# Typedefs and qualifiers around a type: more than any graph has.
_MAX_WRAPPERS = 100
# How far one type leads to the next before those that can be compared by themselves wait, and before all do.
_MAX_DEPTH_OF_NAMED = 16
_MAX_DEPTH = 80
# New structures that one old structure is compared with: of two hostile graphs each could meet each of the other.
_MAX_SUCCESSORS = 16

# An index into the old file's types, and one into the new file's.
TypePair = tuple[int, int]


class Relation(IntEnum):
    """How a type of the new file stands to the one it replaces, the gravest last."""

    SAME = 0
    SIGNEDNESS = 1
    DIFFERENT = 2


class TypeRelations:
    """The relations of pairs of types, as far as they were asked for.

    ``layouts`` holds the changes inside of each named pair that was met, ``parents`` who refers to a pair, and
    whether by value.
    """

    def __init__(self, old: Prototypes, new: Prototypes, machine: Machine) -> None:
        self._old, self._new, self._machine = old, new, machine
        self._relations: dict[TypePair, Relation] = {}
        self._waiting: list[TypePair] = []
        self._successors: Counter[int] = Counter()
        self.parents: dict[TypePair, list[tuple[TypePair, bool]]] = defaultdict(list)
        self.layouts: dict[TypePair, tuple[LayoutChange, ...]] = {}

    def same(self, pair: TypePair) -> TypePair:
        """The pair without what changes neither layout nor calls: qualifiers, and typedefs unless both have one."""
        old, new = pair
        for _ in range(_MAX_WRAPPERS):
            old, new = _unqualified(self._old, old), _unqualified(self._new, new)
            before, after = self._old.types[old], self._new.types[new]
            if isinstance(before, Typedef) and isinstance(after, Typedef):
                if before.name == after.name:
                    break
                old, new = before.target, after.target
            elif isinstance(before, Typedef):
                old = before.target
            elif isinstance(after, Typedef):
                new = after.target
            else:
                break
        return old, new

    def relate(self, pair: TypePair) -> Relation:
        """How the types of a pair relate; differences inside of named types are theirs, not this one's."""
        relation = self._relate(pair, 0)
        while self._waiting:
            pair = self._waiting.pop()
            self._relations[pair] = self._compare(pair, 1)
        return relation

    def _relate(self, pair: TypePair, depth: int) -> Relation:
        if pair not in self._relations:
            self._relations[pair] = Relation.SAME  # for the types that lead back to themselves
            self._successors[pair[0]] += 1
            if self._successors[pair[0]] > _MAX_SUCCESSORS and isinstance(self._old.types[pair[0]], Aggregate):
                self._relations[pair] = Relation.DIFFERENT
            elif depth < (_MAX_DEPTH_OF_NAMED if self._is_twin(pair) else _MAX_DEPTH):
                self._relations[pair] = self._compare(pair, depth + 1)
            else:
                self._waiting.append(pair)
        return self._relations[pair]

    def _is_twin(self, pair: TypePair) -> bool:
        """Whether both are a structure of the same name: what changed inside of it concerns nobody who uses it."""
        old, new = self._old.types[pair[0]], self._new.types[pair[1]]
        if not isinstance(old, Aggregate) or not isinstance(new, Aggregate):
            return False
        return old.name is not None and (old.kind, old.name) == (new.kind, new.name)

    def _child(self, parent: TypePair, child: TypePair, depth: int, *, by_value: bool) -> Relation:
        child = self.same(child)
        self.parents[child].append((parent, by_value))
        return self._relate(child, depth)

    def _compare(self, pair: TypePair, depth: int) -> Relation:
        old, new = self._old.types[pair[0]], self._new.types[pair[1]]
        if isinstance(old, Typedef) and isinstance(new, Typedef):
            return self._compare_typedefs(pair, old, new, depth)
        if isinstance(old, UnreadableType) or isinstance(new, UnreadableType):
            return Relation.SAME
        if type(old) is not type(new):
            return Relation.DIFFERENT
        match old, new:
            case BaseType(), BaseType():
                return _relate_bases(old, new)
            case DerivedType(), DerivedType():
                relation = self._child(pair, (old.target, new.target), depth, by_value=False)
                return relation if old.derivation is new.derivation else Relation.DIFFERENT
            case MemberPointer(), MemberPointer():
                return self._child(pair, (old.target, new.target), depth, by_value=False)
            case ArrayType(), ArrayType():
                relation = self._child(pair, (old.element, new.element), depth, by_value=True)
                same_shape = (old.dimensions, old.vector) == (new.dimensions, new.vector)
                return relation if same_shape else Relation.DIFFERENT
            case FunctionType(), FunctionType():
                return self._compare_signatures(pair, old, new, depth)
            case Enumeration(), Enumeration():
                return self._compare_enumerations(pair, old, new)
            case Aggregate(), Aggregate():
                return self._compare_aggregates(pair, old, new, depth)
            case _:
                pass
        return Relation.SAME

    def _compare_signatures(self, pair: TypePair, old: FunctionType, new: FunctionType, depth: int) -> Relation:
        if old.variadic is not new.variadic or len(old.parameters) != len(new.parameters):
            return Relation.DIFFERENT
        parts = [(old.result, new.result)]
        parts += ((a.type, b.type) for a, b in zip(old.parameters, new.parameters, strict=True))
        return max(self._child(pair, part, depth, by_value=True) for part in parts)

    def _compare_typedefs(self, pair: TypePair, old: Typedef, new: Typedef, depth: int) -> Relation:
        """What a typedef stands for is one cause, whatever it reaches."""
        target = self.same((old.target, new.target))
        relation = self._child(pair, target, depth, by_value=True)
        texts = type_text(self._old, target[0]), type_text(self._new, target[1])
        if relation is Relation.SAME:
            bases = (self._old.types[target[0]], self._new.types[target[1]])
            if all(isinstance(base, BaseType) for base in bases) and texts[0] != texts[1]:
                self.layouts[pair] = (info("dwarf.typedef-changed", *texts),)
            return Relation.SAME
        severity = Severity.RISKY if relation is Relation.SIGNEDNESS else Severity.BREAKING
        self.layouts[pair] = (
            LayoutChange(
                rule="dwarf.callback-signature-changed" if self.is_callback(target) else "dwarf.typedef-changed",
                severity_by_value=severity,
                severity_by_pointer=severity,
                before=texts[0],
                after=texts[1],
            ),
        )
        return Relation.SAME

    def _compare_enumerations(self, pair: TypePair, old: Enumeration, new: Enumeration) -> Relation:
        changes = tuple(enumeration_changes(old, new))
        if old.name != new.name:
            if changes:
                return Relation.DIFFERENT
            changes = (info("dwarf.type-renamed", old.name, new.name),)
        self.layouts[pair] = changes
        return Relation.SAME

    def _compare_aggregates(self, pair: TypePair, old: Aggregate, new: Aggregate, depth: int) -> Relation:
        renamed = old.name != new.name
        if (old.kind == "union") is not (new.kind == "union"):
            return Relation.DIFFERENT
        if old.size is None or new.size is None:
            # Opaque on one side: nobody outside can rely on its layout.
            return Relation.DIFFERENT if renamed else Relation.SAME

        def differing(one: Member, other: Member) -> bool:
            return self._child(pair, (one.type, other.type), depth, by_value=True) is Relation.DIFFERENT

        for base, twin in zip(old.bases, new.bases, strict=False):
            self._child(pair, (base.type, twin.type), depth, by_value=True)
        changes = tuple(aggregate_changes(self._old, old, self._new, new, differing))
        if renamed and changes:
            return Relation.DIFFERENT
        if renamed:
            changes = (info("dwarf.type-renamed", type_text(self._old, pair[0]), type_text(self._new, pair[1])),)
        self.layouts[pair] = changes + self._passing_changes(pair, old, new)
        return Relation.SAME

    def _passing_changes(self, pair: TypePair, old: Aggregate, new: Aggregate) -> tuple[LayoutChange, ...]:
        before, after = passed(self._old, pair[0], old, self._machine), passed(self._new, pair[1], new, self._machine)
        if before == after:
            return ()
        return (
            LayoutChange(
                rule="dwarf.passing-class-changed",
                severity_by_value=Severity.BREAKING,
                severity_by_pointer=Severity.INFO,
                of_passing=True,
                before=before or "by value",
                after=after or "by value",
            ),
        )

    def is_callback(self, pair: TypePair) -> bool:
        """Whether both types are pointers to functions."""
        return all(
            isinstance(it, DerivedType) and isinstance(_stripped(side, it.target), FunctionType)
            for side, index in zip((self._old, self._new), pair, strict=True)
            for it in (_stripped(side, index),)
        )


def _unqualified(side: Prototypes, index: int) -> int:
    """The type behind qualifiers such as const."""
    for _ in range(_MAX_WRAPPERS):
        found = side.types[index]
        if not (isinstance(found, DerivedType) and found.derivation.qualifies):
            break
        index = found.target
    return index


def _strip(side: Prototypes, index: int) -> int:
    """The type behind typedefs and qualifiers, which change neither layout nor calls."""
    for _ in range(_MAX_WRAPPERS):
        index = _unqualified(side, index)
        found = side.types[index]
        if not isinstance(found, Typedef):
            break
        index = found.target
    return index


def _stripped(side: Prototypes, index: int) -> Type:
    return side.types[_strip(side, index)]


_INTEGERS = frozenset(
    {
        Encoding.SIGNED,
        Encoding.UNSIGNED,
        Encoding.SIGNED_CHAR,
        Encoding.UNSIGNED_CHAR,
        Encoding.UTF,
        Encoding.BOOLEAN,
        Encoding.ADDRESS,
    }
)


def _relate_bases(old: BaseType, new: BaseType) -> Relation:
    if old.size != new.size:
        return Relation.DIFFERENT
    if old.encoding is new.encoding:
        return Relation.SAME
    if old.encoding in _INTEGERS and new.encoding in _INTEGERS:
        return Relation.SIGNEDNESS
    return Relation.DIFFERENT
