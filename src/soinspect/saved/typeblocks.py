"""The types of a baseline: a line for each type that has a name, and one for each of its members.

::

    base int size=4 encoding=SIGNED
    enum colour size=4: unsigned int
      RED value=0
    struct point size=8
      x offset=0: int
    typedef point_t: struct point

``-`` is a member without a name, ``(base)`` a base class, ``(virtual)`` a virtual method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from soinspect.model.prototype import (
    VOID,
    Aggregate,
    Base,
    BaseType,
    Enumeration,
    Enumerator,
    FunctionType,
    Member,
    Prototypes,
    Type,
    Typedef,
    UnreadableType,
    UnspecifiedType,
    VirtualMethod,
)
from soinspect.saved.factlines import Json, LineError, fields_text, name_text, read_fields, read_name
from soinspect.saved.forms import Mismatch, form_of
from soinspect.saved.typenotation import (
    ENUM,
    UNREADABLE,
    VOID_LABEL,
    TypeParser,
    meaning,
    read_label,
    type_text,
)

# What the line of a type begins with where its label has no keyword.
_WORDS: dict[type[Type], str] = {BaseType: "base", Typedef: "typedef", UnspecifiedType: "unspecified"}
_KINDS: dict[str, type[Type]] = {word: kind for kind, word in _WORDS.items()}
_INDENT = "  "
_T = TypeVar("_T")
Part = Base | Enumerator | Member | VirtualMethod
_BASE, _VIRTUAL, _UNNAMED = "(base)", "(virtual) ", "-"
# Fields that are written in other ways than by their names.
_OTHERWISE = frozenset(
    ("kind", "name", "reason", "target", "type", "underlying", "enumerators", "members", "bases", "virtual_methods")
)


def type_blocks(side: Prototypes, labels: dict[int, str]) -> Iterator[str]:
    """The lines of all labelled types, sorted by label."""
    for index in sorted(labels.keys() - {VOID}, key=labels.__getitem__):
        one = side.types[index]
        word = f"{_WORDS[type(one)]} " if type(one) in _WORDS else ""
        made_of = one.target if isinstance(one, Typedef) else one.underlying if isinstance(one, Enumeration) else None
        of = "" if made_of is None else f": {type_text(side.types, labels, made_of)}"
        yield f"{word}{labels[index]}{_fields(one)}{of}"
        if isinstance(one, Enumeration):
            yield from (f"{_INDENT}{name_text(it.name)}{_fields(it)}" for it in one.enumerators)
        if isinstance(one, Aggregate):
            yield from (f"{_INDENT}{line}" for line in _parts(side, labels, one))


def _parts(side: Prototypes, labels: dict[int, str], one: Aggregate) -> Iterator[str]:
    for base in one.bases:
        yield f"{_BASE}{_fields(base)}: {type_text(side.types, labels, base.type)}"
    for member in one.members:
        name = _UNNAMED if member.name is None else name_text(member.name)
        yield f"{name}{_fields(member)}: {type_text(side.types, labels, member.type)}"
    for method in one.virtual_methods:
        yield f"{_VIRTUAL}{name_text(method.name)}{_fields(method)}"


def _fields(value: Type | Part) -> str:
    kind: Any = type(value)
    fields: dict[str, Json] = form_of(kind).encode(value)
    return fields_text({key: item for key, item in fields.items() if key not in _OTHERWISE})


@dataclass
class _Line:
    """A line taken apart: the class of its value, name or label, fields, the text of a type, number in the file."""

    number: int
    kind: type[Type | Part]
    name: str | None
    fields: dict[str, Json]
    type_text: str | None
    parts: list[_Line] = field(default_factory=list)


class TypeBlockReader:
    """Reads the lines of types one by one, and makes a type graph of them once all are there."""

    def __init__(self) -> None:
        self._blocks: dict[str, _Line] = {}
        self._last: _Line | None = None
        self._types: list[Type] = [UnspecifiedType(name=VOID_LABEL)]
        self._indexes: dict[Type, int] = {self._types[VOID]: VOID}
        self._labelled = {VOID_LABEL: VOID}
        self._parser = TypeParser(intern=self._intern, labelled=self._index_of)

    def take(self, number: int, line: str) -> None:
        """Read one line.

        :raises LineError: it is not of a type.
        """
        if line.startswith(_INDENT):
            if self._last is None:
                raise LineError("a part of nothing")
            self._last.parts.append(_read_part(number, line.removeprefix(_INDENT)))
            return
        word = line.partition(" ")[0]
        label, end = read_label(line, len(word) + 1 if word in _KINDS else 0)
        keyword, _ = meaning(label)
        if bool(keyword) is (word in _KINDS):
            raise LineError("neither a fact nor a type")
        kind = _KINDS.get(word) or {ENUM: Enumeration, UNREADABLE: UnreadableType}.get(keyword, Aggregate)
        if label in self._blocks or label == VOID_LABEL:
            raise LineError(f"{label[:40]} is there twice")
        self._last = self._blocks[label] = _Line(number, kind, label, *_rest(line, end))

    def type_at(self, number: int, text: str) -> int:
        """The index of the type that a text on line ``number`` is; of use once all lines are read.

        :raises LineError: it is none; the message begins with the number of the line, as those of all errors here.
        """
        return self._numbered(number, text, self._parser.parse)

    def function_at(self, number: int, text: str) -> FunctionType:
        """The function type that a text on line ``number`` is; of use once all lines are read."""
        return self._numbered(number, text, self._parser.parse_function)

    def types(self) -> tuple[Type, ...]:
        """The type graph; of use once every text has been asked for."""
        for label, line in self._blocks.items():
            self._types[self._index_of(label)] = self._whole(line)
        return tuple(self._types)

    def _numbered(self, number: int, text: str, parse: Callable[[str], _T]) -> _T:
        try:
            return parse(text)
        except LineError as error:
            raise LineError(f"line {number}: {error}") from None

    def _intern(self, one: Type) -> int:
        index = self._indexes.setdefault(one, len(self._types))
        if index == len(self._types):
            self._types.append(one)
        return index

    def _index_of(self, label: str) -> int:
        """The index of a labelled type; its value takes the place once all lines are read."""
        if label not in self._labelled:
            if label not in self._blocks:
                raise LineError(f"no line describes {label[:40]}")
            self._labelled[label] = len(self._types)
            self._types.append(UnreadableType(reason="not read yet"))
        return self._labelled[label]

    def _whole(self, line: _Line) -> Type:
        """The type of a line, with its parts."""
        keyword, name = meaning(line.name or "")
        of = None if line.type_text is None else self.type_at(line.number, line.type_text)
        parts = [self._part(part) for part in line.parts]
        if line.kind is Aggregate:
            whole = _value(line, {"kind": keyword, "name": name})
            assert isinstance(whole, Aggregate)  # noqa: S101
            return replace(
                whole,
                members=tuple(part for part in parts if isinstance(part, Member)),
                bases=tuple(part for part in parts if isinstance(part, Base)),
                virtual_methods=tuple(part for part in parts if isinstance(part, VirtualMethod)),
            )
        if line.kind is Enumeration:
            whole = _value(line, {"name": name, "underlying": of, "enumerators": []})
            assert isinstance(whole, Enumeration)  # noqa: S101
            return replace(whole, enumerators=tuple(part for part in parts if isinstance(part, Enumerator)))
        key = "reason" if line.kind is UnreadableType else "name"
        whole = _value(line, {key: name} if of is None else {key: name, "target": of})
        assert isinstance(whole, Type)  # noqa: S101
        return whole

    def _part(self, line: _Line) -> object:
        fields: dict[str, Json] = {} if line.kind is Base else {"name": line.name}
        if line.type_text is not None:
            fields["type"] = self.type_at(line.number, line.type_text)
        return _value(line, fields)


def _read_part(number: int, text: str) -> _Line:
    """A part of a type; an enumerator is what has a value."""
    if text.startswith(_BASE):
        return _Line(number, Base, None, *_rest(text, len(_BASE)))
    kind: type[Part] = VirtualMethod if text.startswith(_VIRTUAL) else Member
    if text.startswith(f"{_UNNAMED} "):
        return _Line(number, Member, None, *_rest(text, len(_UNNAMED)))
    name, end = read_name(text, len(_VIRTUAL) if kind is VirtualMethod else 0)
    fields, of = _rest(text, end)
    return _Line(number, Enumerator if "value" in fields else kind, name, fields, of)


def _rest(line: str, start: int) -> tuple[dict[str, Json], str | None]:
    """The fields that follow a name, and the text of the type after them."""
    fields, end = read_fields(line, start)
    if end == len(line):
        return fields, None
    if not line.startswith(": ", end):
        raise LineError(f"a field or a type should stand at {line[end : end + 20]!r}")
    return fields, line[end + 2 :]


def _value(line: _Line, more: dict[str, Json]) -> object:
    kind: Any = line.kind
    try:
        return form_of(kind).decode(line.fields | more)
    except Mismatch as wrong:
        raise LineError(f"line {line.number}: {wrong}") from None
