"""C++ and Rust names, through pycxxfilt (LLVM's demanglers; the door to that library)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING

from soinspect.model.texts import LazyTexts

if TYPE_CHECKING:
    from collections.abc import Callable

# Itanium C++ ABI "_Z" (and its block-literal form), Rust v0 "_R" (RFC 2603); legacy Rust is Itanium with a hash.
_RUST = "_R"
_PREFIXES = ("_Z", "___Z", _RUST)
# LLVM's demanglers call themselves for each level of a name: some 200,000 characters exhaust the stack.
_LONGEST = 1 << 15
_LEGACY_RUST = "17h"  # how its hash begins
# A reference repeats what was there before, which may be repetitions itself: a name of 300 characters can stand for
# gigabytes. Of 237,000 names of a machine two could become longer than 2**22 characters as we estimate it; none is.
_CXX_REFERENCE = re.compile(r"([ST])([0-9A-Z]{0,6})_")
_RUST_REFERENCE = re.compile(r"(B)([0-9A-Za-z]{0,6})_")
_FEW_REFERENCES = 16
_SUSPICIOUS = 1 << 16
_HOPELESS = 1 << 24
_ROOM = 1 << 24  # characters for all suspicious names of one list


def demangle(name: str) -> str:
    """The C++ or Rust name behind a mangled one; any other name comes back as it is."""
    return name if name.count("_") >= _FEW_REFERENCES and _expansion(name) > _HOPELESS else _demangled(name)


def _demangled(name: str) -> str:
    """As :func:`demangle`, of a name that does not expand out of proportion."""
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


def with_raw(name: str) -> str:
    """The readable name, and the raw one behind it for those who have to copy it; a name that is not mangled alone."""
    text = demangle(name)
    return name if text == name else f"{text} ({name})"


def _expansion(name: str) -> int:
    """More characters than this the readable name cannot have.

    What a reference stands for was complete when it, or in C++ a later one, was referred to first: it is no longer
    than all that was there by then.
    """
    is_rust = name.startswith(_RUST)
    ranks: dict[str, int] = {}  # Rust's references have no order of their own: that of their first use
    known: dict[str, tuple[list[int], list[int]]] = {kind: ([], []) for kind in "STB"}
    first, *parts = (_RUST_REFERENCE if is_rust else _CXX_REFERENCE).split(name)
    length = len(first)
    for kind, digits, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        number = ranks.setdefault(digits, len(ranks)) if is_rust else int(digits or "-1", 36)
        numbers, lengths = known[kind]
        index = bisect_left(numbers, number)
        if index == len(numbers):
            numbers.append(number)
            lengths.append(length)
        length += lengths[index] + len(text)
    return length


class Demangled(LazyTexts):
    """Names as the programmer wrote them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(demangle, names)

    def __iter__(self) -> Iterator[str]:
        """All names; where many expand out of proportion, the rest of those stay as they are."""
        if not any(map(str.startswith, self._sources, repeat(_PREFIXES))):
            yield from self._sources
            return
        cxx, _ = _demanglers()
        room = _ROOM
        for name in self._sources:
            few = name.count("_") < _FEW_REFERENCES
            # Nearly all names of a C++ library: LLVM's work is half of what a call of _demangled takes.
            if few and name.startswith("_Z") and name.isascii() and len(name) <= _LONGEST and _LEGACY_RUST not in name:
                try:
                    yield cxx(name) or name
                except ValueError:
                    yield name
            elif few or _expansion(name) < _SUSPICIOUS:
                yield _demangled(name)
            elif room > 0:
                text = demangle(name)
                room -= len(text)
                yield text
            else:
                yield name


@cache
def _demanglers() -> tuple[Callable[[str], str | None], Callable[[str], str | None]]:
    from pycxxfilt import itanium_demangle, rust_demangle

    return itanium_demangle, rust_demangle
