"""The JSON form of model values: written, read back strictly, and described as a JSON Schema.

A form follows from the type annotations of the model alone. A dataclass is an object without the fields that have
their default; an enumeration is the name or text of its member, or the number where it has no name; an absent fact is
``{"absent": why}``. Where several dataclasses are allowed, ``"is"`` names the one that is there.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum, IntEnum, StrEnum
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from soinspect import model
from soinspect.model.absence import Absent
from soinspect.model.constants import OpenEnum

Json = Any
_TAG = "is"
_WORD = 1 << 64
_SCALARS: dict[type, str] = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


class Mismatch(Exception):
    """A JSON value that is not of the form asked for; ``where`` is the way to it, outermost step last."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.where: list[str] = []
        super().__init__(what)

    def at(self, step: str) -> Mismatch:
        """The same one step further out."""
        self.where.append(step)
        return self

    def __str__(self) -> str:
        way = "".join(reversed(self.where)).removeprefix(".")
        return f"{way}: {self.what}" if way else self.what


class Form(ABC):
    """How the values of one type are written in JSON."""

    @abstractmethod
    def encode(self, value: object) -> Json:
        """The value in JSON."""

    @abstractmethod
    def decode(self, json: Json) -> object:
        """The value that ``json`` says.

        :raises Mismatch: it is not of this form.
        """

    def decode_all(self, json: list[Json]) -> list[object]:
        """The values of a list.

        :raises Mismatch: one of them is not of this form.
        """
        decode = self.decode
        items = []
        try:
            for item in json:
                items.append(decode(item))  # noqa: PERF401  (its length tells which item is wrong)
        except Mismatch as wrong:
            raise wrong.at(f"[{len(items)}]") from None
        return items

    @abstractmethod
    def fits(self, json: Json) -> bool:
        """Whether ``json`` can only be meant as this form, among the alternatives of a union."""

    @abstractmethod
    def schema(self, named: dict[str, Json], /) -> Json:
        """The JSON Schema of the form; those of dataclasses are put into ``named``."""


