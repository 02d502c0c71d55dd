"""The steps of a native call as text: ``name``, ``name(arguments)``, ``name=value``; ``+0x1234`` stands for a name.

An argument says its own type, since machine code does not: ``40`` and ``-1`` and ``0x10`` and ``'a'`` are integers of
64 bits, ``1.5`` and ``f64:1.5`` doubles, ``f32:1.5`` a float, ``"text"`` or ``str:text`` the address of a text,
``buf:64`` the address of that many zero bytes, ``@path`` the address of a file's contents, ``&{i32:3, f64:1.5}`` the
address of a structure laid out by C's rules, ``{x=3, y=1.5}`` a structure by value whose type a prototype gives, and
``&{x=3, y=1.5}`` the address of one,
``cb:ret=7`` and ``cb:ret=1.5`` the address of a function that returns this number, ``null`` the null pointer,
``[1, 2]`` a Go slice where a prototype asks for one, ``RED`` an enumerator where it asks for an enumeration.
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator

from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.lateclass import dataclass
from soinspect.model.signature import Signature
from soinspect.regularfile import read_small

NAME = re.compile(r"[A-Za-z_]\w*(?:::\w+)*")
"""The name of an enumerator, with the scopes that C++ puts in front of it."""
INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|\d+)")
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)")
_CALLBACK = re.compile(r"cb:(?:ret=(?P<value>.+))?")
_UNKNOWN_PARAMETERS = bytes([protocol.INTEGER] * 6)  # all integer registers of x86-64
_ASSIGNMENT = re.compile(r"(?P<name>[^=(]+?)\s*=(?P<value>.*)", re.DOTALL)
_OPERATOR = re.compile(r"\boperator\W*")  # whose name may end with what looks like an assignment
_FORMATS = {
    "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "q", "u64": "Q", "ptr": "Q",
    "f32": "f", "f64": "d",
}  # fmt: skip
_WORDS = {"null": 0, "false": 0, "true": 1}
_MAX_BUFFER = 1 << 16
_MAX_FILE = 1 << 26
_MAX_ARGUMENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument as the user wrote it, and as the worker takes it: a kind of :mod:`protocol` and its value.

    A LITERAL has none yet: what it stands for depends on the type that is asked for. ``function`` is the type of a
    callback, where it is known.
    """

    text: str
    kind: int
    value: int | bytes
    pointers: protocol.Pointers = ()
    function: Signature | None = None

    @property
    def wire(self) -> protocol.Argument:
        """The argument as it is sent to the worker."""
        return self.kind, self.value, self.pointers


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeStep:
    """A parsed step. ``arguments`` is None for a plain name; ``assigned`` is the new value's literal, or None."""

    name: str
    arguments: tuple[Argument, ...] | None
    assigned: str | None

    @property
    def offset(self) -> int | None:
        """The offset in the file's memory image, where one was given instead of a name."""
        return int(self.name[1:], 0) if re.fullmatch(r"\+(?:0x[0-9a-fA-F]+|\d+)", self.name) else None


def parse_step(text: str) -> NativeStep:
    """Parse one step.

    :raises UsageError: it does not follow the grammar.
    :raises InputError: a file that an argument names cannot be read.
    """
    text = text.strip()
    assignment = _ASSIGNMENT.fullmatch(text)
    if assignment and not _OPERATOR.search(assignment["name"]):
        return NativeStep(name=assignment["name"], arguments=None, assigned=assignment["value"])
    groups = _groups(text)
    if not text or groups[:1] == [0]:
        raise UsageError(f"{text!r} is not a step: expected name, name(arguments) or name=value")
    if not text.endswith(")"):
        return NativeStep(name=text, arguments=None, assigned=None)
    # The last parentheses: those of a C++ name stand in front of them.
    start = groups[-1]
    arguments = tuple(parse_argument(part) for part in split_parts(text[start + 1 : -1]))
    if len(arguments) > _MAX_ARGUMENTS:
        raise UsageError(f"{len(arguments)} arguments are too many: at most {_MAX_ARGUMENTS}")
    return NativeStep(name=text[:start].strip(), arguments=arguments, assigned=None)


def parse_argument(text: str) -> Argument:
    """Parse one argument; errors as in :func:`parse_step`."""
    text = text.strip()
    # An integer of more than 64 bits is nothing yet without its type.
    is_wide = INTEGER.fullmatch(text) and not -(1 << 63) <= _exactly(text) < 1 << 64
    kind, value = (protocol.LITERAL, b"") if is_wide else _value(text)
    return Argument(text=text, kind=kind, value=value)


def encode_scalar(text: str, size: int) -> bytes:
    """A number, written as an argument is, in ``size`` bytes of memory.

    :raises UsageError: it is no number, or does not fit.
    """
    kind, value = _value(text.strip())
    if kind == protocol.VECTOR and isinstance(value, bytes):
        if size == 4 and not text.strip().startswith("f32:"):
            return struct.pack("<f", struct.unpack("<d", value)[0])
        return value[:size]
    if kind != protocol.INTEGER or not isinstance(value, int):
        raise UsageError(f"{text!r} cannot be assigned: only numbers can")
    signed = value - (1 << 64) if value >> 63 else value
    if size > 8 or not -(1 << (8 * size - 1)) <= signed < 1 << (8 * size):
        raise UsageError(f"{text} does not fit into {size} bytes")
    return (signed % (1 << (8 * size))).to_bytes(size, "little")


