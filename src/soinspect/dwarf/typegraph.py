"""Types as values, read only as far as they are reached, each of them once.

Most units of a library describe the same types again. An unnamed type is the same as another if it is made of the
same types; a named one, if kind, name with scopes, size, and the names and places of all members are the same: then
the members' types are followed in the first unit only. Units that disagree on no more than the type of a member of
the same size go unnoticed (glibc has one such structure); to notice would take reading all types of all units.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from itertools import pairwise

from soinspect.dwarf.aggregates import AGGREGATES, Parts, read_aggregate
from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.entry import Entry, Place
from soinspect.dwarf.index import Index
from soinspect.errors import FormatError
from soinspect.model.nesting import nested_too_deeply
from soinspect.model.prototype import (
    VOID,
    Aggregate,
    ArrayType,
    BaseType,
    CallingConvention,
    Derivation,
    DerivedType,
    Encoding,
    Enumeration,
    Enumerator,
    FunctionType,
    Language,
    MemberPointer,
    Parameter,
    Type,
    Typedef,
    UnreadableType,
    UnspecifiedType,
)

_PARAMETER = Tag.FORMAL_PARAMETER
_ELLIPSIS = Tag.UNSPECIFIED_PARAMETERS

_DERIVATIONS: dict[int, Derivation] = {
    Tag.POINTER_TYPE: Derivation.POINTER,
    Tag.REFERENCE_TYPE: Derivation.REFERENCE,
    Tag.RVALUE_REFERENCE_TYPE: Derivation.RVALUE_REFERENCE,
    Tag.CONST_TYPE: Derivation.CONST,
    Tag.VOLATILE_TYPE: Derivation.VOLATILE,
    Tag.RESTRICT_TYPE: Derivation.RESTRICT,
    Tag.ATOMIC_TYPE: Derivation.ATOMIC,
    Tag.IMMUTABLE_TYPE: Derivation.IMMUTABLE,
    Tag.SHARED_TYPE: Derivation.SHARED,
    Tag.PACKED_TYPE: Derivation.PACKED,
}

# DWARF 5, table 7.17: where arrays start unless they say otherwise. All other languages count from 0.
_FROM_ONE = frozenset((
    Language.ADA83, Language.ADA95, Language.ADA2005, Language.ADA2012, Language.COBOL74, Language.COBOL85,
    Language.FORTRAN77, Language.FORTRAN90, Language.FORTRAN95, Language.FORTRAN03, Language.FORTRAN08,
    Language.FORTRAN18, Language.JULIA, Language.MODULA2, Language.MODULA3, Language.PASCAL83, Language.PLI,
))  # fmt: skip

# Types nest as deeply as programmers write them; a chain that is longer is made to exhaust the stack.
_MAX_DEPTH = 64
_BEING_READ = -1
_MINUS_ONE = frozenset((0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF))


class TypeGraph:
    """The types reached so far; :meth:`finish` reads the members of those that are still to be read."""

    def __init__(self, index: Index) -> None:
        self._index = index
        void = UnspecifiedType(name="void")
        self._types: list[Type] = [void]
        self._interned: dict[Type, int] = {void: VOID}
        self._read: dict[Place, int] = {}
        self._named: dict[Hashable, int] = {}
        self._unfinished: deque[tuple[int, Entry, Parts, str]] = deque()
        self._depth = 0

    def finish(self) -> tuple[Type, ...]:
        """All types, once the members of all of them are read."""
        while self._unfinished:
            index, entry, parts, name = self._unfinished.popleft()
            try:
                self._types[index] = parts.aggregate(self, entry, name)
            except FormatError as error:
                self._types[index] = UnreadableType(reason=error.reason)
        # Each type may be reached through few others, and be made of many that had been read before.
        for index in nested_too_deeply(self._types):
            self._types[index] = UnreadableType(reason="types are nested too deeply")
        return tuple(self._types)

    def type_of(self, entry: Entry) -> int:
        """The index of the type that an entry, or what it completes, says it has; void if none does."""
        try:
            for origin in entry.origins():
                if At.TYPE in origin:
                    return self.at(origin.target(At.TYPE))
        except FormatError as error:
            return self._intern(UnreadableType(reason=error.reason))
        return VOID

    def at(self, place: Place | None) -> int:
        """The index of the type at a place; void where there is none."""
        if place is None:
            return VOID
        found = self._read.get(place)
        if found is not None:
            return found if found != _BEING_READ else self._intern(UnreadableType(reason="it is made of itself"))
        self._read[place] = _BEING_READ
        self._depth += 1
        try:
            found = self._index_of(place.read())
        except FormatError as error:
            found = self._intern(UnreadableType(reason=error.reason))
        self._depth -= 1
        self._read[place] = found
        return found

    def _intern(self, value: Type) -> int:
        index = self._interned.get(value)
        if index is None:
            index = self._interned[value] = len(self._types)
            self._types.append(value)
        return index

    def _index_of(self, entry: Entry) -> int:
        if self._depth > _MAX_DEPTH:
            raise entry.unit.section.error(entry.position, "DW_AT_type", entry.position, "types are nested too deeply")
        if entry.tag in AGGREGATES or entry.tag == Tag.ENUMERATION_TYPE:
            return self._index_of_named(entry)
        return self._intern(self._value(entry))

    def _value(self, entry: Entry) -> Type:
        derivation = _DERIVATIONS.get(entry.tag)
        if derivation is not None:
            return DerivedType(derivation=derivation, target=self.type_of(entry))
        match entry.tag:
            case Tag.BASE_TYPE:
                return _base_type(entry)
            case Tag.TYPEDEF:
                name = self._index.name(entry) or "(unnamed)"
                return Typedef(name=name, target=self.type_of(entry), alignment=entry.number(At.ALIGNMENT))
            case Tag.ARRAY_TYPE:
                element = self.type_of(entry)
                return ArrayType(element=element, dimensions=self._dimensions(entry), vector=entry.flag(At.GNU_VECTOR))
            case Tag.SUBROUTINE_TYPE:
                return self.signature(entry)
            case Tag.PTR_TO_MEMBER_TYPE:
                owner = self.at(entry.target(At.CONTAINING_TYPE))
                return MemberPointer(target=self.type_of(entry), owner=owner)
            case Tag.UNSPECIFIED_TYPE:
                return UnspecifiedType(name=entry.text(At.NAME) or "(unspecified)")
            case _:
                return UnreadableType(reason=f"an entry of tag {entry.tag:#x} is no type of C, C++ or Rust")

    # -- functions and arrays ------------------------------------------------------------------------------

    def signature(self, entry: Entry) -> FunctionType:
        """What a function, or a type of functions, takes and returns.

        :raises FormatError: one of its parameters is damaged.
        """
        origins = list(entry.origins())
        children = list(_parameters(origins))
        convention = next((o.number(At.CALLING_CONVENTION) for o in origins if At.CALLING_CONVENTION in o), None)
        language = self._index.language(entry.unit)
        return FunctionType(
            result=self.type_of(entry),
            parameters=tuple(self._parameter(child) for child in children if child.tag == _PARAMETER),
            variadic=any(child.tag == _ELLIPSIS for child in children),
            prototyped=not language.is_c or any(origin.flag(At.PROTOTYPED) for origin in origins),
            convention=None if convention is None else CallingConvention(convention),
        )

    def _parameter(self, entry: Entry) -> Parameter:
        name, artificial = None, False
        for origin in entry.origins():
            name = name or origin.text(At.NAME)
            artificial = artificial or origin.flag(At.ARTIFICIAL)
        return Parameter(name=name, type=self.type_of(entry), artificial=artificial)

    def _dimensions(self, entry: Entry) -> tuple[int | None, ...]:
        first = 1 if self._index.language(entry.unit) in _FROM_ONE else 0
        ranges = [child for child in entry.children() if child.tag == Tag.SUBRANGE_TYPE]
        return tuple(_count(child, first) for child in ranges) or (None,)

    # -- types with names of their own ---------------------------------------------------------------------

    def _index_of_named(self, entry: Entry) -> int:
        elsewhere = entry.target(At.SIGNATURE)
        if elsewhere is not None:
            return self.at(elsewhere)
        name = self._index.name(entry)
        if entry.flag(At.DECLARATION) and name is not None:
            definition = self._index.definition(entry)
            if definition is not None:
                return self.at(definition)
        if entry.tag == Tag.ENUMERATION_TYPE:
            return self._intern(self._enumeration(entry, name))
        parts = read_aggregate(entry)
        if name is None:
            return self._intern(parts.aggregate(self, entry, None))
        key = (entry.tag, name, entry.number(At.BYTE_SIZE), parts.outline)
        index = self._named.get(key)
        if index is None:
            index = self._named[key] = len(self._types)
            self._types.append(Aggregate(kind=AGGREGATES[entry.tag], name=name, size=None))
            self._unfinished.append((index, entry, parts, name))
        return index

    def _enumeration(self, entry: Entry, name: str | None) -> Enumeration:
        return Enumeration(
            name=name,
            size=entry.number(At.BYTE_SIZE),
            underlying=self.type_of(entry) if At.TYPE in entry else None,
            enumerators=tuple(_enumerators(entry)),
            scoped=entry.flag(At.ENUM_CLASS),
        )


def _parameters(origins: list[Entry]) -> Iterator[Entry]:
    """The parameters of a function as they were written: those of the abstract instance, if there is one.

    The concrete instance of a function that was also inlined may have lost some. What compilers add is the other
    way round: an abstract constructor has parameters that not all of its instances take.
    """
    described = origins[0]
    for origin, following in pairwise(origins):
        if At.ABSTRACT_ORIGIN in origin:
            described = following
    taken: set[Place] = set()
    if described is not origins[0]:
        children = [child for child in _unpacked(origins[0]) if child.tag == _PARAMETER]
        taken = {origin.place for child in children for origin in child.origins()}
    for child in _unpacked(described):
        if child.tag in (_PARAMETER, _ELLIPSIS):
            added = described is not origins[0] and child.flag(At.ARTIFICIAL)
            if not added or child.place in taken:
                yield child


def _unpacked(entry: Entry) -> Iterator[Entry]:
    """The children of a function, those of a template's parameter pack among them."""
    for child in entry.children():
        if child.tag == Tag.GNU_FORMAL_PARAMETER_PACK:
            yield from child.children()
        else:
            yield child


