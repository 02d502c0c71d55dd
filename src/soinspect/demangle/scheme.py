"""C++ and Rust names, through pydemumble (LLVM's demanglers; the door to that library)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable

# Itanium C++ ABI "_Z" (and its block-literal form), Rust v0 "_R" (RFC 2603); legacy Rust is Itanium with a hash.
_PREFIXES = ("_Z", "___Z", "_R")


def demangle(name: str) -> str:
    """The C++ or Rust name behind a mangled one; any other name comes back as it is."""
    if not name.startswith(_PREFIXES) or not name.isascii():
        return name
    return _demangler()(name) or name


class Demangled(Sequence[str]):
    """Names as the programmer wrote them, each demangled when it is asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Demangled: ...
    def __getitem__(self, index: int | slice) -> str | Demangled:
        names = self._names[index]
        return demangle(names) if isinstance(names, str) else Demangled(names)

    def __iter__(self) -> Iterator[str]:
        return map(demangle, self._names)


@cache
def _demangler() -> Callable[[str], str | None]:
    import pydemumble

    demangler: Callable[[str], str | None] = pydemumble.demangle
    return demangler
