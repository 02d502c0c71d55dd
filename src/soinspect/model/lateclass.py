"""Dataclasses for values: as ``dataclasses`` makes them, but with methods that are written when they are first needed.

``dataclasses`` compiles six methods for each class, which takes 0.4 ms: for the hundred classes of a command more than
all the rest of its start, and most are never called. Here a class takes a tenth of that, and its ``__init__`` as much
again when the first value is made. :func:`dataclasses.fields` and :func:`dataclasses.replace` know no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from functools import cache
    from operator import attrgetter

    def dataclass(*, kw_only=False, **_always):
        """As :func:`dataclasses.dataclass`, always with ``frozen=True, slots=True``."""

        def made(cls):
            cls.__doc__ = cls.__doc__ or cls.__name__  # else the signature is looked for
            late = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
            for name, method in _METHODS.items():
                if name not in cls.__dict__:
                    setattr(late, name, method)
            return late

        return made

    def _init(self, *positional, **named):
        cls = type(self)
        cls.__init__ = _written_init(cls)
        cls.__init__(self, *positional, **named)

    def _written_init(cls):
        """The ``__init__`` that sets each slot of a class."""
        names = {"__name__": cls.__module__, "missing": object()}
        parameters, lines = {False: [], True: []}, []
        for field in dataclasses.fields(cls):
            value, default = field.name, ""
            names[f"set_{field.name}"] = getattr(cls, field.name).__set__
            if field.default is not dataclasses.MISSING:
                names[f"default_{field.name}"] = field.default
                default = f"=default_{field.name}"
            elif field.default_factory is not dataclasses.MISSING:
                names[f"make_{field.name}"] = field.default_factory
                default = "=missing"
                value = f"make_{field.name}() if {field.name} is missing else {field.name}"
            parameters[field.kw_only].append(field.name + default)
            lines.append(f"    set_{field.name}(self, {value})\n")
        if hasattr(cls, "__post_init__"):
            lines.append("    self.__post_init__()\n")
        header = ", ".join(("self", *parameters[False], *(["*", *parameters[True]] if parameters[True] else ())))
        exec(f"def __init__({header}):\n{''.join(lines) or '    pass'}", names)  # noqa: S102  (as dataclasses does)
        return names["__init__"]

    @cache
    def _values_of(cls):
        """What takes the values of all fields from an instance, as a tuple."""
        names = [field.name for field in dataclasses.fields(cls)]
        return attrgetter(*names) if len(names) > 1 else lambda self: tuple(getattr(self, name) for name in names)

    def _repr(self):
        shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self))
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        values = _values_of(self.__class__)
        return values(self) == values(other)

    def _hash(self):
        return hash(_values_of(self.__class__)(self))

    def _setattr(_self, name, _value):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delattr(_self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def _setstate(self, state):
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    _METHODS = {
        "__init__": _init,
        "__repr__": _repr,
        "__eq__": _eq,
        "__hash__": _hash,
        "__setattr__": _setattr,
        "__delattr__": _delattr,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
    }
