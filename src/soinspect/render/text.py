"""Small things that every view writes the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any

from soinspect.model.absence import Absent


def printable(text: str) -> str:
    """The text with control characters and bytes that are not UTF-8 escaped, so that a name cannot drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def all_printable(texts: Sequence[str]) -> Sequence[str]:
    """All texts as :func:`printable` makes them; a glance at their whole mostly spares a look at each."""
    return texts if hold_only(HARMLESS, texts) else [printable(text) for text in texts]


HARMLESS = bytes(range(0x20, 0x7F))
_BATCH = 1024
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")


def hold_only(characters: bytes, texts: Sequence[str]) -> bool:
    """Whether the texts consist of these ASCII characters alone."""
    # Deleting what is harmless is several times quicker than str.isprintable(), and memory used again than new memory.
    parts = ("".join(texts[first : first + _BATCH]) for first in range(0, len(texts), _BATCH))
    return all(part.isascii() and not part.encode("ascii").translate(None, characters) for part in parts)


def each_once(text_of: Callable[..., str], *columns: Iterable[Any]) -> list[str]:
    """``text_of`` for each row of the columns, called once for each of the few rows that differ."""
    texts = _Texts(text_of)
    return list(map(texts.__getitem__, zip(*columns, strict=True)))


class _Texts(dict[tuple[Any, ...], str]):
    """From rows to their texts, which are made when they are first asked for."""

    def __init__(self, text_of: Callable[..., str]) -> None:
        super().__init__()
        self._text_of = text_of

    def __missing__(self, row: tuple[Any, ...]) -> str:
        text = self[row] = self._text_of(*row)
        return text


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, kept as a surrogate
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def utf8(text: str) -> str:
    """The text itself if it can be encoded as UTF-8, else with its stray bytes escaped."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_escape(c) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)
    return text


def inert(json_text: str) -> str:
    """The same JSON; what a terminal or a reader's eye could be led astray by (C1 controls, bidi) stands as escapes."""
    if json_text.isascii() and "\x7f" not in json_text:
        return json_text
    import json

    return _NOT_ASCII.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], json_text)


def cut(text: str, width: int) -> str:
    """The text in at most ``width`` columns, with an ellipsis where it was cut."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def known(value: object, nothing: str = "-") -> str:
    """A fact as text; why it is absent, or ``nothing`` for None."""
    if isinstance(value, Absent):
        return value.reason
    return nothing if value is None else printable(str(value))


def last_part(path: str) -> str:
    """What a file is called for short; a path that ends without a name (``./``, ``/``) as it is."""
    return PurePath(path).name or path
