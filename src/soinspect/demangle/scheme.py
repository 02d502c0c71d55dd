"""C++ and Rust names, through pycxxfilt (LLVM's demanglers; the door to that library)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable

# Itanium C++ ABI "_Z" (and its block-literal form), Rust v0 "_R" (RFC 2603); legacy Rust is Itanium with a hash.
_RUST = "_R"
_PREFIXES = ("_Z", "___Z", _RUST)
# LLVM's demanglers call themselves for each level of a name: some 200,000 characters exhaust the stack.
_LONGEST = 1 << 15
_LEGACY_RUST = "17h"  # how its hash begins


def demangle(name: str) -> str:
    """The C++ or Rust name behind a mangled one; any other name comes back as it is."""
    if not name.startswith(_PREFIXES) or not name.isascii() or len(name) > _LONGEST:
        return name
    cxx, rust = _demanglers()
    try:
        text = rust(name) if name.startswith(_RUST) else cxx(name)
    except ValueError:  # it only begins like one
        return name
    if text and _LEGACY_RUST in name:
        from soinspect.demangle.legacyrust import readable

        return readable(name, text)
    return text or name


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
def _demanglers() -> tuple[Callable[[str], str | None], Callable[[str], str | None]]:
    from pycxxfilt import itanium_demangle, rust_demangle

    return itanium_demangle, rust_demangle
