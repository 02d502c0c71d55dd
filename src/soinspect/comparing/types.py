"""How the types that two files' exports reach differ: each changed type once, with the exports it reaches.

Both type graphs are walked together from every export that both files have. A named type is compared where it is
first met and not again; which exports it reaches, and whether by value or only behind pointers, is asked
afterwards of the changed types alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from soinspect.comparing.change import Change, TypeChange
from soinspect.comparing.relations import Relation, TypePair, TypeRelations
from soinspect.comparing.sidebyside import side_by_side
from soinspect.comparing.wording import few
from soinspect.dwarf.declare import layout_lines, type_text
from soinspect.model.constants import Machine
from soinspect.model.finding import Severity
from soinspect.model.prototype import (
    Aggregate,
    Enumeration,
    ExportedFunction,
    ExportedVariable,
    FunctionType,
    Parameter,
    Prototypes,
    Typedef,
)

_Described = TypeVar("_Described", ExportedFunction, ExportedVariable)


class TypeComparison:
    """The types of an old and a new file, compared."""

    def __init__(self, old: Prototypes, new: Prototypes, machine: Machine) -> None:
        self._old, self._new = old, new
        self._relations = TypeRelations(old, new, machine)
        self._started_by: dict[TypePair, list[str]] = defaultdict(list)
        self._passed: set[TypePair] = set()

    def changes(self) -> Iterator[TypeChange]:
        """All changes: first those of the exports themselves, then those of the types they reach."""
        for function, other in _twins(self._old.functions, self._new.functions):
            yield from self._function(function, other)
        for variable, twin in _twins(self._old.variables, self._new.variables):
            pair = (variable.type, twin.type)
            relation = self._start(variable.name, pair)
            if relation is not Relation.SAME:
                yield self._spelled("dwarf.var-type-changed", variable.name, pair, relation)
        shifted = self._shifted()
        following = {pair for pairs in shifted.values() for pair in pairs}
        for pair in self._relations.layouts:
            if pair not in following:
                yield from self._type_changes(pair, shifted.get(pair, ()))

    # -- exports ---------------------------------------------------------------------------------------------

    def _function(self, old: ExportedFunction, new: ExportedFunction) -> Iterator[TypeChange]:
        before, after = old.signature, new.signature
        result = (before.result, after.result)
        relation = self._start(old.name, result, passed=True)
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
            relation = self._start(name, pair, passed=True)
            if relation is not Relation.SAME:
                label = f"{name}: parameter {number}{f' ({one.name})' if one.name else ''}"
                rule = "dwarf.func-param-type-changed"
                if self._relations.is_callback(pair):
                    rule = "dwarf.callback-signature-changed"
                yield self._spelled(rule, label, pair, relation)
        yield from _renamed_parameters(name, old, new)
        for extra in new[len(old) :]:
            text = type_text(self._new, extra.type, extra.name or "")
            yield TypeChange(rule="dwarf.func-param-added", change=Change(subject=name, after=text))
        for lost in old[len(new) :]:
            text = type_text(self._old, lost.type, lost.name or "")
            yield TypeChange(rule="dwarf.func-param-removed", change=Change(subject=name, before=text))

    def _start(self, name: str, pair: TypePair, *, passed: bool = False) -> Relation:
        """Begin to walk at an export; ``passed`` tells that it takes or returns values of the type."""
        pair = self._relations.same(pair)
        self._started_by[pair].append(name)
        if passed:
            self._passed.add(pair)
        return self._relations.relate(pair)

    def _spelled(self, rule: str, subject: str, pair: TypePair, relation: Relation = Relation.DIFFERENT) -> TypeChange:
        before, after = type_text(self._old, pair[0]), type_text(self._new, pair[1])
        severity = Severity.RISKY if relation is Relation.SIGNEDNESS else None
        return TypeChange(rule=rule, change=Change(subject=subject, before=before, after=after, severity=severity))

    # -- types -----------------------------------------------------------------------------------------------

    def _shifted(self) -> dict[TypePair, list[TypePair]]:
        """For each type that changed its size: those that changed only because they hold it by value."""
        layouts, parents = self._relations.layouts, self._relations.parents
        shifts = {
            pair for pair, changes in layouts.items() if changes and all(it.shift or it.of_passing for it in changes)
        }
        found: dict[TypePair, list[TypePair]] = defaultdict(list)
        seen: set[TypePair] = set()
        for root, changes in layouts.items():
            todo = [root] if root not in shifts and any(it.rule == "dwarf.type-size-changed" for it in changes) else []
            while todo:
                for parent, by_value in parents.get(todo.pop(), ()):
                    # Arrays, typedefs and unnamed structures only lead to who holds them.
                    if by_value and parent not in seen and (parent in shifts or not layouts.get(parent)):
                        seen.add(parent)
                        todo.append(parent)
                        if parent in shifts:
                            found[root].append(parent)
        return found

    def _type_changes(self, pair: TypePair, shifted: Sequence[TypePair]) -> Iterator[TypeChange]:
        is_passed = pair in self._passed or any(parent in self._passed for parent in self._typedefs_of(pair))
        changes = [change for change in self._relations.layouts[pair] if is_passed or not change.of_passing]
        if not changes:
            return
        exports, by_value = self._reached_by(pair)
        how = "by value" if by_value else "only behind pointers"
        reach = [f"reached {how} by {few(exports)}"]
        if shifted:
            reach.append(f"shifts what follows it in {few([self._name(it) for it in shifted])}")
        layout = self._layout_difference(pair)
        for number, change in enumerate(changes):
            severity = change.severity_by_value if by_value or shifted else change.severity_by_pointer
            yield TypeChange(
                rule=change.rule,
                change=Change(
                    subject=self._name(pair),
                    before=change.before,
                    after=change.after,
                    evidence="; ".join((*filter(None, (change.evidence,)), *reach)),
                    severity=severity,
                    layout=layout if number == 0 else (),
                ),
            )

    def _typedefs_of(self, pair: TypePair) -> list[TypePair]:
        """The typedefs of a type, and theirs."""
        found: list[TypePair] = []
        todo = [pair]
        while todo:
            for parent, _ in self._relations.parents.get(todo.pop(), ()):
                if isinstance(self._old.types[parent[0]], Typedef):
                    found.append(parent)
                    todo.append(parent)
        return found

    def _name(self, pair: TypePair) -> str:
        """How the programmer calls a type: by its typedef, if it has no name of its own."""
        found = self._old.types[pair[0]]
        if isinstance(found, Aggregate | Enumeration) and found.name is None:
            pair = next(iter(self._typedefs_of(pair)), pair)
        return type_text(self._old, pair[0])

    def _layout_difference(self, pair: TypePair) -> tuple[str, ...]:
        """The type as it was and as it is, in one list of lines; nothing where both look the same."""
        sides = ((self._old, pair[0]), (self._new, pair[1]))
        if isinstance(self._old.types[pair[0]], Typedef):
            return ()
        old, new = (layout_lines(side, index) for side, index in sides)
        return side_by_side(old, new)

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
            for name in self._started_by.get(current, ()):
                exports[name] = None
                any_by_value |= by_value
            todo += ((parent, by_value and edge) for parent, edge in self._relations.parents.get(current, ()))
        return sorted(exports), any_by_value


def _twins(old: tuple[_Described, ...], new: tuple[_Described, ...]) -> Iterator[tuple[_Described, _Described]]:
    """The exports that both files describe, as pairs; those that changed their only version too."""
    by_version = {(it.symbol, it.version): it for it in new}
    by_name = {it.symbol: it for it in new}
    counts = Counter(it.symbol for it in old) + Counter(it.symbol for it in new)
    for it in old:
        twin = by_version.get((it.symbol, it.version))
        if twin is None and counts[it.symbol] == 2:  # one in each file
            twin = by_name.get(it.symbol)
        if twin is not None:
            yield it, twin


def _renamed_parameters(name: str, old: tuple[Parameter, ...], new: tuple[Parameter, ...]) -> Iterator[TypeChange]:
    """Parameters whose names changed; names that changed places have likely changed their meaning too."""
    before, after = ([it.name for it in side if not it.artificial] for side in (old, new))
    if len(before) != len(after) or before == after or None in before or None in after:
        return
    swapped = sorted(map(str, before)) == sorted(map(str, after))
    yield TypeChange(
        rule="dwarf.func-param-renamed",
        change=Change(
            subject=name,
            before=", ".join(map(str, before)),
            after=", ".join(map(str, after)),
            evidence="the same names in another order" if swapped else "",
            severity=Severity.RISKY if swapped else None,
        ),
    )
