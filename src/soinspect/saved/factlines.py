"""Facts as lines: a path, and a value in JSON or as a bare word.

``header.machine = X86_64`` is a field of a field; ``dynamic.needed += "libc.so.6"`` an item of a list. Behind a name,
fields are ``key=value``, separated by blanks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = Any
_WORD = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_LINE = re.compile(r"([a-z_]+(?:\.[a-z_]+)*) (\+?=) (.*)", re.ASCII)
_KEY = re.compile(r" ([a-z_]+)=", re.ASCII)
_NAME = re.compile(r'[^\s"(-]\S*')
_MAX_NESTING = 10


class LineError(ValueError):
    """A line that says nothing; the message tells what is wrong with it."""


def value_text(value: Json) -> str:
    """A value on a line: words of capitals stand for themselves, everything else is JSON."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else json.dumps(value)


def flat(tree: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, str, Json]]:
    """The leaves of a tree of objects: path, ``=`` or ``+=``, value; an absent fact is a leaf."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and "absent" not in value:
            yield from flat(value, f"{path}.")
        elif isinstance(value, list) and value:
            yield from ((path, "+=", item) for item in value)
        else:
            yield path, "=", value


def leaf_of(line: str) -> tuple[str, str, Json] | None:
    """The leaf that a line says, or None if the line is none."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    value, end = read_value(found[3], 0)
    if end != len(found[3]):
        raise LineError("something follows the value")
    return found[1], found[2], value


def plant(tree: dict[str, Json], path: str, operator: str, value: Json) -> None:
    """Put a leaf into a tree.

    :raises LineError: something else is there already, or the path is too long.
    """
    *way, last = path.split(".")
    if len(way) > _MAX_NESTING:
        raise LineError("too many parts in a path")
    for key in way:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            raise LineError(f"{key} has a value already")
    if operator == "=":
        if last in tree:
            raise LineError(f"{last} has a value already")
        tree[last] = value
    else:
        items = tree.setdefault(last, [])
        if not isinstance(items, list):
            raise LineError(f"{last} has a value already")
        items.append(value)


def name_text(name: str) -> str:
    """A name of any characters as one token."""
    plain = _NAME.fullmatch(name) and name.isprintable() and not name.endswith(":")
    return name if plain else json.dumps(name)


def read_name(text: str, start: int) -> tuple[str, int]:
    """The name that stands at ``start``, and where it ends."""
    if text.startswith('"', start):
        value, end = read_value(text, start)
        return str(value), end
    found = _NAME.match(text, start)
    if found is None:
        raise LineError("a name should stand there")
    return (found[0][:-1], found.end() - 1) if found[0].endswith(":") else (found[0], found.end())


def fields_text(values: Mapping[str, Json]) -> str:
    """``key=value`` of every field, with a blank before each."""
    return "".join(f" {key}={value_text(value)}" for key, value in values.items())


def read_fields(text: str, start: int) -> tuple[dict[str, Json], int]:
    """The fields that stand at ``start``, and where they end."""
    values: dict[str, Json] = {}
    while found := _KEY.match(text, start):
        values[found[1]], start = read_value(text, found.end())
    return values, start


def read_value(text: str, start: int) -> tuple[Json, int]:
    """The value that stands at ``start``, and where it ends."""
    word = _WORD.match(text, start)
    if word:
        return word[0], word.end()
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        raise LineError(f"no value at {text[start : start + 20]!r}") from None
    return value, end
