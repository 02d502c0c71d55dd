"""Simple Go values as they lie in memory and in registers, for calls without Go's reflection (amd64).

Sources: src/cmd/compile/abi-internal.md, src/internal/abi/abi.go.
"""

from __future__ import annotations

import json
import math
import struct

from soinspect.errors import UsageError
from soinspect.model.lateclass import dataclass

_SIGNED = {"int": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8}
_UNSIGNED = {"uint": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "uintptr": 8}
_INTEGERS = _SIGNED | _UNSIGNED
_FLOATS = {"float32": "<f", "float64": "<d"}
_INTEGER_REGISTERS = 9
_FLOAT_REGISTERS = 15


class Unfit(Exception):
    """A type or feature beyond simple values; its text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The types of a function's parameters and results, all of them simple; errors are results only."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def result_letters(self) -> str:
        """How each result comes back: ``i`` integer register, ``f`` float register, ``s`` string, ``e`` error."""
        return "".join(map(_letter, self.results))


def signature(text: str) -> Signature:
    """The signature that a Go type such as ``func(int, string) (bool, error)`` describes.

    :raises Unfit: a type is not simple, or there are more values than registers.
    """
    parameters, rest = _bracketed(text.removeprefix("func"))
    rest = rest.strip()
    results = _bracketed(rest)[0] if rest.startswith("(") else ((rest,) if rest else ())
    for kind in parameters:
        if kind == "error":
            raise Unfit("a parameter of type error")
    for kinds in (parameters, results):
        letters = [_letter(kind) for kind in kinds]
        integers = sum({"i": 1, "f": 0}.get(letter, 2) for letter in letters)
        if integers > _INTEGER_REGISTERS or letters.count("f") > _FLOAT_REGISTERS:
            raise Unfit("values on the stack")
    return Signature(parameters=parameters, results=results)


def _bracketed(text: str) -> tuple[tuple[str, ...], str]:
    """The parts between the first pair of brackets, and what follows it."""
    depth, start = 0, 1
    parts: list[str] = []
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if (character == "," and depth == 1) or depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
        if depth == 0:
            return tuple(part for part in parts if part), text[position + 1 :]
    raise Unfit(f"the type {text}")


def _letter(kind: str) -> str:
    if kind == "bool" or kind in _INTEGERS:
        return "i"
    letters = {"float32": "f", "float64": "f", "string": "s", "error": "e"}
    if kind not in letters:
        raise Unfit(f"the type {kind}")
    return letters[kind]


def memory_size(kind: str) -> str:
    """The size in bytes of a variable, ``"s"`` for a string: what the preloaded library has to know.

    :raises Unfit: the type is not simple.
    """
    letter = _letter(kind)
    if letter == "e":
        raise Unfit("a variable of type error")
    if letter == "s":
        return "s"
    return str(struct.calcsize(_FLOATS[kind]) if kind in _FLOATS else _INTEGERS.get(kind, 1))


def encode_argument(kind: str, text: str) -> str:
    """A JSON text as the word of a request: ``i`` and ``f`` with the register's bits in hex, ``s`` with bytes."""
    data = encode_memory(kind, text)
    if kind == "string":
        return f"s{data.hex()}"
    number = int.from_bytes(data, "little", signed=kind in _SIGNED)
    return f"{_letter(kind)}{number & 0xFFFF_FFFF_FFFF_FFFF:x}"


def encode_memory(kind: str, text: str) -> bytes:
    """A JSON text as the bytes of a Go value (of a string: its contents).

    :raises UsageError: the value does not fit the type.
    """
    value = json.loads(text)
    try:
        if kind == "string" and isinstance(value, str):
            return value.encode()
        if kind == "bool" and isinstance(value, bool):
            return bytes([value])
        if kind in _INTEGERS and type(value) is int:
            return value.to_bytes(_INTEGERS[kind], "little", signed=kind in _SIGNED)
        if kind in _FLOATS and type(value) in (int, float, str):
            return struct.pack(_FLOATS[kind], float(value))
    except OverflowError:
        raise UsageError(f"{text} is out of range for {kind}") from None
    except ValueError:
        pass  # a text that is no number
    raise UsageError(f"{text} is not of type {kind}")


def decode(kind: str, raw: bytes | None) -> str:
    """The bytes of a Go value (of a string or an error: its text) as JSON; None is a nil error."""
    if raw is None:
        return "null"
    if kind in ("string", "error"):
        try:
            return json.dumps(raw.decode(), ensure_ascii=False)
        except UnicodeDecodeError:
            return json.dumps({"hex": raw.hex()})
    if kind in _FLOATS:
        return _float_text(kind, raw)
    number = int.from_bytes(raw[: _INTEGERS.get(kind, 1)], "little", signed=kind in _SIGNED)
    return json.dumps(bool(number)) if kind == "bool" else str(number)


def _float_text(kind: str, raw: bytes) -> str:
    layout = _FLOATS[kind]
    number: float = struct.unpack(layout, raw[: struct.calcsize(layout)].ljust(struct.calcsize(layout), b"\0"))[0]
    if math.isnan(number):
        return '"NaN"'
    if math.isinf(number):
        return '"+Inf"' if number > 0 else '"-Inf"'
    digits = next(
        d for d in range(1, 18) if struct.pack(layout, float(f"{number:.{d}g}")) == struct.pack(layout, number)
    )
    return f"{number:.{digits}g}"
