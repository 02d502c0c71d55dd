"""The steps of a Go call as the user writes them: ``Name``, ``Name(argument, ...)``, ``Name=value``.

A name may go on with fields and methods: ``Config.Limit``, ``Default.Reset()``. Arguments and values are JSON.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import NoReturn

from soinspect.errors import UsageError
from soinspect.model.golang import GoExport, GoPlugin
from soinspect.model.lateclass import dataclass

_STEP = re.compile(
    r"\s*(?P<symbol>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*(?:\((?P<arguments>.*)\)|=(?P<value>.+))?\s*", re.DOTALL
)
_GAP = re.compile(r"\s*")
_NAMES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class GoStep:
    """``arguments`` are JSON texts, None when none were written; ``value`` is the JSON text to assign, or None."""

    symbol: str
    arguments: tuple[str, ...] | None
    value: str | None


def parse_step(text: str) -> GoStep:
    """The step that a text means.

    :raises UsageError: it means none, or holds something that is not JSON.
    """
    match = _STEP.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no step of a Go plugin: write Name, Name(argument, ...) or Name=value")
    symbol, arguments, value = match.groups()
    values = None if value is None else _values(value, symbol)
    if values is not None and len(values) != 1:
        raise UsageError(f"{symbol}= takes one value, not {len(values)}")
    return GoStep(
        symbol=symbol,
        arguments=None if arguments is None else _values(arguments, symbol),
        value=None if values is None else values[0],
    )


def find_export(step: GoStep, plugin: GoPlugin, path: str) -> GoExport:
    """The export of the plugin at ``path`` that a step begins with.

    :raises UsageError: there is none of this name; near ones are suggested.
    """
    name = step.symbol.partition(".")[0]
    exports = {export.name: export for export in plugin.exports}
    if name in exports:
        return exports[name]
    near = difflib.get_close_matches(name, exports, n=3) or [n for n in exports if n.lower() == name.lower()]
    if near:
        raise UsageError(f"{path} exports no {name}; did you mean {' or '.join(near)}?")
    names = list(exports)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    raise UsageError(f"{path} exports no {name}; it exports {', '.join(names[:_NAMES_SHOWN]) or 'nothing'}{more}")


def _values(text: str, symbol: str) -> tuple[str, ...]:
    """The JSON texts between the commas."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    values: list[str] = []
    position = _skip_gap(text, 0)
    while position < len(text):
        try:
            value, end = decoder.raw_decode(text, position)
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError):
            shown = text[position:].strip()
            raise UsageError(
                f'{symbol}: {shown} is not JSON; numbers, true, null, [1, 2], {{"A": 1}}, and text in quotes are'
            ) from None
        values.append(text[position:end])
        position = _skip_gap(text, end)
        if position < len(text) and text[position] != ",":
            raise UsageError(f"{symbol}: a comma is missing before {text[position:]}")
        position = _skip_gap(text, position + 1)
    return tuple(values)


def _skip_gap(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else len(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's; in quotes they are floats
