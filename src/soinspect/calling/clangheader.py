"""Prototypes from header files through libclang, which preprocesses, types and lays out as a compiler does.

Importing this module imports libclang's binding, which is an extra.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from clang.cindex import (
    Cursor,
    CursorKind,
    Diagnostic,
    Index,
    LibclangError,
    StorageClass,
    TranslationUnitLoadError,
    Type,
    conf,
)
from clang.cindex import TypeKind as Kind

from soinspect.errors import UsageError
from soinspect.model.prototype import Enumerator
from soinspect.model.signature import CMember, CType, Signature, SignatureParameter, TypeKind, complex_of

_MAX_PARTS = 1000  # of a structure that is passed by value
_LARGEST_ALIGNMENT = 8
_LARGEST_OF_WIDE = 16
_POINTER_SIZE = 8
_ARRAYS = frozenset({Kind.CONSTANTARRAY, Kind.INCOMPLETEARRAY, Kind.VARIABLEARRAY})
_FUNCTIONS = frozenset({Kind.FUNCTIONPROTO, Kind.FUNCTIONNOPROTO})
_CHARACTERS = frozenset({Kind.CHAR_S, Kind.CHAR_U, Kind.SCHAR, Kind.UCHAR})
_SIGNED = frozenset({Kind.CHAR_S, Kind.SCHAR, Kind.WCHAR, Kind.SHORT, Kind.INT, Kind.LONG, Kind.LONGLONG, Kind.INT128})
_UNSIGNED = frozenset(
    {
        Kind.CHAR_U,
        Kind.UCHAR,
        Kind.CHAR16,
        Kind.CHAR32,
        Kind.USHORT,
        Kind.UINT,
        Kind.ULONG,
        Kind.ULONGLONG,
        Kind.UINT128,
    }
)


def new_index() -> Index | None:
    """libclang, ready to parse; None when its binding is here, but not the library itself."""
    try:
        return Index.create()
    except LibclangError:
        return None


def parse_header(index: Index, file: Path, folders: list[str]) -> tuple[dict[str, Signature], int]:
    """The functions that ``file`` and what it includes declare for C, by name, and how many more are not understood.

    ``folders`` are searched for included files, besides those that libclang knows.

    :raises UsageError: it is no header that can be read.
    """
    options = [option for folder in folders for option in ("-isystem", folder)]
    try:
        unit = index.parse(str(file.absolute()), args=["-x", "c", *options])
    except TranslationUnitLoadError:
        raise UsageError(f"--header {file}: libclang cannot read it") from None
    for remark in unit.diagnostics:
        if remark.severity >= Diagnostic.Fatal:
            raise UsageError(f"--header {file}: it is refused: {remark.location.file}: {remark.spelling}")
    types = _Types()
    functions = {}
    unread = 0
    for cursor in unit.cursor.get_children():
        if cursor.kind is not CursorKind.FUNCTION_DECL or cursor.storage_class is StorageClass.STATIC:
            continue
        # Where a type is unknown, libclang goes on with int: what it then says is a guess.
        if conf.lib.clang_isInvalidDeclaration(cursor):
            unread += 1
        else:
            functions[cursor.spelling] = _signature(types, cursor, file.name)
    return functions, unread


def _signature(types: _Types, cursor: Cursor, origin: str) -> Signature:
    prototyped = cursor.type.kind is Kind.FUNCTIONPROTO
    return Signature(
        name=cursor.spelling,
        returns=types.of(cursor.type.get_result()),
        parameters=tuple(
            SignatureParameter(name=argument.spelling, type=types.of_parameter(argument.type))
            for argument in cursor.get_arguments()
        ),
        variadic=prototyped and cursor.type.is_function_variadic(),
        source=origin,
        prototyped=prototyped,
    )


class _Types:
    """The types of one header as a call needs them, each read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], CType] = {}
        self._follows = True

    def of(self, kind: Type) -> CType:
        """The type ``kind``, with the header's own words for it."""
        words = kind.spelling
        key = words, self._follows
        if key not in self._known:
            self._known[key] = self._read(kind, words)
        return self._known[key]

    def of_parameter(self, kind: Type) -> CType:
        """The type of a parameter that is declared as ``kind``: an array or a function is a pointer to it."""
        plain = kind.get_canonical()
        if plain.kind in _ARRAYS:
            # A name stays: va_list is one.
            words = f"{kind.get_array_element_type().spelling} *" if kind.kind in _ARRAYS else kind.spelling
            return self._pointer(words, plain.get_array_element_type())
        if plain.kind in _FUNCTIONS:
            is_named = kind.kind not in _FUNCTIONS
            words = f"{kind.spelling} *" if is_named else kind.spelling.replace(" (", " (*)(", 1)
            return self._pointer(words, plain)
        return self.of(kind)

    def _read(self, kind: Type, words: str) -> CType:
        plain = kind.get_canonical()
        size = max(plain.get_size(), 0)
        if plain.kind is Kind.VOID:
            return CType(text=words, kind=TypeKind.VOID, size=0)
        if plain.kind is Kind.POINTER:
            return self._pointer(words, plain.get_pointee())
        if plain.kind is Kind.ENUM and size:  # else it is only announced
            declared = plain.get_declaration()
            signed = declared.enum_type.get_canonical().kind in _SIGNED
            constants = (it for it in declared.get_children() if it.kind is CursorKind.ENUM_CONSTANT_DECL)
            named = tuple(Enumerator(name=it.spelling, value=it.enum_value) for it in constants)
            return CType(text=words, kind=TypeKind.INTEGER, size=size, signed=signed, enumerators=named)
        if plain.kind is Kind.RECORD:
            members = _whole(size, self._fields(plain))
            obstacle = _obstacle(plain, members)
            members = () if obstacle else members
            return CType(text=words, kind=TypeKind.AGGREGATE, size=size, members=members, obstacle=obstacle)
        if plain.kind is Kind.CONSTANTARRAY:
            return CType(text=words, kind=TypeKind.AGGREGATE, size=size, members=self._elements(plain))
        if plain.kind is Kind.BOOL:
            return CType(text=words, kind=TypeKind.BOOLEAN, size=size)
        if plain.kind in (Kind.FLOAT, Kind.DOUBLE):
            return CType(text=words, kind=TypeKind.FLOAT, size=size)
        if plain.kind is Kind.LONGDOUBLE:
            return CType(text=words, kind=TypeKind.EXTENDED, size=size)
        if plain.kind is Kind.COMPLEX:
            return complex_of(self.of(plain.element_type), words)
        if plain.kind in _SIGNED or plain.kind in _UNSIGNED:
            return CType(text=words, kind=TypeKind.INTEGER, size=size, signed=plain.kind in _SIGNED)
        return CType(text=words, kind=TypeKind.OTHER, size=size)

    def _pointer(self, words: str, target: Type) -> CType:
        plain = target.get_canonical()
        led_to = function = None
        if self._follows:
            self._follows = False  # where the pointers in it lead is not asked: that may be back to it
            if plain.kind in _FUNCTIONS:
                function = self._function(plain)
            else:
                led_to = self.of(target)
            self._follows = True
        return CType(
            text=words,
            kind=TypeKind.POINTER,
            size=_POINTER_SIZE,
            is_text=plain.kind in _CHARACTERS,
            is_typed=plain.kind is not Kind.VOID and plain.get_size() != 1,
            target=led_to,
            function=function,
        )

    def _function(self, kind: Type) -> Signature:
        prototyped = kind.kind is Kind.FUNCTIONPROTO
        parameters = kind.argument_types() if prototyped else ()
        return Signature(
            name="",
            returns=self.of(kind.get_result()),
            parameters=tuple(SignatureParameter(name="", type=self.of(it)) for it in parameters),
            variadic=prototyped and kind.is_function_variadic(),
            source="",
            prototyped=prototyped,
        )

    def _fields(self, record: Type) -> Iterator[CMember]:
        for field in record.get_fields():
            # Nameless members are called after their type: "union A::(anonymous at ...)".
            name = "" if "(" in field.spelling else field.spelling
            yield CMember(name=name, offset=field.get_field_offsetof() // 8, type=self.of(field.type))

    def _elements(self, array: Type) -> tuple[CMember, ...]:
        element = self.of(array.get_array_element_type())
        places = (index * element.size for index in range(array.get_array_size()))
        return _whole(max(array.get_size(), 0), (CMember(name="", offset=place, type=element) for place in places))


def _obstacle(record: Type, members: tuple[CMember, ...]) -> str:
    """What keeps values of the type from being no more than their members; empty where nothing does."""
    largest = _LARGEST_OF_WIDE if any(member.type.is_wide for member in members) else _LARGEST_ALIGNMENT
    if record.get_align() > largest:
        return f"it is aligned to {record.get_align()} bytes"
    return "it has bit-fields" if any(field.is_bitfield() for field in record.get_fields()) else ""


def _whole(size: int, parts: Iterator[CMember]) -> tuple[CMember, ...]:
    """The parts, or none when one is of a type that a call cannot build, lies outside, or they are too many."""
    members = []
    leaves = 0
    for part in parts:
        kind = part.type
        is_built = kind.members if kind.kind is TypeKind.AGGREGATE else kind.kind is not TypeKind.OTHER
        leaves += sum(1 for _ in islice(kind.leaves(), _MAX_PARTS + 1))
        if not is_built or not kind.size or part.offset + kind.size > size or leaves > _MAX_PARTS:
            return ()
        members.append(part)
    return tuple(members)
