"""Modules that are imported by others for features which most runs never come to: they are loaded when first used."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

# The import system, and whoever looks through all modules, ask for these; it is no use of the module.
_ASKED_OF_ALL = ("__file__", "__path__")


class _Late(ModuleType):
    """Stands for a module of this name until something of it is asked for."""

    def __getattr__(self, attribute: str) -> object:
        name = self.__name__
        if attribute in _ASKED_OF_ALL:
            raise AttributeError(attribute)
        if sys.modules.get(name) is self:
            del sys.modules[name]
        module = import_module(name)
        self.__dict__.update(module.__dict__)
        return getattr(module, attribute)


def load_late(*names: str) -> None:
    """Have these modules loaded at their first use, unless they are loaded already."""
    for name in names:
        sys.modules.setdefault(name, _Late(name))
