"""Inspect, compare, predict the loading of, and really call the symbols of plugins.

The functions are those of :mod:`soinspect.api`. With the classes of what they are asked, and the exceptions, they are
here under their own names, and loaded when first asked for. docs/python.md shows them at work.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soinspect.api import (
        call,
        check,
        compare,
        compare_folders,
        dependencies,
        explain,
        freeze,
        inspect,
        inspect_go,
        list_symbols,
        plugin_kinds,
        scanning,
        snapshot,
        timeline,
    )
    from soinspect.errors import (
        CannotRun,
        FormatError,
        InputError,
        NotElf,
        SoinspectError,
        Unsupported,
        UsageError,
    )
    from soinspect.loader.environment import LoaderEnv
    from soinspect.model.absence import Absent
    from soinspect.model.calling import CallLimits, EnvironmentVariable, HostKind, Sandbox
    from soinspect.model.finding import Profile, Suppression
    from soinspect.model.goreport import GoQuery, GoTable
    from soinspect.model.requirement import Requirement
    from soinspect.model.symbolquery import Scope, SortKey, SymbolQuery
    from soinspect.model.verdict import Policy

__version__ = "0.1.0"

_HOMES = {
    "soinspect.api": (
        *("call", "check", "compare", "compare_folders", "dependencies", "explain", "freeze", "inspect", "inspect_go"),
        *("list_symbols", "plugin_kinds", "scanning", "snapshot", "timeline"),
    ),
    "soinspect.errors": (
        *("CannotRun", "FormatError", "InputError", "NotElf", "SoinspectError", "Unsupported", "UsageError"),
    ),
    "soinspect.loader.environment": ("LoaderEnv",),
    "soinspect.model.absence": ("Absent",),
    "soinspect.model.calling": ("CallLimits", "EnvironmentVariable", "HostKind", "Sandbox"),
    "soinspect.model.finding": ("Profile", "Suppression"),
    "soinspect.model.goreport": ("GoQuery", "GoTable"),
    "soinspect.model.symbolquery": ("Scope", "SortKey", "SymbolQuery"),
    "soinspect.model.requirement": ("Requirement",),
    "soinspect.model.verdict": ("Policy",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Absent",
    "CallLimits",
    "CannotRun",
    "EnvironmentVariable",
    "FormatError",
    "GoQuery",
    "GoTable",
    "HostKind",
    "InputError",
    "LoaderEnv",
    "NotElf",
    "Policy",
    "Profile",
    "Requirement",
    "Sandbox",
    "Scope",
    "SoinspectError",
    "SortKey",
    "Suppression",
    "SymbolQuery",
    "Unsupported",
    "UsageError",
    "call",
    "check",
    "compare",
    "compare_folders",
    "dependencies",
    "explain",
    "freeze",
    "inspect",
    "inspect_go",
    "list_symbols",
    "plugin_kinds",
    "scanning",
    "snapshot",
    "timeline",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return ["__version__", *__all__]