def _base_type(entry: Entry) -> BaseType:
    size, bits = entry.number(At.BYTE_SIZE), entry.number(At.BIT_SIZE)
    if size is None:
        size = -(-(bits or 0) // 8)
    encoding = Encoding(entry.number(At.ENCODING) or 0)
    return BaseType(name=entry.text(At.NAME) or "(unnamed)", size=size, encoding=encoding)


def _enumerators(entry: Entry) -> Iterator[Enumerator]:
    for child in entry.children():
        if child.tag == Tag.ENUMERATOR:
            value = child.number(At.CONST_VALUE)
            if value is None:
                raise child.unit.section.error(child.position, "DW_AT_const_value", 0, "it is not a number")
            yield Enumerator(name=child.text(At.NAME) or "(unnamed)", value=value)


def _count(entry: Entry, first: int) -> int | None:
    """The number of elements in one dimension, None if it is open or computed at run time."""
    count = entry.number(At.COUNT)
    if count is not None:
        return count
    last = entry.number(At.UPPER_BOUND)
    if last is None:
        return None
    lower = entry.number(At.LOWER_BOUND)
    # An array without elements ends before it starts, which some compilers write down without a sign.
    return max(0, (-1 if last in _MINUS_ONE else last) - (first if lower is None else lower) + 1)
