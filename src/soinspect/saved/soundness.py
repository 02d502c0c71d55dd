"""Whether tables that were written down are tables, and types are types: every index names one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.facts import Facts
from soinspect.model.prototype import (
    VOID,
    Aggregate,
    ArrayType,
    DerivedType,
    Enumeration,
    FunctionType,
    MemberPointer,
    Prototypes,
    Type,
    Typedef,
    UnspecifiedType,
)
from soinspect.model.symbol import ExplainedSymbols

# Deeper than any declaration that somebody wrote; the views go down as deep.
_MAX_DEPTH = 200
_BYTE = 256
_WORD_SIZES = (4, 8)


def sound(facts: Facts, path: str, what: str) -> Facts:
    """The facts themselves, if their types are sound; ``what`` is the kind of file at ``path`` they were read from.

    :raises InputError: they are not.
    """
    symbols = facts.snapshot.symbols
    wrong = None if isinstance(symbols, Absent) else _defect_of_columns(symbols)
    wrong = wrong or (None if isinstance(facts.types, Absent) else _defect(facts.types))
    if wrong:
        raise InputError(path, f"damaged {what}: {wrong}")
    return facts


def _defect_of_columns(rows: ExplainedSymbols) -> str | None:
    columns = [getattr(rows.symbols, field.name) for field in fields(rows.symbols)]
    if len({len(column) for column in (*columns, rows.texts, rows.kinds, rows.packages)}) > 1:
        return "the columns of its symbols are not of one length"
    if not all(0 <= info < _BYTE for info in (*rows.symbols.infos, *rows.symbols.others)):
        return "the st_info or st_other of a symbol is not a byte"
    return None


def _defect(types: Prototypes) -> str | None:
    """What makes a type graph unusable, in words; None if it is sound."""
    if types.word_size not in _WORD_SIZES:
        return f"pointers of {types.word_size} bytes"
    number = len(types.types)
    if not number or not isinstance(types.types[VOID], UnspecifiedType):
        return "types[0] is not void"
    for index, one in enumerate(types.types):
        if not all(0 <= target < number for target in _targets(one)):
            return f"types[{index}] refers to a type that is not there"
    for function in types.functions:
        if not all(0 <= target < number for target in _targets(function.signature)):
            return f"the type of {function.symbol} is not there"
    for variable in types.variables:
        if not 0 <= variable.type < number:
            return f"the type of {variable.symbol} is not there"
    return _nesting_defect(types.types)


def _targets(one: Type) -> Iterator[int]:
    """The indexes that a type holds."""
    match one:
        case DerivedType(target=target) | Typedef(target=target) | ArrayType(element=target):
            yield target
        case MemberPointer(target=target, owner=owner):
            yield from (target, owner)
        case Enumeration(underlying=int(underlying)):
            yield underlying
        case Aggregate(members=members, bases=bases):
            yield from (member.type for member in members)
            yield from (base.type for base in bases)
        case FunctionType(result=result, parameters=parameters):
            yield from (result, *(parameter.type for parameter in parameters))


def _nesting_defect(types: tuple[Type, ...]) -> str | None:
    """Follow typedefs, qualifiers and arrays, each of which is made of exactly one other type, to their ends."""
    depths: dict[int, int] = {}
    for start in range(len(types)):
        chain: list[int] = []
        index: int | None = start
        while index is not None and index not in depths:
            if len(chain) > _MAX_DEPTH:
                return f"types[{start}] is made of itself, or of too many others"
            chain.append(index)
            index = _made_of(types[index])
        depth = 0 if index is None else depths[index]
        for link in reversed(chain):
            one = types[link]
            depth += max(1, len(one.dimensions)) if isinstance(one, ArrayType) else 1
            depths[link] = depth
        if depth > _MAX_DEPTH:
            return f"types[{start}] is made of too many others"
    return None


def _made_of(one: Type) -> int | None:
    match one:
        case Typedef(target=target) | ArrayType(element=target):
            return target
        case DerivedType(derivation=derivation, target=target) if derivation.qualifies:
            return target
        case _:
            return None
