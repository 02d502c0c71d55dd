"""The prototypes of functions as a caller needs them, from their debug information."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from soinspect.dwarf.declare import type_text
from soinspect.dwarf.reader import read_prototypes
from soinspect.elf.file import ElfFile
from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass
from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    ArrayType,
    BaseType,
    CallingConvention,
    DerivedType,
    Encoding,
    Enumeration,
    ExportedFunction,
    FunctionType,
    Language,
    MemberPointer,
    Prototypes,
    Type,
    Typedef,
    UnspecifiedType,
)
from soinspect.model.signature import CMember, CType, Signature, SignatureParameter, TypeKind, complex_of

_MAX_DEPTH = 32
_MAX_PARTS = 1000  # of all structures of one prototype: those that are passed by value have few
_MAX_PARAMETERS = 64  # of a function that is pointed to
_LARGEST_ALIGNMENT = 8
_ALIGNED = "an attribute aligns it, or a part of it"
_SIGNED = frozenset({Encoding.SIGNED, Encoding.SIGNED_CHAR})
_INTEGERS = _SIGNED | {Encoding.UNSIGNED, Encoding.UNSIGNED_CHAR, Encoding.UTF}
_CHARACTERS = frozenset({Encoding.SIGNED_CHAR, Encoding.UNSIGNED_CHAR})
_EXTENDED = ("long double", "_Float64x")  # others of 16 bytes have another format
_UNSPECIFIED = {
    "void": CType(text="void", kind=TypeKind.VOID, size=0),
    "decltype(nullptr)": CType(text="", kind=TypeKind.POINTER, size=8, is_typed=True),
}
_PLAIN_CONVENTIONS = (None, CallingConvention.NORMAL, CallingConvention.PASS_BY_VALUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptions:
    """The prototypes of functions and the types of variables; the keys are raw names and versions."""

    functions: Mapping[tuple[str, str | None], Signature]
    variables: Mapping[tuple[str, str | None], CType]


def read_descriptions(elf: ElfFile, names: Collection[str]) -> Descriptions:
    """What is written down of the exports with these raw names; of Go's nothing, for they are none of C's.

    :raises FormatError: the debug information is there, and cannot be read at all.
    """
    return descriptions_of(read_prototypes(elf, names))


def descriptions_of(found: Prototypes | Absent) -> Descriptions:
    """What is written down in prototypes that were read before."""
    if isinstance(found, Absent):
        return Descriptions(functions={}, variables={})
    return Descriptions(
        functions={(f.symbol, f.version): _signature(found, f) for f in found.functions if f.language != Language.GO},
        variables={
            (v.symbol, v.version): _Types(found).of(v.type) for v in found.variables if v.language != Language.GO
        },
    )


def _signature(side: Prototypes, function: ExportedFunction) -> Signature:
    types = _Types(side)
    return Signature(
        name=function.name,
        returns=types.of(function.signature.result),
        parameters=tuple(
            SignatureParameter(name=parameter.name or "", type=types.of(parameter.type))
            for parameter in function.signature.parameters
        ),
        variadic=function.signature.variadic,
        source="DWARF",
        prototyped=function.signature.prototyped or not function.language.is_c,
    )


class _Types:
    def __init__(self, side: Prototypes) -> None:
        self._side = side
        self._parts = 0
        self._follows = True
        self._targets: dict[int, CType] = {}  # of pointers, by index: a structure may have many to the same

    def of(self, index: int, depth: int = 0) -> CType:
        """The type at ``index``, ``depth`` types inside of what was asked for."""
        return replace(self._read(index, depth), text=type_text(self._side, index))

    def _read(self, index: int, depth: int) -> CType:
        """The type without its text, which only the outermost needs in full."""
        self._parts += 1
        if depth > _MAX_DEPTH or self._parts > _MAX_PARTS:
            return CType(text="", kind=TypeKind.OTHER, size=0)
        found = self._side.types[index]
        size = self._side.size_of(index) or 0
        match found:
            case UnspecifiedType(name=name) if name in _UNSPECIFIED:
                return _UNSPECIFIED[name]
            case BaseType(encoding=Encoding.COMPLEX_FLOAT):
                name = found.name.replace("complex", "").strip()
                return complex_of(_number(name, Encoding.FLOAT, size // 2), found.name)
            case BaseType(encoding=encoding):
                return _number(found.name, encoding, size)
            case DerivedType(derivation=derivation) if not derivation.qualifies:
                return self._pointer(found, size)
            case DerivedType(target=target) | Typedef(target=target, alignment=None):
                return self._read(target, depth + 1)
            case Enumeration(underlying=underlying, enumerators=named):
                signed = underlying is not None and self._read(underlying, depth + 1).signed
                return CType(text="", kind=TypeKind.INTEGER, size=size, signed=signed, enumerators=named)
            case Aggregate():
                obstacle = _obstacle(found)
                members = () if obstacle else self._members(found, depth)
                return CType(text="", kind=TypeKind.AGGREGATE, size=size, members=members, obstacle=obstacle)
            case Typedef(target=target) if self._read(target, depth + 1).kind is TypeKind.AGGREGATE:
                return CType(text="", kind=TypeKind.AGGREGATE, size=size, obstacle=_ALIGNED)
            case ArrayType(vector=False):
                return CType(text="", kind=TypeKind.AGGREGATE, size=size, members=self._elements(found, size, depth))
            case MemberPointer() if size == self._side.word_size:
                return CType(text="", kind=TypeKind.INTEGER, size=size)
            case _:
                return CType(text="", kind=TypeKind.OTHER, size=size)

    def _pointer(self, pointer: DerivedType, size: int) -> CType:
        target = self._side.types[pointer.target]
        for _ in range(_MAX_DEPTH):
            if not isinstance(target, Typedef | DerivedType) or (
                isinstance(target, DerivedType) and not target.derivation.qualifies
            ):
                break
            target = self._side.types[target.target]
        is_text = isinstance(target, BaseType) and target.encoding in _CHARACTERS and target.size == 1
        is_untyped = isinstance(target, UnspecifiedType) or (
            isinstance(target, BaseType | Enumeration) and target.size == 1
        )
        led_to = self._led_to(pointer.target, target)
        return CType(
            text="",
            kind=TypeKind.POINTER,
            size=size,
            is_text=is_text,
            is_typed=not is_untyped,
            target=led_to,
            function=led_to.function if led_to else None,
        )

    def _led_to(self, index: int, plain: Type) -> CType | None:
        """What a pointer leads to; ``plain`` is that without names and qualifiers.

        Where the pointers in that lead is not asked: that may be back to it.
        """
        if not self._follows:
            return None
        if index not in self._targets:
            parts, self._parts, self._follows = self._parts, 0, False
            if isinstance(plain, FunctionType) and len(plain.parameters) <= _MAX_PARAMETERS:
                self._targets[index] = self._function(plain)
            else:
                self._targets[index] = self.of(index)
            self._parts, self._follows = parts, True
        return self._targets[index]

    def _function(self, found: FunctionType) -> CType:
        function = Signature(
            name="",
            returns=self.of(found.result),
            parameters=tuple(SignatureParameter(name="", type=self.of(it.type)) for it in found.parameters),
            variadic=found.variadic,
            source="DWARF",
            prototyped=found.prototyped,
        )
        return CType(text="", kind=TypeKind.OTHER, size=0, function=function)

    def _members(self, aggregate: Aggregate, depth: int) -> tuple[CMember, ...]:
        if (aggregate.kind is AggregateKind.UNION and not aggregate.size) or any(
            member.offset is None for member in aggregate.members
        ):
            return ()
        return self._whole(
            aggregate.size or 0,
            [(member.name or "", member.offset or 0, member.type) for member in aggregate.members],
            depth,
        )

    def _elements(self, array: ArrayType, size: int, depth: int) -> tuple[CMember, ...]:
        step = self._side.size_of(array.element) or 0
        if not step or size // step > _MAX_PARTS:
            return ()
        return self._whole(size, [("", offset, array.element) for offset in range(0, size, step)], depth)

    def _whole(self, size: int, parts: list[tuple[str, int, int]], depth: int) -> tuple[CMember, ...]:
        """The parts as members, or none when one is of a type that a call cannot build, or lies outside."""
        members = []
        for name, offset, index in parts:
            kind = self.of(index, depth + 1)
            is_built = kind.members if kind.kind is TypeKind.AGGREGATE else kind.kind is not TypeKind.OTHER
            if not is_built or not kind.size or offset + kind.size > size:
                return ()
            members.append(CMember(name=name, offset=offset, type=kind))
        return tuple(members)


def _obstacle(aggregate: Aggregate) -> str:
    """What keeps values of the type from being no more than their members; empty where nothing does."""
    if (
        aggregate.bases
        or aggregate.virtual_methods
        or aggregate.user_provided
        or aggregate.variants
        or aggregate.convention not in _PLAIN_CONVENTIONS
    ):
        return "it is a class with more than C's members, which travels in other ways"
    if (aggregate.alignment or 0) > _LARGEST_ALIGNMENT or any(member.alignment for member in aggregate.members):
        return _ALIGNED
    if any(member.bit_size is not None for member in aggregate.members):
        return "it has bit-fields"
    return ""


def _number(name: str, encoding: Encoding, size: int) -> CType:
    kind = TypeKind.OTHER
    if encoding == Encoding.BOOLEAN:
        kind = TypeKind.BOOLEAN
    elif encoding in _INTEGERS and size in (1, 2, 4, 8, 16):
        kind = TypeKind.INTEGER
    elif encoding == Encoding.FLOAT and size in (4, 8):
        kind = TypeKind.FLOAT
    elif encoding == Encoding.FLOAT and size == 16 and name in _EXTENDED:
        kind = TypeKind.EXTENDED
    return CType(text=name, kind=kind, size=size, signed=encoding in _SIGNED)