@cache
def form_of(annotation: Any) -> Form:
    """The form of the values that a type annotation describes."""
    if annotation is Absent:
        return _AbsentForm()
    if annotation in _SCALARS:
        return _ScalarForm(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _LiteralForm(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return _ListForm(form_of(arguments[0]), tuple)
    if origin is Sequence:
        return _ListForm(form_of(arguments[0]), list)
    if origin in (UnionType, Union):
        return _UnionForm(arguments)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _EnumForm(annotation)
    if _is_record(annotation):
        return _RecordForm(annotation)
    raise TypeError(f"{annotation} has no form in JSON")


@cache
def _model_names() -> dict[str, Any]:
    """All that the model defines: modules of the model import what only annotations name for type checkers alone."""
    modules = (import_module(found.name) for found in iter_modules(model.__path__, f"{model.__name__}."))
    return {name: value for module in modules for name, value in vars(module).items()}


def _are_scalars(items: list[Json], kinds: set[type]) -> bool:
    """Whether all items are sound values of these types, told at a glance: symbol tables are long columns of them."""
    types = set(map(type, items))
    return types <= kinds and (int not in types or (types == {int} and min(items) >= -_WORD and max(items) < _WORD))


def _is_record(annotation: Any) -> bool:
    return is_dataclass(annotation) and annotation is not Absent


@dataclass(frozen=True)
class _ScalarForm(Form):
    kind: type

    def encode(self, value: object) -> Json:
        return value

    def decode(self, json: Json) -> object:
        if type(json) is not self.kind:
            raise Mismatch(f"{_what(json)} where {_SCALARS[self.kind]} belongs")
        if isinstance(json, int) and not -_WORD <= json < _WORD:
            raise Mismatch("a number of more than 64 bits")
        return json

    def decode_all(self, json: list[Json]) -> list[object]:
        return json if _are_scalars(json, {self.kind}) else super().decode_all(json)

    def fits(self, json: Json) -> bool:
        return type(json) is self.kind

    def schema(self, _: dict[str, Json]) -> Json:
        return {"type": _SCALARS[self.kind]}


@dataclass(frozen=True)
class _LiteralForm(Form):
    values: tuple[str, ...]

    def encode(self, value: object) -> Json:
        return value

    def decode(self, json: Json) -> object:
        if json not in self.values:
            raise Mismatch(f"{_what(json)} where one of {', '.join(self.values)} belongs")
        return json

    def fits(self, json: Json) -> bool:
        return json in self.values

    def schema(self, _: dict[str, Json]) -> Json:
        return {"enum": list(self.values)}


@dataclass(frozen=True)
class _EnumForm(Form):
    kind: type[Enum]

    def encode(self, value: object) -> Json:
        assert isinstance(value, Enum)  # noqa: S101
        if isinstance(value, StrEnum):
            return value.value
        return value.name if value.name in self.kind.__members__ else value.value

    @cached_property
    def _members(self) -> dict[str, Enum]:
        by_value = issubclass(self.kind, StrEnum)
        return {member.value: member for member in self.kind} if by_value else dict(self.kind.__members__)

    def decode(self, json: Json) -> object:
        if type(json) is str and json in self._members:
            return self._members[json]
        if type(json) is int and issubclass(self.kind, OpenEnum):
            return self.kind(json)
        raise Mismatch(f"{_what(json)} is no {self.kind.__name__}")

    def fits(self, json: Json) -> bool:
        return type(json) is str or (type(json) is int and issubclass(self.kind, IntEnum))

    def schema(self, _: dict[str, Json]) -> Json:
        known = {"enum": list(self._members)}
        return {"anyOf": [known, {"type": "integer"}]} if issubclass(self.kind, OpenEnum) else known


class _AbsentForm(Form):
    def encode(self, value: object) -> Json:
        assert isinstance(value, Absent)  # noqa: S101
        return {"absent": value.reason}

    def decode(self, json: Json) -> object:
        if not self.fits(json) or len(json) > 1 or type(json["absent"]) is not str:
            raise Mismatch(f'{_what(json)} where {{"absent": why}} belongs')
        return Absent(json["absent"])

    def fits(self, json: Json) -> bool:
        return type(json) is dict and "absent" in json

    def schema(self, _: dict[str, Json]) -> Json:
        return {"type": "object", "properties": {"absent": {"type": "string"}}, "required": ["absent"],
                "additionalProperties": False}  # fmt: skip


@dataclass(frozen=True)
class _ListForm(Form):
    item: Form
    kind: type[tuple[object, ...] | list[object]]

    def encode(self, value: object) -> Json:
        assert isinstance(value, Sequence)  # noqa: S101
        return [self.item.encode(item) for item in value]

    def decode(self, json: Json) -> object:
        if type(json) is not list:
            raise Mismatch(f"{_what(json)} where a list belongs")
        return self.kind(self.item.decode_all(json))

    def fits(self, json: Json) -> bool:
        return type(json) is list

    def schema(self, named: dict[str, Json]) -> Json:
        return {"type": "array", "items": self.item.schema(named)}


class _UnionForm(Form):
    def __init__(self, alternatives: tuple[Any, ...]) -> None:
        records = [it for it in alternatives if _is_record(it)]
        self._tagged = {it.__name__: form_of(it) for it in records} if len(records) > 1 else {}
        self._forms = {it: form_of(it) for it in alternatives}
        self._scalars = {it for it in alternatives if it in _SCALARS}

    def encode(self, value: object) -> Json:
        form = self._forms.get(type(value)) or next(
            form for it, form in self._forms.items() if get_origin(it) is tuple and isinstance(value, tuple)
        )
        json = form.encode(value)
        return {_TAG: type(value).__name__, **json} if type(value).__name__ in self._tagged else json

    def decode(self, json: Json) -> object:
        if self._tagged and type(json) is dict and _TAG in json:
            tagged = self._tagged.get(json[_TAG]) if type(json[_TAG]) is str else None
            if tagged is None:
                raise Mismatch(f"{_what(json[_TAG])} is none of {', '.join(self._tagged)}").at(f".{_TAG}")
            return tagged.decode({key: item for key, item in json.items() if key != _TAG})
        for form in self._forms.values():
            if form not in self._tagged.values() and form.fits(json):
                return form.decode(json)
        raise Mismatch(f"{_what(json)} does not belong here")

    def decode_all(self, json: list[Json]) -> list[object]:
        return json if _are_scalars(json, self._scalars) else super().decode_all(json)

    def fits(self, json: Json) -> bool:
        return any(form.fits(json) for form in self._forms.values())

    def schema(self, named: dict[str, Json]) -> Json:
        tags = {
            form: {"properties": {_TAG: {"const": name}}, "required": [_TAG]} for name, form in self._tagged.items()
        }
        schemas = [(form.schema(named), tags.get(form)) for form in self._forms.values()]
        return {"anyOf": [{"allOf": [tag, known]} if tag else known for known, tag in schemas]}


class _RecordForm(Form):
    """The form of a dataclass."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @cached_property
    def _fields(self) -> dict[str, tuple[Field[Any], Form]]:
        # When first asked for: a record may hold others of its own kind.
        hints = get_type_hints(self._kind, {**_model_names(), **vars(sys.modules[self._kind.__module__])})
        return {field.name: (field, form_of(hints[field.name])) for field in fields(self._kind)}

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(name for name, (field, _) in self._fields.items() if field.default is MISSING)

    def encode(self, value: object) -> Json:
        given = ((name, getattr(value, name), field, form) for name, (field, form) in self._fields.items())
        return {name: form.encode(item) for name, item, field, form in given if item != field.default}

    def decode(self, json: Json) -> object:
        if type(json) is not dict:
            raise Mismatch(f"{_what(json)} where an object belongs")
        if not self._required <= json.keys():
            raise Mismatch(f"{min(self._required - json.keys())} is missing")
        values: dict[str, object] = {}
        for name, item in json.items():
            if name not in self._fields:
                raise Mismatch(f"unknown field {_what(name)}")
            try:
                values[name] = self._fields[name][1].decode(item)
            except Mismatch as wrong:
                raise wrong.at(f".{name}") from None
        return self._kind(**values)

    def fits(self, json: Json) -> bool:
        return type(json) is dict and "absent" not in json

    def schema(self, named: dict[str, Json]) -> Json:
        name = self._kind.__name__
        if name not in named:
            named[name] = {}  # for the records that hold others of their own kind
            properties = {key: form.schema(named) for key, (_, form) in self._fields.items()}
            named[name] = {"type": "object", "properties": properties, "required": sorted(self._required)}
        return {"$ref": f"#/$defs/{name}"}


def _what(json: Json) -> str:
    """A wrong value, in a few characters."""
    text = repr(json) if not isinstance(json, dict | list) else "an object" if isinstance(json, dict) else "a list"
    return text if len(text) <= 40 else f"{text[:39]}…"
