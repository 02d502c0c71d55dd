"""The values that variables have in the file, before any initialiser runs, in Go's syntax."""

from __future__ import annotations

import json
from struct import Struct
from typing import final

from soinspect.go.memory import WORD, Memory
from soinspect.go.pclntab import FunctionTable
from soinspect.go.rtype import Types
from soinspect.model.absence import Absent
from soinspect.model.golang import GoKind

_MAX_DEPTH = 4
_MAX_ELEMENTS = 16
_MAX_TEXT = 200
_MAX_PARTS = 200
_MAX_ALL_PARTS = 20_000
_MORE = "..."

_SINGLE = (GoKind.FLOAT32, GoKind.COMPLEX64)
_NUMBERS = {
    GoKind.INT: "q",
    GoKind.INT8: "b",
    GoKind.INT16: "h",
    GoKind.INT32: "i",
    GoKind.INT64: "q",
    GoKind.UINT: "Q",
    GoKind.UINT8: "B",
    GoKind.UINT16: "H",
    GoKind.UINT32: "I",
    GoKind.UINT64: "Q",
    GoKind.UINTPTR: "Q",
    GoKind.FLOAT32: "f",
    GoKind.FLOAT64: "d",
    GoKind.COMPLEX64: "ff",
    GoKind.COMPLEX128: "dd",
}


@final
class Values:
    """Reads values by their type; what lies outside of the file raises FormatError.

    Long strings, long lists and deep structures are cut; ``...`` stands where. So are many large values.
    """

    def __init__(self, memory: Memory, types: Types, functions: FunctionTable | Absent) -> None:
        self._memory = memory
        self._types = types
        self._functions = functions
        self._parts = 0
        self._all_parts = 0

    def text(self, type_address: int, address: int) -> str:
        """The value of this type at ``address``."""
        self._parts = 0
        return self._text(type_address, address, 0)

    def _text(self, type_address: int, address: int, depth: int) -> str:
        self._parts += 1
        self._all_parts += 1
        if depth > _MAX_DEPTH or self._parts > _MAX_PARTS or self._all_parts > _MAX_ALL_PARTS:
            return _MORE
        kind = self._types.descriptor(type_address).kind
        if kind in _NUMBERS:
            return self._number(kind, address)
        match kind:
            case GoKind.BOOL:
                return "true" if self._memory.image.read(address, 1) != b"\0" else "false"
            case GoKind.STRING:
                return self._string(address)
            case GoKind.STRUCT:
                return self._struct(type_address, address, depth)
            case GoKind.ARRAY:
                return self._list(type_address, address, self._types.length(type_address), depth)
            case GoKind.SLICE:
                value = self._memory.slice(address)
                return self._list(type_address, value.address, value.length, depth) if value.address else "nil"
            case GoKind.INTERFACE:
                return self._interface(type_address, address, depth)
        return self._reference(kind, type_address, self._memory.word(address), depth)

    def _number(self, kind: GoKind, address: int) -> str:
        record = Struct("<" + _NUMBERS[kind])
        values = record.unpack(self._memory.image.read(address, record.size))
        texts = [_short(value, single=kind in _SINGLE) if isinstance(value, float) else str(value) for value in values]
        if len(texts) == 1:
            return texts[0]
        real, imaginary = texts
        return f"({real}{'' if imaginary.startswith('-') else '+'}{imaginary}i)"

    def _string(self, address: int) -> str:
        start, size = self._memory.word(address), self._memory.word(address + WORD)
        shown = self._memory.block(start, min(size, _MAX_TEXT)).decode("utf-8", "replace") if size else ""
        return json.dumps(shown, ensure_ascii=False) + (_MORE if size > _MAX_TEXT else "")

    def _struct(self, type_address: int, address: int, depth: int) -> str:
        parts: list[str] = []
        for field, field_type in self._types.fields(type_address):
            if len(parts) == _MAX_ELEMENTS:
                parts.append(_MORE)
                break
            parts.append(f"{field.name}: {self._text(field_type, address + field.offset, depth + 1)}")
        return f"{{{', '.join(parts)}}}"

    def _list(self, type_address: int, address: int, length: int, depth: int) -> str:
        element = self._types.element(type_address)
        size = self._types.descriptor(element).size
        shown = [self._text(element, address + index * size, depth + 1) for index in range(min(length, _MAX_ELEMENTS))]
        return f"{{{', '.join([*shown, _MORE] if length > _MAX_ELEMENTS else shown)}}}"

    def _interface(self, type_address: int, address: int, depth: int) -> str:
        word = self._memory.word(address)
        if not word:
            return "nil"
        # An interface that asks for methods points to its itab, which points to the type.
        dynamic = self._memory.word(word + WORD) if self._types.asked_methods(type_address) else word
        name = self._types.text(dynamic)
        if self._types.descriptor(dynamic).direct:
            value = self._text(dynamic, address + WORD, depth + 1)
        else:
            value = self._text(dynamic, self._memory.word(address + WORD), depth + 1)
        return f"{name}({value})"

    def _reference(self, kind: GoKind, type_address: int, target: int, depth: int) -> str:
        if not target:
            return "nil"
        if kind is GoKind.POINTER:
            return f"&{self._text(self._types.element(type_address), target, depth + 1)}"
        if kind is GoKind.FUNC and self._functions:
            function = self._functions.at(self._memory.word(target))
            if function is not None:
                return function.name
        return f"{target:#x}"


def _short(value: float, *, single: bool) -> str:
    """The shortest text that is this number again, as Go prints it."""
    if single:
        record = Struct("<f")
        short = (f"{value:.{digits}g}" for digits in range(6, 10))
        return next((text for text in short if record.pack(float(text)) == record.pack(value)), f"{value:.9g}")
    return repr(value).removesuffix(".0")
