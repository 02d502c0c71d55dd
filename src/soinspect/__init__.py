"""Inspect, compare, predict the loading of, and really call the symbols of plugins.

The functions of :mod:`soinspect.api` are here under their own names, and loaded when first asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soinspect.api import (
        call,
        check,
        compare,
        compare_folders,
        dependencies,
        explain,
        inspect,
        inspect_go,
        list_symbols,
        plugin_kinds,
        scanning,
        timeline,
    )

__version__ = "0.1.0"

__all__ = [
    "call",
    "check",
    "compare",
    "compare_folders",
    "dependencies",
    "explain",
    "inspect",
    "inspect_go",
    "list_symbols",
    "plugin_kinds",
    "scanning",
    "timeline",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from soinspect import api

    return getattr(api, name)
