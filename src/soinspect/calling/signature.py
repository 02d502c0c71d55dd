"""Prototypes from C declarations, as a user writes them after ``--sig``, and where two sources disagree.

A declaration may bring the types that it needs in front of it: ``typedef unsigned foo_t; foo_t f(foo_t);``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from soinspect.calling.declarations import Declarations, parse
from soinspect.errors import UsageError
from soinspect.model.signature import CType, Signature, TypeKind, VariableType

_MAX_LENGTH = 1 << 16
# What <complex.h> says of it; where a name must follow, it is that name.
_COMPLEX = re.compile(r"\b((?:float|double|long)\s+)complex\b(?!\s*[;=\[])|\bcomplex(?=\s+(?:float|double|long)\b)")
_COMPARED_PARTS = 1000  # of a structure: arrays in arrays have no end


def parse_signature(text: str) -> Signature:
    """The prototype that ``text`` declares; the last one, if there are several.

    :raises UsageError: it declares no function, or uses a type that is not known.
    :raises CannotRun: tree-sitter is not installed.
    """
    declared = parse_declarations(text)[-1]
    if isinstance(declared, VariableType):
        raise UsageError(f"{text!r} declares no function")
    return declared


def parse_declarations(text: str) -> list[Signature] | list[VariableType]:
    """The functions that ``text`` declares, or else the last variable; at least one of them.

    :raises UsageError: it declares neither, or uses a type that is not known.
    :raises CannotRun: tree-sitter is not installed.
    """
    if len(text) > _MAX_LENGTH:
        raise UsageError("the signature is too long")
    in_full = _COMPLEX.sub(lambda it: f"{it[1] or ''}_Complex", text.strip().rstrip(";") + ";")
    root = parse(in_full.encode())
    if root.has_error:
        raise UsageError(f"{text!r} is not a C declaration, such as: int add(int, const char *)")
    declarations = Declarations(repr(text), "--sig")
    found = [signature for node in root.named_children for signature in declarations.read(node)]
    if found:
        return found
    if not declarations.variables:
        raise UsageError(f"{text!r} declares no function and no variable")
    variable = declarations.variables[-1]
    if not variable.type.can_be_made:
        raise UsageError(
            f"{text!r}: the type {variable.type.text!r} is not known as a whole; put its definition in front"
        )
    return [variable]


def differences(one: Signature, other: Signature) -> tuple[str, ...]:
    """Where two prototypes of a function disagree for a caller; names and spelling do not matter."""
    found: list[str] = []
    if (one.presumed or other.presumed) and len(one.parameters) != len(other.parameters):
        return ()  # that it has the name of an entry point is chance
    # Whether a function takes an object is not a difference where one source does not tell.
    if len(one.parameters) < len(other.parameters):
        one = one.as_member()
    elif len(other.parameters) < len(one.parameters):
        other = other.as_member()
    if len(one.parameters) != len(other.parameters) and one.prototyped and other.prototyped:
        found.append(f"{len(one.parameters)} parameters in {one.source}, {len(other.parameters)} in {other.source}")
    if one.variadic != other.variadic:
        found.append(f"variadic only in {one.source if one.variadic else other.source}")
    pairs = [("the result", one.returns, other.returns)]
    pairs += (
        (f"parameter {number}", a.type, b.type)
        for number, (a, b) in enumerate(zip(one.parameters, other.parameters, strict=False), 1)
    )
    for what, a, b in pairs:
        found += _difference(what, a, b, one.source, other.source)
    return tuple(found)


def variable_differences(one: VariableType, other: VariableType) -> tuple[str, ...]:
    """Where two sources disagree on what a variable holds."""
    return tuple(_difference("it", one.type, other.type, one.source, other.source))


def _difference(what: str, a: CType, b: CType, one: str, other: str) -> Iterator[str]:
    differ_as_callbacks = a.function and b.function and not _are_called_alike(a.function, b.function)
    if _differ(a, b) or differ_as_callbacks:
        yield f"{what} is {a.text} in {one}, {b.text} in {other}"
    elif a.members and b.members and _layout(a) != _layout(b):
        yield f"{what} is {a.text} in {one}, {b.text} of another layout in {other}"


def _shape(kind: CType) -> tuple[TypeKind, int, bool]:
    size = 0 if kind.kind in (TypeKind.AGGREGATE, TypeKind.OTHER) else kind.size
    return kind.kind, size, kind.signed and kind.kind is TypeKind.INTEGER


def _differ(one: CType, other: CType) -> bool:
    """Whether values travel in different ways, as far as both sources tell."""
    return TypeKind.UNTOLD not in (one.kind, other.kind) and _shape(one) != _shape(other)


def _are_called_alike(one: Signature, other: Signature) -> bool:
    """Whether callbacks of both types are called in the same way. What is pointed to is not compared."""
    listed = [[parameter.type for parameter in it.parameters] for it in (one, other)]
    is_vague = not (one.prototyped and other.prototyped)
    are_alike = len(listed[0]) == len(listed[1]) and not any(map(_differ, *listed))
    return not _differ(one.returns, other.returns) and (is_vague or are_alike)


def _layout(kind: CType) -> list[tuple[int, tuple[TypeKind, int, bool]]]:
    return [(offset, _shape(leaf)) for offset, leaf in islice(kind.leaves(), _COMPARED_PARTS)]
