"""C functions as a caller sees them: in which class of register each value travels, and how C writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

from soinspect.model.lateclass import dataclass
from soinspect.model.prototype import Enumerator

_WORD = 8


class TypeKind(StrEnum):
    """How a value of a type travels in a call (System V ABI for x86-64, 3.2.3; AAPCS64, 6.8).

    ``EXTENDED`` is the long double of x86-64: 80 bits in 16 bytes. ``OTHER`` are those that calls cannot pass,
    ``UNTOLD`` those of which the source does not tell what they are.
    """

    VOID = "void"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    EXTENDED = "extended float"
    POINTER = "pointer"
    AGGREGATE = "aggregate"
    OTHER = "other"
    UNTOLD = "untold"


_NO_VALUES = (TypeKind.VOID, TypeKind.AGGREGATE, TypeKind.OTHER, TypeKind.UNTOLD)  # by the kind alone


@dataclass(frozen=True, slots=True, kw_only=True)
class CType:
    """A type as C writes it, and what a call needs of it: ``size`` in bytes (0 when unknown), whether ``signed``.

    ``is_text`` marks pointers to char, ``is_typed`` those to other things than bytes, which a text cannot stand for.
    ``members`` are those of a structure, union or array (whose elements have no names), when they are all known and of
    plain C: without bit-fields, and with nothing that C++ adds; ``obstacle`` says what else it has. ``target`` is what
    a pointer leads to, as far as that was asked; ``function`` what a pointer to a function does. ``enumerators`` are
    those of an enumeration, as far as their values are known. ``is_complex`` tells a complex number from a structure of
    two.
    """

    text: str
    kind: TypeKind
    size: int
    signed: bool = False
    is_text: bool = False
    is_typed: bool = False
    members: tuple[CMember, ...] = ()
    target: CType | None = None
    function: Signature | None = None
    enumerators: tuple[Enumerator, ...] = ()
    is_complex: bool = False
    obstacle: str = ""

    @property
    def can_be_made(self) -> bool:
        """Whether it is a number, a pointer, or made of parts that are all known."""
        return bool(self.members) or self.kind not in _NO_VALUES

    @property
    def is_wide(self) -> bool:
        """Whether numbers of more than 8 bytes are in it: the long double of x86-64, integers of 128 bits."""
        return any(
            leaf.size > _WORD and leaf.kind in (TypeKind.EXTENDED, TypeKind.INTEGER) for _, leaf in self.leaves()
        )

    def leaves(self, start: int = 0) -> Iterator[tuple[int, CType]]:
        """The numbers and pointers that a value is made of, each with its offset; ``start`` is that of the value."""
        if self.kind is not TypeKind.AGGREGATE:
            yield start, self
        for member in self.members:
            yield from member.type.leaves(start + member.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class CMember:
    """A part of a structure, union or array, ``offset`` bytes after its start."""

    name: str
    offset: int
    type: CType


def array_of(element: CType, count: int) -> CType:
    """The array of so many elements."""
    members = tuple(CMember(name="", offset=i * element.size, type=element) for i in range(count))
    return CType(text=f"{element.text}[{count}]", kind=TypeKind.AGGREGATE, size=count * element.size, members=members)


def complex_of(part: CType, text: str) -> CType:
    """The complex type of two numbers like ``part``, which travels as a structure of them (x86-64: 3.2.3).

    Only a result of long doubles does not: it comes back in two x87 registers.
    """
    if part.kind not in (TypeKind.FLOAT, TypeKind.EXTENDED):
        return CType(text=text, kind=TypeKind.OTHER, size=2 * part.size)
    members = (CMember(name="re", offset=0, type=part), CMember(name="im", offset=part.size, type=part))
    return CType(text=text, kind=TypeKind.AGGREGATE, size=2 * part.size, members=members, is_complex=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableType:
    """What a variable holds; ``source`` as in :class:`Signature`."""

    name: str
    type: CType
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureParameter:
    """A parameter; ``name`` is empty where the source gives none."""

    name: str
    type: CType

    @property
    def text(self) -> str:
        """The parameter as C writes it; the name of a function pointer stands in the middle of its type."""
        if "(*)" in self.type.text:
            return self.type.text.replace("(*)", f"(*{self.name})", 1)
        space = "" if self.type.text.endswith("*") or not self.name else " "
        return f"{self.type.text}{space}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a function takes and returns; ``source`` says where it is known from (``"DWARF"``, ``"--sig"``).

    ``prototyped`` is False for ``f()`` of old C, which says nothing about parameters. ``this`` is the type of the
    parameter that comes first if it is a member function, where the source does not tell whether it is one. A
    ``presumed`` prototype goes by the name alone, which may be the same by chance.
    """

    name: str
    returns: CType
    parameters: tuple[SignatureParameter, ...]
    variadic: bool
    source: str
    prototyped: bool = True
    this: CType | None = None
    presumed: bool = False

    def as_member(self) -> Signature:
        """The same of a member function."""
        if self.this is None:
            return self
        return replace(self, parameters=(SignatureParameter(name="this", type=self.this), *self.parameters), this=None)

    @property
    def text(self) -> str:
        """The declaration as C writes it, without a result that is not told."""
        parameters = [parameter.text for parameter in self.parameters]
        if self.variadic:
            parameters.append("...")
        inside = ", ".join(parameters) or ("void" if self.prototyped else "")
        space = "" if self.returns.text.endswith("*") or not self.returns.text else " "
        return f"{self.returns.text}{space}{self.name}({inside})"
