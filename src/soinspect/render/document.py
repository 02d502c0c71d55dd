"""Values to JSON: one document a run, described by ``schema.json`` beside this file.

``{"schema_version": 1, "command": ..., "files": [...], ...}``. Integers stay integers, enumerations are their
names, an absent fact is ``{"absent": "why"}``, bytes are text with escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum, Flag, StrEnum

from soinspect.errors import FormatError, SoinspectError
from soinspect.model.absence import Absent
from soinspect.model.snapshot import ExplainedSymbol
from soinspect.render.text import utf8

SCHEMA_VERSION = 1

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def document(command: str, **parts: object) -> str:
    """The whole JSON document of one run."""
    body = {"schema_version": SCHEMA_VERSION, "command": command, **parts}
    return json.dumps(jsonable(body), ensure_ascii=False, indent=2) + "\n"


def jsonable(value: object) -> Json:  # noqa: C901  (one line a type)
    """A value of the model as JSON has it; dataclasses become objects with the names of their fields."""
    match value:
        case ExplainedSymbol():
            return symbol_object(value)
        case Absent(reason=reason):
            return {"absent": utf8(reason)}
        case StrEnum():
            return value.value
        case Flag():
            return [member.name for member in value if member.name]
        case Enum():
            return value.name
        case None | bool() | int() | float():
            return value
        case str():
            return utf8(value)
        case bytes():
            return utf8(value.decode("utf-8", "surrogateescape"))
        case dict():
            return {utf8(str(key)): jsonable(item) for key, item in value.items()}
        case SoinspectError():
            return error_object(value)
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


def symbol_object(row: ExplainedSymbol) -> dict[str, Json]:
    """A symbol as JSON has it; a name that is not UTF-8 is escaped, and flagged by ``name_escaped``."""
    symbol, explained = row.symbol, row.explained
    name = utf8(symbol.name)
    document: dict[str, Json] = {
        "name": name,
        "demangled": utf8(explained.text),
        "version": None if symbol.version is None else utf8(symbol.version),
        "default_version": symbol.default_version,
        "value": symbol.value,
        "size": symbol.size,
        "type": symbol.type.name,
        "binding": symbol.binding.name,
        "visibility": symbol.visibility.name,
        "section": utf8(symbol.section),
        "kind": explained.kind.value,
    }
    if explained.package is not None:
        document["package"] = utf8(explained.package)
    if name != symbol.name:
        document["name_escaped"] = True
    return document


def symbol_lines(rows: Sequence[ExplainedSymbol], path: str) -> Iterator[str]:
    """One JSON object a line and symbol, each with the file it is from (JSON lines)."""
    for row in rows:
        yield json.dumps({"file": utf8(path), **symbol_object(row)}, ensure_ascii=False) + "\n"
