"""Types of C and C++ as one line of text each, read from left to right, and back.

``*const struct point`` is a pointer to a constant structure, ``[4]int`` an array, ``func(x: int, ...) *char`` a
function; ``&``, ``&&``, ``vector[4]float`` and ``member(struct s) int`` are the rest. A type with a name is written by
its label: ``struct point``, ``size_t``. Types without a name are labelled by where they are first met
(``union #value.as``), and further ones of the same name numbered (``struct node#2``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    ArrayType,
    BaseType,
    CallingConvention,
    Derivation,
    DerivedType,
    Enumeration,
    FunctionType,
    MemberPointer,
    Parameter,
    Type,
    Typedef,
    UnreadableType,
    UnspecifiedType,
)
from soinspect.saved.factlines import LineError

_MARKS = {
    derivation: {"pointer": "*", "reference": "&", "rvalue reference": "&&"}.get(derivation, f"{derivation} ")
    for derivation in Derivation
}
VOID_LABEL = "void"
ENUM = "enum"
UNREADABLE = "unreadable"
LABELLED = frozenset({*AggregateKind, ENUM, UNREADABLE})
_RESERVED = LABELLED | {*Derivation, "func", "vector", "member"}
# A word that "=" follows is the first field after a name.
_PLAIN = re.compile(r"[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*(?: \w+\b(?!=))*", re.ASCII)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LABEL = re.compile(rf"(?:({'|'.join(sorted(LABELLED))}) )?({_QUOTED}|{_PLAIN.pattern})?(#[\w.]*)?", re.ASCII)
_PARAMETER = re.compile(rf"(@?)(\w+|{_QUOTED}|): ", re.ASCII)
_MARK = re.compile("|".join(re.escape(mark) for mark in sorted(_MARKS.values(), key=len, reverse=True)))
_BY_MARK = {mark: derivation for derivation, mark in _MARKS.items()}
_ARRAY = re.compile(r"(vector)?\[((?:\d+|\?)?(?:,(?:\d+|\?))*)\]", re.ASCII)
_FUNCTION = re.compile(r"func(\?)?(?:<(\w+)>)?\(", re.ASCII)
_MAX_DEPTH = 100
_MAX_DIGITS = 20


def quoted(name: str) -> str:
    """A name as it is, or in the quotes of JSON where it could be read as something else."""
    plain = _PLAIN.fullmatch(name) and name.split(" ", 1)[0] not in _RESERVED
    return name if plain else json.dumps(name)


def keyword(one: Type) -> str:
    """The word that the label of a type begins with; empty for base types, typedefs and their like."""
    match one:
        case Aggregate(kind=kind):
            return str(kind)
        case Enumeration():
            return ENUM
        case UnreadableType():
            return UNREADABLE
        case _:
            return ""


def name_of(one: Type) -> str | None:
    """The name of a type that is written by its label; None if it has none."""
    match one:
        case Aggregate(name=name) | Enumeration(name=name):
            return name
        case BaseType(name=name) | Typedef(name=name) | UnspecifiedType(name=name) | UnreadableType(reason=name):
            return name
        case _:
            return None


def type_text(types: tuple[Type, ...], labels: Mapping[int, str], index: int) -> str:
    """The type at ``index``; ``labels`` are those of the named types it is made of."""
    if index in labels:
        return labels[index]
    match types[index]:
        case DerivedType(derivation=derivation, target=target):
            return _MARKS[derivation] + type_text(types, labels, target)
        case MemberPointer(target=target, owner=owner):
            return f"member({type_text(types, labels, owner)}) {type_text(types, labels, target)}"
        case ArrayType(element=element, dimensions=dimensions, vector=vector):
            sizes = ",".join("?" if size is None else str(size) for size in dimensions)
            return f"{'vector' * vector}[{sizes}]{type_text(types, labels, element)}"
        case FunctionType() as function:
            return _function_text(types, labels, function)
        case named:
            raise ValueError(f"no label for {named}")


def _function_text(types: tuple[Type, ...], labels: Mapping[int, str], function: FunctionType) -> str:
    return function_text(function, lambda index: type_text(types, labels, index))


def function_text(function: FunctionType, text_of: Callable[[int], str]) -> str:
    """A function type; ``text_of`` writes the types that it takes and returns."""
    parts = [_parameter_mark(parameter) + text_of(parameter.type) for parameter in function.parameters]
    parts += ["..."] if function.variadic else []
    convention = "" if function.convention is None else f"<{_convention_word(function.convention)}>"
    loose = "" if function.prototyped else "?"
    return f"func{loose}{convention}({', '.join(parts)}) {text_of(function.result)}"


def _parameter_mark(parameter: Parameter) -> str:
    if parameter.name is None:
        return "@: " if parameter.artificial else ""
    name = parameter.name if re.fullmatch(r"\w+", parameter.name, re.ASCII) else json.dumps(parameter.name)
    return f"{'@' * parameter.artificial}{name}: "


def _convention_word(convention: CallingConvention) -> str:
    known = convention.name in CallingConvention.__members__
    return convention.name if known else str(convention.value)


@dataclass
class TypeParser:
    """Reads types from their text; ``intern`` gives the index of a type, ``labelled`` that of a label."""

    intern: Callable[[Type], int]
    labelled: Callable[[str], int]
    text: str = ""
    position: int = 0
    depth: int = 0

    def parse(self, text: str) -> int:
        """The index of the type that ``text`` is.

        :raises LineError: it is none, or names a label that is not there.
        """
        self.text, self.position, self.depth = text, 0, 0
        index = self._type()
        if self.position != len(text):
            raise self._error("a type should end")
        return index

    def parse_function(self, text: str) -> FunctionType:
        """The function type that ``text`` is.

        :raises LineError: it is none.
        """
        self.text, self.position, self.depth = text, 0, 0
        head = self._take(_FUNCTION)
        if head is None:
            raise self._error("a function type should begin")
        function = self._function(head)
        if self.position != len(text):
            raise self._error("a type should end")
        return function

    def _error(self, what: str) -> LineError:
        return LineError(f"{what} at {self.text[self.position : self.position + 20]!r}")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def _expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.position):
            raise self._error(f"{mark!r} is missing")
        self.position += len(mark)

    def _type(self) -> int:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self._error("too many parts")
        index = self._compound()
        self.depth -= 1
        return index

    def _compound(self) -> int:
        if mark := self._take(_MARK):
            return self.intern(DerivedType(derivation=_BY_MARK[mark[0]], target=self._type()))
        if array := self._take(_ARRAY):
            sizes = array[2].split(",") if array[2] else []
            dimensions = tuple(None if size == "?" else self._number(size) for size in sizes)
            return self.intern(ArrayType(element=self._type(), dimensions=dimensions, vector=bool(array[1])))
        if head := self._take(_FUNCTION):
            return self.intern(self._function(head))
        if self.text.startswith("member(", self.position):
            self._expect("member(")
            owner = self._type()
            self._expect(") ")
            return self.intern(MemberPointer(target=self._type(), owner=owner))
        return self._label()

    def _number(self, digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise self._error("a number too long")
        return int(digits)

    def _function(self, head: re.Match[str]) -> FunctionType:
        parameters: list[Parameter] = []
        variadic = False
        while not self.text.startswith(")", self.position):
            if parameters or variadic:
                self._expect(", ")
            if variadic:
                raise self._error("'...' must be last")
            if self.text.startswith("...", self.position):
                self._expect("...")
                variadic = True
            else:
                parameters.append(self._parameter())
        self._expect(") ")
        convention = None if head[2] is None else self._convention(head[2])
        return FunctionType(
            result=self._type(),
            parameters=tuple(parameters),
            variadic=variadic,
            prototyped=head[1] is None,
            convention=convention,
        )

    def _parameter(self) -> Parameter:
        mark = self._take(_PARAMETER)
        if mark is None:
            return Parameter(name=None, type=self._type())
        return Parameter(name=unquoted(mark[2]) or None, type=self._type(), artificial=bool(mark[1]))

    def _convention(self, word: str) -> CallingConvention:
        if word in CallingConvention.__members__:
            return CallingConvention[word]
        if not word.isdecimal():
            raise self._error(f"unknown calling convention {word[:20]}")
        return CallingConvention(self._number(word))

    def _label(self) -> int:
        label, self.position = read_label(self.text, self.position)
        return self.labelled(label)


def read_label(text: str, start: int) -> tuple[str, int]:
    """The label that stands at ``start``, and where it ends.

    :raises LineError: none does.
    """
    found = _LABEL.match(text, start)
    if found is None or (found[2] is None and found[3] is None):
        raise LineError(f"a type should stand at {text[start : start + 20]!r}")
    return found[0], found.end()


def meaning(label: str) -> tuple[str, str | None]:
    """The keyword (or ``""``) and the name (None if it has none) that a label stands for.

    :raises LineError: a name in quotes is no JSON.
    """
    found = _LABEL.fullmatch(label)
    assert found is not None  # noqa: S101
    return found[1] or "", None if found[2] is None else unquoted(found[2])


def unquoted(text: str) -> str:
    """A name without the quotes that it may have.

    :raises LineError: what stands between them is no JSON.
    """
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        raise LineError(f"a wrong escape in {text[:40]}") from None


def starts_function(text: str) -> bool:
    """Whether the text of a type is that of a function."""
    return _FUNCTION.match(text) is not None
