"""Labels for the types that a baseline writes on lines of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from soinspect.model.prototype import (
    VOID,
    Aggregate,
    ArrayType,
    BaseType,
    DerivedType,
    Enumeration,
    ExportedFunction,
    ExportedVariable,
    FunctionType,
    MemberPointer,
    Prototypes,
    Type,
    Typedef,
    UnreadableType,
    UnspecifiedType,
)
from soinspect.saved.typenotation import VOID_LABEL, keyword, name_of, quoted

_MAX_CONTEXT = 1000

Labelled = Aggregate | Enumeration | BaseType | Typedef | UnspecifiedType | UnreadableType


def labels_of(side: Prototypes) -> dict[int, str]:
    """The labels of all types with lines of their own that the exports reach, by index.

    They depend on the exports alone, not on the order in which the debug information has the types.
    """
    labels = {VOID: VOID_LABEL}
    used: Counter[str] = Counter((VOID_LABEL,))
    seen = {VOID}
    todo = [start for export in reversed(_sorted_exports(side)) for start in reversed(_starts(export))]
    while todo:
        index, context = todo.pop()
        if index in seen:
            continue
        seen.add(index)
        one = side.types[index]
        if isinstance(one, Labelled):
            labels[index] = _unused(_label(one, context), used)
        todo += reversed([*_parts(one, context)])
    return labels


def _sorted_exports(side: Prototypes) -> list[ExportedFunction | ExportedVariable]:
    return sorted((*side.functions, *side.variables), key=lambda export: (export.symbol, export.version or ""))


def _starts(export: ExportedFunction | ExportedVariable) -> list[tuple[int, str]]:
    if isinstance(export, ExportedVariable):
        return [(export.type, export.name)]
    return [*_parts(export.signature, export.name)]


def _parts(one: Type, context: str) -> Iterable[tuple[int, str]]:
    """The types that a type is made of, and the context that each of them is met in."""
    match one:
        case Typedef(name=name, target=target):
            return [(target, name)]
        case DerivedType(target=target) | ArrayType(element=target):
            return [(target, context)]
        case MemberPointer(target=target, owner=owner):
            return [(owner, context), (target, context)]
        case Enumeration(underlying=int(underlying)):
            return [(underlying, context)]
        case FunctionType():
            return _parts_of_function(one, context)
        case Aggregate():
            return _parts_of_aggregate(one, one.name or context)
        case _:
            return []


def _parts_of_function(function: FunctionType, context: str) -> Iterator[tuple[int, str]]:
    yield function.result, _inside(context, "result")
    for number, parameter in enumerate(function.parameters, 1):
        yield parameter.type, _inside(context, parameter.name or number)


def _parts_of_aggregate(aggregate: Aggregate, context: str) -> Iterator[tuple[int, str]]:
    for base in aggregate.bases:
        yield base.type, context
    for number, member in enumerate(aggregate.members, 1):
        yield member.type, _inside(context, member.name or number)


def _label(one: Labelled, context: str) -> str:
    name = name_of(one)
    text = f"#{re.sub('[^0-9A-Za-z_.]+', '_', context)}" if name is None else quoted(name)
    return f"{keyword(one)} {text}".lstrip()


def _unused(label: str, used: Counter[str]) -> str:
    """The label itself, or with a number if another type has it; ``used`` counts the types that wanted each."""
    mark = "." if "#" in label.rpartition('"')[2] else "#"
    candidate = label
    while candidate in used:
        used[label] += 1
        candidate = f"{label}{mark}{used[label]}"
    used[candidate] = 1
    return candidate


def _inside(context: str, part: str | int) -> str:
    """The context of a part; cut, since names of hostile types are long, and each would be in all that is below."""
    return f"{context[:_MAX_CONTEXT]}.{part}"
