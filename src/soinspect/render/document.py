"""Values to JSON: one document a run, described by ``schema.json`` beside this file.

``{"schema_version": 1, "command": ..., "files": [...], ...}``. Integers stay integers, enumerations are their
names, an absent fact is ``{"absent": "why"}``, bytes are text with escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum, Flag, StrEnum
from itertools import islice, repeat
from types import NoneType

from soinspect.errors import FormatError, SoinspectError
from soinspect.model.absence import Absent
from soinspect.model.symbol import ExplainedSymbols
from soinspect.model.symbolquery import SymbolListing
from soinspect.render.symboljson import listed_texts, symbol_texts
from soinspect.render.text import inert, utf8

SCHEMA_VERSION = 1
_CHUNK = 4096
_SIMPLE = frozenset({str, int, float, bool, NoneType})
_encode = json.JSONEncoder(ensure_ascii=False).encode

# Tables of symbols stay what they are until they are written.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"] | ExplainedSymbols | SymbolListing


def document(command: str, **parts: object) -> str:
    """The whole JSON document of one run."""
    return "".join(document_texts(command, **parts))


def document_texts(command: str, **parts: object) -> Iterator[str]:
    """The JSON document of one run, piece by piece: a large one need not be held in memory."""
    body = {"schema_version": SCHEMA_VERSION, "command": command, **parts}
    yield from map(inert, _text(jsonable(body), "\n"))
    yield "\n"


def _text(value: Json, newline: str) -> Iterator[str]:
    """The JSON text of a value; ``newline`` is the line break with the indentation of the line it begins in."""
    inner = newline + "  "
    match value:
        case dict() if value:
            heads = (f"{inner}{_encode(key)}: " for key in value)
            yield from _parts("{", zip(heads, value.values(), strict=True), newline, "}")
        case list() if value:
            yield from _parts("[", zip(repeat(inner), value, strict=False), newline, "]")
        case ExplainedSymbols() if len(value):
            yield from _lines(iter(symbol_texts(value)), newline)
        case SymbolListing() if value.order:
            yield from _lines(listed_texts(value), newline)
        case ExplainedSymbols() | SymbolListing():
            yield "[]"
        case _:
            yield _encode(value)


def _parts(opening: str, items: Iterable[tuple[str, Json]], newline: str, closing: str) -> Iterator[str]:
    """The items of a list or an object, each behind its head; those without parts of their own in one piece."""
    piece = [opening]
    comma = ""
    for head, item in items:
        piece += (comma, head)
        comma = ","
        if type(item) in _SIMPLE:
            piece.append(_encode(item))
        else:
            yield "".join(piece)
            piece.clear()
            yield from _text(item, newline + "  ")
    yield "".join((*piece, newline, closing))


def _lines(texts: Iterator[str], newline: str) -> Iterator[str]:
    """A list of texts of JSON, of which there is one at least, each in a line of its own."""
    inner = newline + "  "
    yield f"[{inner}{next(texts)}"
    while chunk := list(islice(texts, _CHUNK)):
        yield f",{inner}" + f",{inner}".join(chunk)
    yield newline + "]"


def jsonable(value: object) -> Json:  # noqa: C901  (one line a type)
    """A value of the model as JSON has it; dataclasses become objects with the names of their fields."""
    if type(value) is str:
        return utf8(value)
    if type(value) in _SIMPLE:
        return value  # type: ignore[return-value]
    match value:
        case ExplainedSymbols() | SymbolListing():
            return value
        case Absent(reason=reason):
            return {"absent": utf8(reason)}
        case StrEnum():
            return value.value
        case Flag():
            return [member.name for member in value if member.name]
        case Enum():
            return value.name
        case bytes():
            return utf8(value.decode("utf-8", "surrogateescape"))
        case dict():
            return {utf8(str(key)): jsonable(item) for key, item in value.items()}
        case SoinspectError():
            return error_object(value)
        case Sequence():
            return [jsonable(item) for item in value]
        case _ if is_dataclass(value):
            return {f.name: jsonable(getattr(value, f.name)) for f in fields(value)}
        case Iterable():
            return [jsonable(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def error_object(error: SoinspectError) -> dict[str, Json]:
    """An error as JSON has it, with the offset and field of a damaged file."""
    document: dict[str, Json] = {"message": utf8(str(error))}
    if isinstance(error, FormatError):
        document |= {"offset": error.offset, "field": error.field, "value": error.value}
    return document
