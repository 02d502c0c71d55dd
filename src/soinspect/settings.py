"""TOML that users write, read within bounds: it may come with a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from soinspect.errors import UsageError

# tomllib takes time and memory by the square of the parts of a dotted key, which stands on one line.
_MAX_LINE = 1000
_MAX_SHOWN = 40


def check_keys(keys: Iterable[str], known: Sequence[str], where: str) -> None:
    """Refuse a key that nothing reads: a word that is misspelt would otherwise be a wish that nobody hears.

    :raises UsageError: one is not ``known``; the text begins with ``where``, and tells the known one that is nearest.
    """
    for key in keys:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {key[:_MAX_SHOWN]}; {hint}")


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
