"""The parts of a C++ function's name, as LLVM's demangler spells it."""

from __future__ import annotations

import re
from itertools import pairwise

from soinspect.model.lateclass import dataclass

# Brackets in these words are none.
_ODD = re.compile(r"\boperator(?:\(\)|<=>|<<=?|>>=?|[<>]=?)|->\*?")
_MARK = re.compile(r"::|\boperator\b|[()<>\[\]{}, ]")
_LONGEST = 1 << 16
_CLOSING = {")": "(", ">": "<", "]": "[", "}": "{"}
_QUALIFIERS = re.compile(r"(?: const| volatile| restrict)*(?: &&?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CxxFunction:
    """What the name of a C++ function says.

    ``result`` is empty where the name does not tell it: the names of templates alone do. ``scopes`` are the namespaces
    and classes around it, from the outside in; which of them are classes the name does not tell. ``name`` has template
    arguments with it, ``qualifiers`` are those of the object that a member function is called on.
    """

    result: str
    scopes: tuple[str, ...]
    name: str
    parameters: tuple[str, ...]
    qualifiers: str

    @property
    def full_name(self) -> str:
        """The name with its scopes."""
        return "::".join((*self.scopes, self.name))


def read_function(text: str) -> CxxFunction | None:
    """The parts of a demangled name; None where it is that of a variable, of a thunk, or too intricate or long."""
    if len(text) > _LONGEST:
        return None
    # Same length, so that places in one are places in the other.
    plain = _ODD.sub(lambda odd: odd[0].rstrip("()<>=-*").ljust(len(odd[0]), "_"), text)
    marks = _outline(plain)
    groups = [at for what, at in marks if what in "()"][-2:]
    if len(groups) < 2:
        return None
    start, end = groups
    if plain[:start].endswith((")", " ")) or not start or not _QUALIFIERS.fullmatch(text[end + 1 :]):
        return None
    name_ends = max((at for what, at in marks if what == "operator" and at < start), default=start)
    name_at = max((at + 1 for what, at in marks if what == " " and at < name_ends), default=0)
    result = text[:name_at].strip()
    if result.endswith((" to", " for")):  # "non-virtual thunk to f()"
        return None
    bounds = [name_at - 2, *(at for what, at in marks if what == "::" and name_at <= at < name_ends), start]
    *scopes, name = [text[a + 2 : b] for a, b in pairwise(bounds)]
    cuts = [start, *(at for what, at in marks if what == "," and start < at), end]
    parameters = [text[a + 1 : b].strip() for a, b in pairwise(cuts)]
    return CxxFunction(
        result=result,
        scopes=tuple(scopes),
        name=name,
        parameters=() if parameters == [""] else tuple(parameters),
        qualifiers=text[end + 1 :].strip(),
    )


def _outline(plain: str) -> list[tuple[str, int]]:
    """The marks outside of all brackets, the outermost parentheses, and the commas in these; none if they are odd."""
    marks: list[tuple[str, int]] = []
    opened: list[str] = []
    for mark in _MARK.finditer(plain):
        what, at = mark[0], mark.start()
        if what in "([{" or (what == "<" and plain[at - 1 : at] != " "):
            opened.append(what)
            is_shown = opened == ["("]
        elif what in _CLOSING:
            is_shown = opened == ["("]
            if opened[-1:] == [_CLOSING[what]]:
                opened.pop()
            elif what != ">":  # which may be an operator
                return []
        else:
            is_shown = not opened or (what == "," and opened == ["("])
        if is_shown:
            marks.append((what, at))
    return [] if opened else marks