def element_bytes(text: str) -> bytes:
    """A number as an element of an array: of 8 bytes, unless a prefix says its type.

    :raises UsageError: it is no number.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in _FORMATS:
        return _scalar(prefix, rest.strip(), text)
    kind, value = _value(text)
    if kind == protocol.INTEGER and isinstance(value, int):
        return value.to_bytes(8, "little")
    if kind == protocol.VECTOR and isinstance(value, bytes):
        return value
    raise UsageError(f"{text!r} is not an element: expected a number, or a text")


def _value(text: str) -> tuple[int, int | bytes]:  # noqa: C901  (one line a form)
    if text in _WORDS:
        return protocol.INTEGER, _WORDS[text]
    if INTEGER.fullmatch(text):
        return protocol.INTEGER, _integer(text)
    if _FLOAT.fullmatch(text):
        return protocol.VECTOR, struct.pack("<d", float(text))
    if text[:1] == text[-1:] == "'" and len(text) > 2:
        character = _literal(text)
        if len(character) != 1:
            raise UsageError(f"{text} is not one character; texts take double quotes")
        return protocol.INTEGER, ord(character)
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        return protocol.BYTES, _literal(text).encode() + b"\0"
    if text[:1] + text[-1:] in ("{}", "[]") or NAME.fullmatch(text):
        return protocol.LITERAL, b""
    if text.startswith("&{") and text.endswith("}"):
        return _structure(text)
    if text.startswith("@"):
        return protocol.BYTES, read_small(text[1:], _MAX_FILE)
    callback = _CALLBACK.fullmatch(text)
    if callback:
        result = parse_argument(callback["value"] or "0")
        is_typed = result.kind == protocol.LITERAL
        return (protocol.LITERAL, b"") if is_typed else (protocol.CALLBACK, callback_bytes(result))
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "str":
        return protocol.BYTES, (_literal(rest) if rest[:1] == '"' else rest).encode() + b"\0"
    if colon and prefix == "buf":
        size = _integer(rest)
        if size > _MAX_BUFFER:
            raise UsageError(f"{text}: a buffer may have up to {_MAX_BUFFER} bytes")
        return protocol.BYTES, bytes(size)
    if colon and prefix in _FORMATS:
        packed = _scalar(prefix, rest, text)
        if prefix in ("f32", "f64"):
            return protocol.VECTOR, packed.ljust(8, b"\0")
        return protocol.INTEGER, int.from_bytes(packed, "little", signed=prefix[0] == "i") % (1 << 64)
    raise UsageError(
        f'{text!r} is not an argument: expected a number, f64:1.5, "text", buf:64, @file, {{...}}, &{{...}}, [...], '
        "cb:ret=0 or null"
    )


def callback_bytes(result: Argument, parameters: bytes | None = None) -> bytes:
    """A callback that returns ``result``, for the worker; None stands for parameters that are not known.

    :raises UsageError: it is neither a number nor an address that is written as one.
    """
    if isinstance(result.value, int):
        register = result.value.to_bytes(8, "little")
    elif result.kind == protocol.VECTOR:
        register = result.value
    else:
        raise UsageError(f"cb:ret={result.text}: a callback returns numbers only")
    return protocol.CALLBACK_RESULT.pack(result.kind, register) + (
        _UNKNOWN_PARAMETERS if parameters is None else parameters
    )


def _exactly(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"{text!r} is not an integer") from None


def _integer(text: str) -> int:
    value = _exactly(text)
    if not -(1 << 63) <= value < 1 << 64:
        raise UsageError(f"{text} does not fit into 64 bits")
    return value % (1 << 64)


def _scalar(prefix: str, rest: str, text: str) -> bytes:
    try:
        number = float(rest) if prefix in ("f32", "f64") else 0 if rest == "null" else int(rest, 0)
        return struct.pack("<" + _FORMATS[prefix], number)
    except (ValueError, OverflowError, struct.error):
        raise UsageError(f"{text!r}: the number does not fit its type") from None


def _literal(text: str) -> str:
    """A quoted text with the escapes that C and Python share."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise UsageError(f"{text} is not a quoted text") from None
    return str(value)


def _structure(text: str) -> tuple[int, bytes]:
    """``&{i32:3, f64:1.5}``: each member at a multiple of its size, the whole padded to the largest.

    Members that do not say their type leave it to the prototype.
    """
    data, alignment = b"", 1
    for part in split_parts(text[2:-1]):
        member = part.strip()
        prefix, colon, rest = member.partition(":")
        if not colon or prefix not in _FORMATS:
            return protocol.LITERAL, b""
        packed = _scalar(prefix, rest.strip(), member)
        alignment = max(alignment, len(packed))
        data += bytes(-len(data) % len(packed)) + packed
    return protocol.BYTES, data + bytes(-len(data) % alignment)


def split_parts(text: str) -> Iterator[str]:
    """The parts between the commas that stand outside of quotes and braces."""
    if not text.strip():
        return
    start = 0
    for at, character, depth in _marks(text):
        if character == "," and not depth:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _groups(text: str) -> list[int]:
    """Where the outermost parentheses of a step open."""
    return [at for at, character, depth in _marks(text) if character == "(" and depth == 1]


def _marks(text: str) -> Iterator[tuple[int, str, int]]:
    """The commas and brackets outside of quotes, with how many brackets are open there.

    :raises UsageError: a quote or a bracket is not closed.
    """
    at = depth = 0
    quote = ""
    while at < len(text):
        character = text[at]
        if quote:
            at += character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "{([":
            depth += 1
            yield at, character, depth
        elif character in "})]":
            depth -= 1
        elif character == ",":
            yield at, character, depth
        at += 1
    if quote or depth:
        raise UsageError(f"{text!r}: a quote or a brace is not closed")
