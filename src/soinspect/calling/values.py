"""Raw machine values as text: a return register, the bytes of a variable."""

from __future__ import annotations

import math
import struct
import sys

_WORD = 1 << 64
_INTEGER_SIZES = (1, 2, 4, 8)
SHOWN_BYTES = 64
_TEXT_LIMIT = 100
_QUOTED_LIMIT = 300
_SMALL, _LARGE = 1e-6, 1e12


def register_text(value: int) -> str:
    """A 64-bit register whose type is unknown: in hex, and as the numbers it may stand for."""
    readings = [f"{value}"]
    if value >= _WORD >> 1:
        readings = [f"{value - _WORD}"]
    elif 1 << 31 <= value < 1 << 32:
        readings.append(f"{value - (1 << 32)} if it is an int")
    return f"{value:#x} ({', or '.join(readings)})"


def floating_text(vector: bytes) -> str | None:
    """What a vector return register may hold as a double or a float, or None.

    Vector registers hold leftovers of earlier work, so only numbers of an everyday size are shown:
    bits of pointers, of text and of small integers make numbers far outside of it.
    """
    (double,) = struct.unpack_from("<d", vector)
    if _everyday(double):
        return f"{double!r} as a double"
    (single,) = struct.unpack_from("<f", vector)
    if not any(vector[4:8]) and _everyday(single):
        return f"{single:.9g} as a float"
    return None


def _everyday(number: float) -> bool:
    return math.isfinite(number) and _SMALL <= abs(number) <= _LARGE


def contents_text(data: bytes) -> str:
    """The bytes of a variable whose type is unknown: a number where the size is that of one, else hex and text."""
    if len(data) in _INTEGER_SIZES:
        number = int.from_bytes(data, sys.byteorder)
        signed = int.from_bytes(data, sys.byteorder, signed=True)
        return str(number) if number == signed else f"{signed} ({number} unsigned)"
    shown = data[:SHOWN_BYTES].hex(" ") + (" ..." if len(data) > SHOWN_BYTES else "")
    text = c_string(data)
    return f'"{text}"' if text else shown


def hex_text(data: bytes) -> str:
    """The bytes in memory order."""
    return data[:SHOWN_BYTES].hex(" ") + (" ..." if len(data) > SHOWN_BYTES else "")


def c_string(data: bytes) -> str | None:
    """The NUL-terminated text that ``data`` begins with, or None if it does not look like text."""
    raw, end, _ = data.partition(b"\0")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not end or not text or not all(c.isprintable() or c in "\t\n" for c in text):
        return None
    return text[:_TEXT_LIMIT].encode("unicode_escape").decode("ascii") if not text.isprintable() else text[:_TEXT_LIMIT]


def quoted_c_string(data: bytes) -> str:
    """The text of a ``char *``; ``data`` is what could be read of it."""
    raw, end, _ = data.partition(b"\0")
    return quoted(raw, len(raw) if end else None)


def quoted(data: bytes, length: int | None) -> str:
    """The start of a text in quotes, with C's escapes for what is not printable, and its length if it is cut.

    ``length`` is that of the whole text, None if there is more of it than ``data``.
    """
    text = data.decode("utf-8", "surrogateescape")
    shown = "".join(map(_escaped, text[:_QUOTED_LIMIT]))
    if length == len(data) and len(text) <= _QUOTED_LIMIT:
        return f'"{shown}"'
    size = f"{len(data):,} bytes or more" if length is None else f"{length:,} bytes"
    return f'"{shown}..." ({size})'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
