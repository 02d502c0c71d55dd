"""What rustc wrote before its second scheme: names of C++ that end in a hash, and escape what C++ has no letters for.

Source: rustc_symbol_mangling/src/legacy.rs of rustc.
"""

from __future__ import annotations

import re

_MANGLED = re.compile(r"_ZN.*17h[0-9a-f]{16}E(?:\..*)?")
_HASH = re.compile(r"::h[0-9a-f]{16}(?: \(\..*\))?$")
_ESCAPE = re.compile(r"\.\.|(?<![^:])_(?=\$)|\$(?:SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{1,5})\$")
_ESCAPED = {"..": "::", "_": "", "$SP$": "@", "$BP$": "*", "$RF$": "&", "$LT$": "<", "$GT$": ">", "$LP$": "(",
            "$RP$": ")", "$C$": ","}  # fmt: skip


def readable(mangled: str, demangled: str) -> str:
    """The Rust name behind what a demangler of C++ made of ``mangled``; if it is not Rust's, ``demangled`` itself."""
    if not _MANGLED.fullmatch(mangled):
        return demangled
    return _ESCAPE.sub(_unescaped, _HASH.sub("", demangled))


def _unescaped(escape: re.Match[str]) -> str:
    text = escape[0]
    if not text.startswith("$u"):
        return _ESCAPED[text]
    character = chr(int(text[2:-1], 16))
    return character if character.isprintable() else text
