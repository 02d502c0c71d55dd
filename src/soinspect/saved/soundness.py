"""Whether tables that were written down are tables, and types are types: every index names one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.facts import Facts
from soinspect.model.nesting import nested_too_deeply, spelled_with
from soinspect.model.prototype import VOID, Aggregate, Prototypes, Type, UnspecifiedType
from soinspect.model.symbol import ExplainedSymbols

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
    if min((*rows.symbols.values, *rows.symbols.sizes), default=0) < 0:
        return "the value or size of a symbol is negative"
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
    deep = nested_too_deeply(types.types)
    return f"types[{min(deep)}] is made of itself, or of too many others" if deep else None


def _targets(one: Type) -> Iterator[int]:
    """The indexes that a type holds."""
    if isinstance(one, Aggregate):
        yield from (member.type for member in one.members)
        yield from (base.type for base in one.bases)
    yield from spelled_with(one)
