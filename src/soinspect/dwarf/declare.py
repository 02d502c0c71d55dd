"""Types and prototypes as C writes them (C11, 6.7.6: a declaration is read from its name outwards)."""

from __future__ import annotations

from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    ArrayType,
    BaseType,
    Derivation,
    DerivedType,
    Enumeration,
    FunctionType,
    MemberPointer,
    Prototypes,
    Typedef,
    UnreadableType,
    UnspecifiedType,
)

_MARKS = {Derivation.POINTER: "*", Derivation.REFERENCE: "&", Derivation.RVALUE_REFERENCE: "&&"}
_WORDS = {Derivation.RESTRICT: "restrict", Derivation.ATOMIC: "_Atomic"}
_MAX_DEPTH = 32


def type_text(side: Prototypes, index: int, name: str = "") -> str:
    """The declaration of ``name`` with the type at ``index``; without a name the type alone."""
    return _declare(side, index, name, 0)


def _declare(side: Prototypes, index: int, inner: str, depth: int) -> str:
    if depth > _MAX_DEPTH:
        return f"... {inner}".rstrip()
    match side.types[index]:
        case DerivedType(derivation=derivation, target=target) if derivation in _MARKS:
            mark = _MARKS[derivation] + inner
            # "[]" and "()" bind closer than "*".
            wrapped = f"({mark})" if isinstance(side.types[target], ArrayType | FunctionType) else mark
            return _declare(side, target, wrapped, depth + 1)
        case DerivedType(derivation=derivation, target=target):
            return _qualified(side, derivation, target, inner, depth)
        case ArrayType(element=element, dimensions=dimensions):
            brackets = "".join(f"[{'' if size is None else size}]" for size in dimensions)
            return _declare(side, element, inner + brackets, depth + 1)
        case FunctionType() as function:
            return _declare(side, function.result, f"{inner}({_parameters(side, function, depth)})", depth + 1)
        case MemberPointer(target=target, owner=owner):
            return _declare(side, target, f"{_declare(side, owner, '', depth + 1)}::*{inner}", depth + 1)
        case Typedef(name=name) | BaseType(name=name) | UnspecifiedType(name=name):
            return _joined(name, inner)
        case Aggregate(kind=kind, name=name):
            keyword = "" if kind is AggregateKind.CLASS and name else f"{kind} "
            return _joined(f"{keyword}{name or '{...}'}", inner)
        case Enumeration(name=name):
            return _joined(f"enum {name or '{...}'}", inner)
        case UnreadableType(reason=reason):
            return _joined(f"<{reason}>", inner)


def _qualified(side: Prototypes, derivation: Derivation, target: int, inner: str, depth: int) -> str:
    word = _WORDS.get(derivation, str(derivation))
    pointed = side.types[target]
    if isinstance(pointed, DerivedType) and pointed.derivation in _MARKS:
        return _declare(side, target, f" {word} {inner}".rstrip() if inner else f" {word}", depth + 1)
    return f"{word} {_declare(side, target, inner, depth + 1)}"


def _parameters(side: Prototypes, function: FunctionType, depth: int) -> str:
    parts = [_declare(side, p.type, p.name or "", depth + 1) for p in function.parameters if not p.artificial]
    if function.variadic:
        parts.append("...")
    return ", ".join(parts) or ("void" if function.prototyped else "")


def _joined(type_name: str, inner: str) -> str:
    if not inner:
        return type_name
    return f"{type_name}{inner}" if inner.startswith("[") else f"{type_name} {inner}"
