"""What hosts make of a file's name to find an entry point in it."""

from __future__ import annotations

import re
from collections.abc import Callable

_LETTERS = re.compile(r"[A-Za-z_]+")
# glibc itself answers for files and dns since 2.34, and keeps empty libraries of these names.
NSS = re.compile(r"libnss_(?!files\b|dns\b)(?P<service>.+?)(?:\.so\.\d+|-\d[\d.]*\.so)")


def up_to_dot(name: str) -> str | None:
    """``NAME`` of ``NAME.so``; None for other endings: such a file is found through a link with another name."""
    stem, _, ending = name.partition(".")
    return stem if ending == "so" else None


def r_package(name: str) -> str:
    """The name without its ending, dots as underscores."""
    return name.removesuffix(".so").replace(".", "_")


def lua(name: str) -> str | None:
    """The last part of a Lua module's name; with a hyphen in it, releases differ in which side they take."""
    stem = up_to_dot(name)
    return None if stem is None or "-" in stem else stem


def tcl(name: str) -> str | None:
    """The package that ``load`` guesses where it is not told: leading letters, the first of them upper case."""
    match = _LETTERS.match(name.removeprefix("lib").removeprefix("tcl9"))
    return match[0].capitalize() if match else None


def sqlite(name: str) -> str:
    """The letters before the first dot, without ``lib``, in lower case (sqlite3_load_extension)."""
    stem = name.removeprefix("lib").partition(".")[0]
    return "".join(c for c in stem if c.isascii() and c.isalpha()).lower()


def nss(name: str) -> str | None:
    """The service of ``libnss_SERVICE.so.2``."""
    match = NSS.fullmatch(name)
    return match["service"] if match else None


def gstreamer(name: str) -> str | None:
    """The plugin of ``libgstPLUGIN.so`` (gst_plugin_load_file takes off lib, then gst)."""
    stem = up_to_dot(name)
    return stem and stem.removeprefix("lib").removeprefix("gst").replace("-", "_")


def ends_after(separator: str) -> Callable[[str, str], bool]:
    """Whether an entry point's part is the stem, or ends in it after a separator: the folders stand before it."""

    def fit(part: str, stem: str) -> bool:
        return part == stem or part.endswith(separator + stem)

    return fit


def begins_before(separator: str) -> Callable[[str, str], bool]:
    """Whether an entry point's part begins with the stem and a separator."""

    def fit(part: str, stem: str) -> bool:
        return part.startswith(stem + separator)

    return fit


def or_extension(part: str, stem: str) -> bool:
    """Whether an entry point's part is the stem, or the name that SQLite tries first, whatever the file's name."""
    return part in (stem, "extension")
