"""TOML that users write, read within bounds: it may come with a pull request."""

from __future__ import annotations

from typing import Any

from soinspect.errors import UsageError

# tomllib takes time and memory by the square of the parts of a dotted key, which stands on one line.
_MAX_LINE = 1000


def parse_toml(text: str, path: str) -> dict[str, Any]:
    """The tables of a TOML file.

    :raises UsageError: it is not TOML, or made to exhaust who reads it; the text names ``path``.
    """
    import tomllib

    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _MAX_LINE:
            raise UsageError(f"{path}: line {number} has {len(line):,} characters; {_MAX_LINE:,} are read")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{path}: not read: nested too deep") from None
    except ValueError as error:  # a number of too many digits, too
        raise UsageError(f"{path}: not TOML: {error}") from None
