"""Go's types as C sees them in c-shared libraries: the structures of the header that cgo writes.

Source: src/cmd/cgo/out.go, ``builtinExportProlog``.
"""

from __future__ import annotations

import struct
from enum import Enum

from soinspect.calling.arguments import element_bytes, parse_argument, split_parts
from soinspect.calling.values import hex_text, quoted
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.signature import CMember, CType, Signature, TypeKind

_STRING = struct.Struct("<Qq")
_SLICE = struct.Struct("<Qqq")
_INTERFACE = struct.Struct("<QQ")


class GoKind(Enum):
    """The types of Go that are structures in C; the values are the names of their members."""

    STRING = ("p", "n")
    SLICE = ("data", "len", "cap")
    INTERFACE = ("t", "v")


_KINDS = {
    "GoString": GoKind.STRING,
    "_GoString_": GoKind.STRING,
    "GoSlice": GoKind.SLICE,
    "GoInterface": GoKind.INTERFACE,
}


_NUMBER = CType(text="GoInt", kind=TypeKind.INTEGER, size=8, signed=True)
_TEXT = CType(text="const char *", kind=TypeKind.POINTER, size=8, is_text=True)
_POINTER = CType(text="void *", kind=TypeKind.POINTER, size=8)


def _structure(name: str, *types: CType) -> CType:
    members = (
        CMember(name=member, offset=8 * position, type=kind)
        for position, (member, kind) in enumerate(zip(_KINDS[name].value, types, strict=True))
    )
    return CType(text=name, kind=TypeKind.AGGREGATE, size=8 * len(types), members=tuple(members))


# For declarations that use these types and do not define them.
GO_TYPES = {
    "GoString": _structure("GoString", _TEXT, _NUMBER),
    "_GoString_": _structure("_GoString_", _TEXT, _NUMBER),
    "GoSlice": _structure("GoSlice", _POINTER, _NUMBER, _NUMBER),
    "GoInterface": _structure("GoInterface", _POINTER, _POINTER),
}


def go_kind(kind: CType) -> GoKind | None:
    """Which type of Go's this is, or None."""
    found = _KINDS.get(kind.text)
    return found if found and found.value == tuple(member.name for member in kind.members) else None


def holds_go_memory(signature: Signature) -> bool:
    """Whether the result points into Go's memory, which Go's runtime does not let out while it checks (cgocheck)."""
    parts = (signature.returns, *(member.type for member in signature.returns.members))
    return any(go_kind(part) for part in parts)


def go_bytes(text: str, kind: CType, where: str) -> tuple[bytes, protocol.Pointers] | None:
    """A value of one of Go's types as it lies in memory, with what it points to; None for C's own types, and ``{...}``.

    A text is a GoString, or a GoSlice of bytes; ``[1, 2]`` is a GoSlice.

    :raises UsageError: the text is no value of the type.
    """
    found = go_kind(kind)
    if found is None or (text.startswith("{") and found is not GoKind.INTERFACE):
        return None
    if text == "null":
        return bytes(kind.size), ()
    if found is GoKind.INTERFACE:
        raise UsageError(
            f"{text} cannot be passed as a Go interface: that takes a type descriptor of the library's own, which C "
            f"cannot name; only null (nil) can: {where}"
        )
    if found is GoKind.SLICE and text.startswith("["):
        data, pointers, count = _elements(text, where)
    else:
        argument = parse_argument(text)
        if argument.kind != protocol.BYTES or not isinstance(argument.value, bytes):
            expected = "a text, or [1, 2]" if found is GoKind.SLICE else "a text"
            raise UsageError(f"{text} cannot be passed as {kind.text}: it takes {expected}: {where}")
        data, pointers = argument.value[: -1 if _is_text(text) else None], ()
        count = len(data)
    header = _STRING.pack(0, count) if found is GoKind.STRING else _SLICE.pack(0, count, count)
    return header, ((0, data, pointers),)


def _is_text(text: str) -> bool:
    """Whether the argument is a text, to which a NUL was appended for C."""
    return text.startswith(('"', "str:"))


def _elements(text: str, where: str) -> tuple[bytes, protocol.Pointers, int]:
    """``[i32:1, i32:2]``: the array, what it points to, and how many elements it has."""
    parts = [part.strip() for part in split_parts(text[1:-1])]
    elements = [_element(part, where) for part in parts]
    sizes = {len(data) for data, _ in elements}
    if len(sizes) > 1:
        raise UsageError(f"{text}: the elements differ in size: {where}")
    size = sizes.pop() if sizes else 0
    pointers = tuple(
        (index * size + at, pointed_to, more)
        for index, (_, inner) in enumerate(elements)
        for at, pointed_to, more in inner
    )
    return b"".join(data for data, _ in elements), pointers, len(parts)


def _element(text: str, where: str) -> tuple[bytes, protocol.Pointers]:
    if _is_text(text):
        return go_bytes(text, GO_TYPES["GoString"], where) or (b"", ())
    return element_bytes(text), ()


def go_text(kind: CType, data: bytes, pointed_to: bytes) -> str | None:
    """A value of one of Go's types, as Go would show it as far as C can know; None for C's own types."""
    found = go_kind(kind)
    if found is GoKind.STRING:
        _, length = _STRING.unpack(data)
        return quoted(pointed_to[: max(0, length)], length)
    if found is GoKind.SLICE:
        _, length, capacity = _SLICE.unpack(data)
        memory = f"; its memory begins {hex_text(pointed_to)}" if length > 0 else ""
        return f"a Go slice of {length} (capacity {capacity}), of a type that C does not tell{memory}"
    if found is GoKind.INTERFACE:
        descriptor, value = _INTERFACE.unpack(data)
        return f"a Go interface (type {descriptor:#x}, value {value:#x})" if descriptor else "nil"
    return None
