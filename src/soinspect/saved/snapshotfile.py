"""Snapshots: all facts of one file as one JSON document, without loss.

``{"soinspect": "snapshot", "version": 1, "facts": {...}}``; :mod:`soinspect.saved.forms` says how facts are written.
Fields are only ever added within a version.
"""

from __future__ import annotations

import json

from soinspect.errors import InputError
from soinspect.model.facts import Facts
from soinspect.saved.forms import Json, Mismatch, form_of
from soinspect.saved.soundness import sound

VERSION = 1


def write_snapshot(facts: Facts) -> str:
    """The facts as a JSON document of one line, in ASCII: any name survives any transport."""
    body = {"soinspect": "snapshot", "version": VERSION, "facts": form_of(Facts).encode(facts)}
    return json.dumps(body) + "\n"


def read_snapshot(text: str, path: str) -> Facts:
    """The facts that a snapshot holds.

    :raises InputError: it is of another version, cut short or altered; the error names the place.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(path, f"damaged snapshot: {error.msg} at character {error.pos:,}") from None
    except (ValueError, RecursionError):
        raise InputError(path, "damaged snapshot: a number too long, or lists nested too deep") from None
    if not isinstance(body, dict) or body.get("soinspect") != "snapshot":
        raise InputError(path, 'JSON, but no snapshot: it does not begin with {"soinspect": "snapshot"')
    if body.get("version") != VERSION:
        raise InputError(path, f"a snapshot of version {body.get('version')!r:.20}; this soinspect reads {VERSION}")
    try:
        facts = form_of(Facts).decode(body.get("facts"))
    except Mismatch as wrong:
        raise InputError(path, f"damaged snapshot: {wrong.at('facts')}") from None
    assert isinstance(facts, Facts)  # noqa: S101
    return sound(facts, path, "snapshot")


def snapshot_schema() -> Json:
    """The JSON Schema of a snapshot."""
    named: dict[str, Json] = {}
    facts = form_of(Facts).schema(named)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "soinspect snapshot",
        "description": "All facts of one object file. Fields that are left out have their default.",
        "type": "object",
        "properties": {"soinspect": {"const": "snapshot"}, "version": {"const": VERSION}, "facts": facts},
        "required": ["soinspect", "version", "facts"],
        "additionalProperties": False,
        "$defs": dict(sorted(named.items())),
    }
