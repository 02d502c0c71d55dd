"""Structures, classes and unions: members, bases and what C++ adds, in whatever way the DWARF versions write it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.entry import Entry, Place
from soinspect.dwarf.expressions import constant
from soinspect.dwarf.index import Index
from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    Base,
    CallingConvention,
    Language,
    Member,
    VirtualMethod,
)

AGGREGATES: dict[int, AggregateKind] = {
    Tag.STRUCTURE_TYPE: AggregateKind.STRUCT,
    Tag.CLASS_TYPE: AggregateKind.CLASS,
    Tag.INTERFACE_TYPE: AggregateKind.CLASS,
    Tag.UNION_TYPE: AggregateKind.UNION,
}
_PURE = 2
_DEFAULTED_IN_CLASS = 1
_PUBLIC, _PRIVATE = 1, 3
_ASSIGNMENT = "operator="
_COPY, _MOVE = "copy constructor", "move constructor"
_REFERENCES = {Tag.REFERENCE_TYPE: _COPY, Tag.RVALUE_REFERENCE_TYPE: _MOVE}
_MAX_CHAIN = 16


class Types(Protocol):
    """What gives the index of a type."""

    def type_of(self, entry: Entry) -> int:
        """The index of the type that an entry says it has."""


class Parts:
    """The entries that make up an aggregate. ``outline`` tells apart aggregates of the same name."""

    def __init__(self) -> None:
        self.members: list[Entry] = []
        self.bases: list[Entry] = []
        self.virtual_methods: list[Entry] = []
        self.user_provided: list[str] = []
        self.variants = False
        self.constructed = False
        self.copied_by_assignment = False

    @property
    def outline(self) -> Hashable:
        """The names and places of all members.

        :raises FormatError: a name is damaged.
        """
        return tuple((member.text(At.NAME), _offset(member), _bits(member)) for member in self.members)

    def aggregate(self, types: Types, entry: Entry, name: str | None) -> Aggregate:
        """The value.

        :raises FormatError: a part is damaged.
        """
        convention = entry.number(At.CALLING_CONVENTION)
        return Aggregate(
            kind=AGGREGATES[entry.tag],
            name=name,
            size=None if entry.flag(At.DECLARATION) else entry.number(At.BYTE_SIZE),
            members=tuple(_member(types, member) for member in self.members),
            bases=tuple(_base(types, base) for base in self.bases),
            virtual_methods=tuple(_method(method) for method in self.virtual_methods),
            alignment=entry.number(At.ALIGNMENT),
            convention=None if convention is None else CallingConvention(convention),
            user_provided=tuple(dict.fromkeys(self.user_provided)),
            variants=self.variants,
            plain=self._is_plain(entry),
        )

    def _is_plain(self, entry: Entry) -> bool:
        otherwise = _PRIVATE if entry.tag == Tag.CLASS_TYPE else _PUBLIC
        named = (member for member in self.members if not member.flag(At.ARTIFICIAL))
        hidden = any((member.number(At.ACCESSIBILITY) or otherwise) != _PUBLIC for member in named)
        special = self.constructed or self.copied_by_assignment or "destructor" in self.user_provided
        # Rust hides members too, and nothing is derived from its structures.
        return not (hidden or special) or Index.language(entry.unit) is Language.RUST


def read_aggregate(entry: Entry) -> Parts:
    """The parts of a structure, class or union.

    :raises FormatError: one of its entries is damaged.
    """
    parts = Parts()
    if not entry.abbreviation.children:
        return parts
    unit, info = entry.unit, entry.info
    own_name = (entry.text(At.NAME) or "").partition("<")[0]
    # Most children of a class are functions and types that do not matter here: they are not read.
    for position, abbreviation, at in unit.entries(entry.first_child):
        match abbreviation.tag:
            case Tag.MEMBER:
                member = info.entry(unit, position)
                if not (member.flag(At.EXTERNAL) or member.flag(At.DECLARATION)):
                    parts.members.append(member)
            case Tag.INHERITANCE:
                parts.bases.append(info.entry(unit, position))
            case Tag.VARIANT_PART:
                parts.variants = True
            case Tag.SUBPROGRAM:
                name = info.name_at(unit, abbreviation, at, At.NAME)
                special = name is None or name in (own_name, _ASSIGNMENT) or name.startswith("~")
                if special or At.VIRTUALITY in abbreviation.forms:
                    _add_method(parts, info.entry(unit, position), own_name, entry.place)
            case _:
                pass
    return parts


# -- members -----------------------------------------------------------------------------------------------


def _member(types: Types, entry: Entry) -> Member:
    bits = _bits(entry)
    return Member(
        name=entry.text(At.NAME),
        type=types.type_of(entry),
        offset=_offset(entry) if bits is None else bits[0] // 8,
        bit_offset=None if bits is None else bits[0],
        bit_size=None if bits is None else bits[1],
        alignment=entry.number(At.ALIGNMENT),
    )


def _offset(entry: Entry) -> int | None:
    """The offset of a member or base in bytes: 0 if nothing is said, None if it is computed at run time."""
    expression = entry.block(At.DATA_MEMBER_LOCATION)
    if expression is not None:
        return constant(entry.unit, expression)
    return entry.number(At.DATA_MEMBER_LOCATION) or 0


def _bits(entry: Entry) -> tuple[int, int] | None:
    """Where a bit-field starts in its aggregate, and its size, in bits; None for other members.

    Up to DWARF 3 (DW_AT_bit_offset) it is counted from the most significant bit of a storage unit.
    """
    size = entry.number(At.BIT_SIZE)
    if size is None:
        return None
    start = 8 * (_offset(entry) or 0)
    from_start, from_top = entry.number(At.DATA_BIT_OFFSET), entry.number(At.BIT_OFFSET)
    if from_start is not None:
        return start + from_start, size
    if from_top is None:
        return start, size
    if entry.unit.section.byteorder == "big":
        return start + from_top, size
    return start + 8 * _storage_size(entry) - from_top - size, size


def _storage_size(entry: Entry) -> int:
    """Bytes of the storage unit of a bit-field: its own word on it, or the size of its type."""
    described: Entry | None = entry
    for _ in range(_MAX_CHAIN):
        if described is None:
            break
        size = described.number(At.BYTE_SIZE)
        if size is not None:
            return size
        described = described.reference(At.TYPE)
    raise entry.unit.section.error(entry.position, "DW_AT_bit_offset", 0, "the size of its type is not known")


def _base(types: Types, entry: Entry) -> Base:
    virtual = bool(entry.number(At.VIRTUALITY))
    return Base(type=types.type_of(entry), offset=None if virtual else _offset(entry), virtual=virtual)


# -- methods -----------------------------------------------------------------------------------------------


def _add_method(parts: Parts, entry: Entry, own_name: str, owner: Place) -> None:
    if entry.number(At.VIRTUALITY):
        parts.virtual_methods.append(entry)
    name = entry.text(At.NAME) or ""
    artificial = entry.flag(At.ARTIFICIAL)
    if name == own_name:
        # With C++20 a constructor that is only declared counts; one that compilers add runs what initialises members.
        parts.constructed = parts.constructed or not artificial or not _written_parameters(entry)
    provided = not artificial and not entry.flag(At.DELETED)
    if provided and entry.number(At.DEFAULTED) != _DEFAULTED_IN_CLASS:
        if name.startswith("~"):
            parts.user_provided.append("destructor")
        elif name == own_name:
            parts.user_provided += filter(None, [_kind_of_constructor(entry, owner)])
        elif name == _ASSIGNMENT:
            parts.copied_by_assignment = parts.copied_by_assignment or _kind_of_constructor(entry, owner) == _COPY


def _written_parameters(entry: Entry) -> list[Entry]:
    parameters = (child for child in entry.children() if child.tag == Tag.FORMAL_PARAMETER)
    return [parameter for parameter in parameters if not parameter.flag(At.ARTIFICIAL)]


def _kind_of_constructor(entry: Entry, owner: Place) -> str | None:
    """What a constructor, or an assignment, is, if it takes a reference to its own class and nothing else."""
    written = _written_parameters(entry)
    reference = written[0].reference(At.TYPE) if len(written) == 1 else None
    if reference is None or reference.tag not in _REFERENCES:
        return None
    target = reference.target(At.TYPE)
    if target is not None and target != owner:
        qualifier = target.read()
        target = qualifier.target(At.TYPE) if qualifier.tag == Tag.CONST_TYPE else None
    return _REFERENCES[Tag(reference.tag)] if target == owner else None


def _method(entry: Entry) -> VirtualMethod:
    expression = entry.block(At.VTABLE_ELEM_LOCATION)
    slot = entry.number(At.VTABLE_ELEM_LOCATION) if expression is None else constant(entry.unit, expression)
    return VirtualMethod(
        name=entry.text(At.NAME) or "(unnamed)",
        linkage_name=entry.text(At.LINKAGE_NAME) or entry.text(At.MIPS_LINKAGE_NAME),
        slot=slot,
        pure=entry.number(At.VIRTUALITY) == _PURE,
    )
