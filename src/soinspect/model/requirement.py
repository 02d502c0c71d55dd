"""What a host looks up in its plugins."""

from __future__ import annotations

import re

from soinspect.model.lateclass import dataclass

_BEFORE_TYPE = re.compile(r"(?<!:):(?!:)")
_BEFORE_VERSION = re.compile(r"@{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A symbol that the host looks up.

    ``type`` is the Go type that it asserts, or the prototype that it calls a C function by, None for any; ``version``
    the one that it asks of a C library, None for the default one. ``plugin`` is the path of the one plugin that is
    asked, None where all are.
    """

    symbol: str
    type: str | None
    version: str | None = None
    plugin: str | None = None

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """What ``SYMBOL``, ``SYMBOL@VERSION`` or ``SYMBOL:TYPE`` asks for; the names of C++ may have ``::`` in them."""
        versioned, *types = _BEFORE_TYPE.split(text, maxsplit=1)
        symbol, *versions = _BEFORE_VERSION.split(versioned, maxsplit=1)
        return cls(symbol=symbol, type="".join(types) or None, version="".join(versions) or None)
