"""How the types that two files' exports reach differ: each changed type once, with the exports it reaches.

Both type graphs are walked together from every export that both files have. A named type is compared where it is
first met and not again; which exports it reaches, and whether by value or only behind pointers, is asked
afterwards of the changed types alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import IntEnum

from soinspect.compare.change import Change
from soinspect.compare.layouts import LayoutChange, aggregate_changes, enumeration_changes
from soinspect.dwarf.declare import layout_lines, type_text
from soinspect.model.finding import Severity
from soinspect.model.prototype import (
    Aggregate,
    ArrayType,
    BaseType,
    DerivedType,
    Encoding,
    Enumeration,
    ExportedFunction,
    FunctionType,
    Member,
    MemberPointer,
    Prototypes,
    Type,
    Typedef,
    UnreadableType,
)

_FEW = 5
_MAX_DEPTH = 200
_MAX_LAYOUT = 2000

# An index into the old file's types, and one into the new file's.
TypePair = tuple[int, int]


class Relation(IntEnum):
    """How a type of the new file stands to the one it replaces, the gravest last."""

    SAME = 0
    SIGNEDNESS = 1
    DIFFERENT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChange:
    """A change of an export or of a type it reaches: the id of the rule that reports it, and what it says."""

    rule: str
    change: Change


class TypeComparison:
    """The types of an old and a new file, compared."""

    def __init__(self, old: Prototypes, new: Prototypes) -> None:
        self._old, self._new = old, new
        self._relations: dict[TypePair, Relation] = {}
        self._parents: dict[TypePair, list[tuple[TypePair, bool]]] = defaultdict(list)
        self._started_by: dict[TypePair, list[tuple[str, bool]]] = defaultdict(list)
        self._layouts: dict[TypePair, tuple[LayoutChange, ...]] = {}

    def changes(self) -> Iterator[TypeChange]:
        """All changes: first those of the exports themselves, then those of the types they reach."""
        functions = {(f.symbol, f.version): f for f in self._new.functions}
        for function in self._old.functions:
            other = functions.get((function.symbol, function.version))
            if other is not None:
                yield from self._function(function, other)
        variables = {(v.symbol, v.version): v for v in self._new.variables}
        for variable in self._old.variables:
            twin = variables.get((variable.symbol, variable.version))
            if twin is not None:
                pair = (variable.type, twin.type)
                self._started_by[pair].append((variable.name, True))
                if self._relate(pair) is not Relation.SAME:
                    yield self._spelled("dwarf.var-type-changed", variable.name, pair)
        for pair in list(self._layouts):
            yield from self._type_changes(pair)

    # -- exports ---------------------------------------------------------------------------------------------

    def _function(self, old: ExportedFunction, new: ExportedFunction) -> Iterator[TypeChange]:
        before, after = old.signature, new.signature
        result = (before.result, after.result)
        self._start(old.name, result)
        relation = self._relate(result)
        if relation is not Relation.SAME:
            yield self._spelled("dwarf.func-return-changed", f"{old.name}: result", result, relation)
        if before.prototyped and after.prototyped:
            yield from self._parameters(old.name, before, after)
        if before.variadic is not after.variadic:
            words = ("variadic", "not variadic")
            yield TypeChange(
                rule="dwarf.func-variadic-changed",
                change=Change(subject=old.name, before=words[not before.variadic], after=words[not after.variadic]),
            )

    def _parameters(self, name: str, before: FunctionType, after: FunctionType) -> Iterator[TypeChange]:
        old, new = before.parameters, after.parameters
        for number, (one, other) in enumerate(zip(old, new, strict=False), 1):
            pair = (one.type, other.type)
            self._start(name, pair)
            relation = self._relate(pair)
            if relation is not Relation.SAME:
                label = f"{name}: parameter {number}{f' ({one.name})' if one.name else ''}"
                rule = "dwarf.func-param-type-changed"
                if self._is_callback(pair):
                    rule = "dwarf.callback-signature-changed"
                yield self._spelled(rule, label, pair, relation)
        for extra in new[len(old) :]:
            text = type_text(self._new, extra.type, extra.name or "")
            yield TypeChange(rule="dwarf.func-param-added", change=Change(subject=name, after=text))
        for lost in old[len(new) :]:
            text = type_text(self._old, lost.type, lost.name or "")
            yield TypeChange(rule="dwarf.func-param-removed", change=Change(subject=name, before=text))

    def _start(self, name: str, pair: TypePair) -> None:
        self._started_by[pair].append((name, True))

    def _spelled(self, rule: str, subject: str, pair: TypePair, relation: Relation = Relation.DIFFERENT) -> TypeChange:
        before, after = type_text(self._old, pair[0]), type_text(self._new, pair[1])
        severity = Severity.RISKY if relation is Relation.SIGNEDNESS else None
        return TypeChange(rule=rule, change=Change(subject=subject, before=before, after=after, severity=severity))

    def _is_callback(self, pair: TypePair) -> bool:
        return all(
            isinstance(it, DerivedType) and isinstance(_stripped(side, it.target), FunctionType)
            for side, index in zip((self._old, self._new), pair, strict=True)
            for it in (_stripped(side, index),)
        )

    # -- the walk --------------------------------------------------------------------------------------------

    def _relate(self, pair: TypePair, depth: int = 0) -> Relation:
        """How the types of a pair relate; differences inside of named types are theirs, not this one's."""
        if pair not in self._relations:
            self._relations[pair] = Relation.SAME  # for the types that lead back to themselves
            if depth < _MAX_DEPTH:
                self._relations[pair] = self._compare(pair, depth + 1)
        return self._relations[pair]

    def _child(self, parent: TypePair, child: TypePair, depth: int, *, by_value: bool) -> Relation:
        self._parents[child].append((parent, by_value))
        return self._relate(child, depth)

    def _compare(self, pair: TypePair, depth: int) -> Relation:
        old, new = _stripped(self._old, pair[0]), _stripped(self._new, pair[1])
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
                if old.name != new.name:
                    return Relation.DIFFERENT
                self._layouts[pair] = tuple(enumeration_changes(old, new))
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

    def _compare_aggregates(self, pair: TypePair, old: Aggregate, new: Aggregate, depth: int) -> Relation:
        if (old.name, old.kind == "union") != (new.name, new.kind == "union"):
            return Relation.DIFFERENT
        if old.size is None or new.size is None:
            return Relation.SAME  # opaque on one side: nobody outside can rely on its layout

        def differing(one: Member, other: Member) -> bool:
            return self._child(pair, (one.type, other.type), depth, by_value=True) is Relation.DIFFERENT

        for base, twin in zip(old.bases, new.bases, strict=False):
            self._child(pair, (base.type, twin.type), depth, by_value=True)
        changes = tuple(aggregate_changes(self._old, old, self._new, new, differing))
        if old.name is None:
            return Relation.DIFFERENT if changes else Relation.SAME
        self._layouts[pair] = changes
        return Relation.SAME

    # -- types -----------------------------------------------------------------------------------------------

    def _type_changes(self, pair: TypePair) -> Iterator[TypeChange]:
        changes = self._layouts[pair]
        if not changes:
            return
        exports, by_value = self._reached_by(pair)
        how = "by value" if by_value else "only behind pointers"
        more = f" and {len(exports) - _FEW} more" if len(exports) > _FEW else ""
        reach = f"reached {how} by {', '.join(exports[:_FEW])}{more}"
        layout = self._layout_difference(pair)
        for number, change in enumerate(changes):
            yield TypeChange(
                rule=change.rule,
                change=Change(
                    subject=type_text(self._old, _strip(self._old, pair[0])),
                    before=change.before,
                    after=change.after,
                    evidence=f"{change.evidence + '; ' if change.evidence else ''}{reach}",
                    severity=change.severity_by_value if by_value else change.severity_by_pointer,
                    layout=layout if number == 0 else (),
                ),
            )

    def _layout_difference(self, pair: TypePair) -> tuple[str, ...]:
        """The type as it was and as it is, in one list of lines; nothing where both look the same."""
        sides = ((self._old, pair[0]), (self._new, pair[1]))
        old, new = (layout_lines(side, _strip(side, index)) for side, index in sides)
        if old == new or len(old) + len(new) > _MAX_LAYOUT:
            return ()
        width = max(len(line.place) for line in (*old, *new))
        lines: list[str] = []
        for _, i, j, k, m in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
            marks = (" ",) if old[i:j] == new[k:m] else ("-", "+")
            for mark, part in zip(marks, (old[i:j], new[k:m]), strict=False):
                lines += (f"{mark} {line.place:>{width}}  {line.text}" for line in part)
        return tuple(lines)

    def _reached_by(self, pair: TypePair) -> tuple[list[str], bool]:
        """The exports that reach a type, in order, and whether any of them does by value all the way."""
        exports: dict[str, None] = {}
        any_by_value = False
        seen: set[tuple[TypePair, bool]] = set()
        todo = [(pair, True)]
        while todo:
            current, by_value = todo.pop()
            if (current, by_value) in seen:
                continue
            seen.add((current, by_value))
            for name, started_by_value in self._started_by.get(current, ()):
                exports[name] = None
                any_by_value |= by_value and started_by_value
            todo += ((parent, by_value and edge) for parent, edge in self._parents.get(current, ()))
        return sorted(exports), any_by_value


def _strip(side: Prototypes, index: int) -> int:
    """The type behind typedefs and qualifiers, which change neither layout nor calls."""
    for _ in range(_MAX_DEPTH):
        found = side.types[index]
        if not isinstance(found, Typedef) and not (isinstance(found, DerivedType) and found.derivation.qualifies):
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
