"""C++ and Rust names, through pydemumble (LLVM's demanglers; the door to that library)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Itanium C++ ABI "_Z" (and its block-literal form), Rust v0 "_R" (RFC 2603); legacy Rust is Itanium with a hash.
_PREFIXES = ("_Z", "___Z", "_R")


def demangle(name: str) -> str:
    """The C++ or Rust name behind a mangled one; any other name comes back as it is."""
    if not name.startswith(_PREFIXES) or not name.isascii():
        return name
    return _demangler()(name)


@cache
def _demangler() -> Callable[[str], str]:
    import pydemumble

    demangler: Callable[[str], str] = pydemumble.demangle
    return lambda name: demangler(name) or name
