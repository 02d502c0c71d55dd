"""C declarations, as a user writes them after ``--sig``, to prototypes (through tree-sitter's grammar of C).

Sizes are those of 64-bit Linux (LP64). A declaration may bring the typedefs that it needs in front of it:
``typedef unsigned foo_t; foo_t f(foo_t);``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soinspect.errors import CannotRun, UsageError
from soinspect.model.signature import CType, Signature, SignatureParameter, TypeKind

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_DEPTH = 64
_MAX_LENGTH = 1 << 16
_CHAR_IS_SIGNED = os.uname().machine not in ("aarch64", "ppc64le", "s390x", "riscv64")

# name -> (kind, size, signed)
_SIGNED_INTEGERS = {
    "signed char": 1, "short": 2, "int": 4, "long": 8, "long long": 8, "int8_t": 1, "int16_t": 2, "int32_t": 4,
    "int64_t": 8, "intptr_t": 8, "intmax_t": 8, "ssize_t": 8, "ptrdiff_t": 8, "off_t": 8, "time_t": 8, "clock_t": 8,
    "pid_t": 4, "wchar_t": 4, "key_t": 4, "int_fast8_t": 1, "int_fast16_t": 8, "int_fast32_t": 8, "int_fast64_t": 8,
}  # fmt: skip
_UNSIGNED_INTEGERS = {
    "unsigned char": 1, "unsigned short": 2, "unsigned": 4, "unsigned int": 4, "unsigned long": 8,
    "unsigned long long": 8, "uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "uintptr_t": 8,
    "uintmax_t": 8, "size_t": 8, "uid_t": 4, "gid_t": 4, "mode_t": 4, "dev_t": 8, "ino_t": 8, "socklen_t": 4,
    "char16_t": 2, "char32_t": 4, "wint_t": 4, "uint_fast8_t": 1, "uint_fast16_t": 8, "uint_fast32_t": 8,
    "uint_fast64_t": 8,
}  # fmt: skip
_CHARACTERS = frozenset({"char", "signed char", "unsigned char"})
_IGNORED_WORDS = frozenset({"const", "volatile", "restrict", "__restrict", "register", "static", "extern", "inline"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    returns: CType
    parameters: tuple[SignatureParameter, ...]
    variadic: bool
    prototyped: bool


def parse_signature(text: str) -> Signature:
    """The prototype that ``text`` declares.

    :raises UsageError: it declares no function, or uses a type that is not known.
    :raises CannotRun: tree-sitter is not installed.
    """
    if len(text) > _MAX_LENGTH:
        raise UsageError("the signature is too long")
    source = (text.strip().rstrip(";") + ";").encode()
    try:
        import tree_sitter
        import tree_sitter_c
    except ImportError:
        raise CannotRun(
            "C declarations are read through tree-sitter, which is not installed",
            "pip install tree-sitter tree-sitter-c",
        ) from None
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language())).parse(source)
    if tree.root_node.has_error:
        raise UsageError(f"{text!r} is not a C declaration, such as: int add(int, const char *)")
    return _Declarations(text).prototype(tree.root_node)


class _Declarations:
    def __init__(self, text: str) -> None:
        self._text = text
        self._typedefs: dict[str, CType] = {}

    def prototype(self, root: Node) -> Signature:
        found = None
        for node in root.named_children:
            declarator = node.child_by_field_name("declarator")
            if node.type not in ("declaration", "type_definition") or declarator is None:
                continue
            name, kind = self._declare(self._specifiers(node), declarator, 0)
            if node.type == "type_definition" and isinstance(kind, CType):
                self._typedefs[name] = CType(
                    text=name, kind=kind.kind, size=kind.size, signed=kind.signed, is_text=kind.is_text
                )
            elif isinstance(kind, _Function):
                found = Signature(
                    name=name,
                    returns=kind.returns,
                    parameters=kind.parameters,
                    variadic=kind.variadic,
                    source="--sig",
                    prototyped=kind.prototyped,
                )
        if found is None:
            raise UsageError(f"{self._text!r} declares no function")
        return found

    def _specifiers(self, node: Node) -> CType:
        """The type to the left of the declarators, with its qualifiers."""
        kind = node.child_by_field_name("type")
        if kind is None:
            raise UsageError(f"{self._text!r}: a type is missing")
        base = self._named(kind)
        qualifiers = [
            _words(c) for c in node.children if c.type == "type_qualifier" and _words(c) in ("const", "volatile")
        ]
        return _renamed(base, " ".join((*qualifiers, base.text)))

    def _named(self, node: Node) -> CType:
        words = _words(node)
        if node.type in ("struct_specifier", "union_specifier"):
            return CType(text=words.partition("{")[0].strip(), kind=TypeKind.AGGREGATE, size=0)
        if node.type == "enum_specifier":
            return CType(text=words.partition("{")[0].strip(), kind=TypeKind.INTEGER, size=4)
        name = _canonical(words)
        if name in self._typedefs:
            return self._typedefs[name]
        if name == "void":
            return CType(text=name, kind=TypeKind.VOID, size=0)
        if name in ("bool", "_Bool"):
            return CType(text=name, kind=TypeKind.BOOLEAN, size=1)
        if name == "char":
            return CType(text=name, kind=TypeKind.INTEGER, size=1, signed=_CHAR_IS_SIGNED)
        if name in ("float", "double"):
            return CType(text=name, kind=TypeKind.FLOAT, size=4 if name == "float" else 8)
        if name in _SIGNED_INTEGERS:
            return CType(text=words, kind=TypeKind.INTEGER, size=_SIGNED_INTEGERS[name], signed=True)
        if name in _UNSIGNED_INTEGERS:
            return CType(text=words, kind=TypeKind.INTEGER, size=_UNSIGNED_INTEGERS[name])
        # Unknown: good enough to point to, and refused when it is passed by value.
        return CType(text=words, kind=TypeKind.OTHER, size=0)

    def _declare(self, base: CType | _Function, node: Node | None, depth: int) -> tuple[str, CType | _Function]:
        """Work through a declarator from the outside in: the name, and what it stands for."""
        if depth > _MAX_DEPTH:
            raise UsageError(f"{self._text!r} is nested too deeply")
        if node is None:
            return "", base
        if node.type in ("identifier", "type_identifier", "primitive_type"):
            return _words(node), base
        inner = node.child_by_field_name("declarator")
        if node.type in ("parenthesized_declarator", "abstract_parenthesized_declarator"):
            return self._declare(base, next(iter(node.named_children), None), depth + 1)
        if node.type in ("pointer_declarator", "abstract_pointer_declarator", "array_declarator",
                         "abstract_array_declarator"):  # fmt: skip
            return self._declare(_pointer_to(base), inner, depth + 1)
        if node.type in ("function_declarator", "abstract_function_declarator"):
            return self._declare(self._function(base, node, depth), inner, depth + 1)
        if node.type == "init_declarator" or inner is None:
            raise UsageError(f"{self._text!r} is not the declaration of a function")
        return self._declare(base, inner, depth + 1)

    def _function(self, returns: CType | _Function, node: Node, depth: int) -> _Function:
        if isinstance(returns, _Function):
            raise UsageError(f"{self._text!r}: a function cannot return a function")
        self._check_known(returns)
        listed = node.child_by_field_name("parameters")
        children = listed.named_children if listed is not None else []
        parameters = tuple(self._parameters(children, depth))
        nothing = len(parameters) == 1 and parameters[0].type.kind is TypeKind.VOID
        return _Function(
            returns=returns,
            parameters=() if nothing else parameters,
            variadic=any(child.type == "variadic_parameter" for child in children),
            prototyped=bool(children),
        )

    def _parameters(self, children: list[Node], depth: int) -> Iterator[SignatureParameter]:
        for child in children:
            if child.type != "parameter_declaration":
                continue
            name, kind = self._declare(self._specifiers(child), child.child_by_field_name("declarator"), depth + 1)
            # A parameter declared as a function is a pointer to it.
            plain = _pointer_to(kind) if isinstance(kind, _Function) else kind
            self._check_known(plain)
            yield SignatureParameter(name=name, type=plain)

    def _check_known(self, kind: CType) -> None:
        if kind.kind is TypeKind.OTHER:
            raise UsageError(
                f"the type {kind.text!r} is not known; put its definition in front: 'typedef ... {kind.text}; ...'"
            )


def _words(node: Node) -> str:
    return " ".join((node.text or b"").decode("utf-8", "replace").split())


def _canonical(words: str) -> str:
    """``long unsigned int`` as ``unsigned long``: the words of an integer type in one order."""
    parts = [word for word in words.split() if word not in _IGNORED_WORDS]
    if not set(parts) <= {"unsigned", "signed", "long", "short", "int", "char"}:
        return " ".join(parts)
    if "char" in parts:
        return "unsigned char" if "unsigned" in parts else "signed char" if "signed" in parts else "char"
    size = " ".join(["short"] if "short" in parts else ["long"] * parts.count("long")) or "int"
    return f"unsigned {size}" if "unsigned" in parts else size


def _pointer_to(base: CType | _Function) -> CType:
    if isinstance(base, _Function):
        inside = [parameter.type.text for parameter in base.parameters] + ["..."] * base.variadic
        text = f"{base.returns.text} (*)({', '.join(inside) or 'void'})"
        return CType(text=text, kind=TypeKind.POINTER, size=8)
    plain = _canonical(base.text)
    space = "" if base.text.endswith("*") else " "
    return CType(text=f"{base.text}{space}*", kind=TypeKind.POINTER, size=8, is_text=plain in _CHARACTERS)


def _renamed(inner: CType, text: str) -> CType:
    return CType(text=text, kind=inner.kind, size=inner.size, signed=inner.signed, is_text=inner.is_text)


def differences(one: Signature, other: Signature) -> tuple[str, ...]:
    """Where two prototypes of a function disagree for a caller; names and spelling do not matter."""
    found = []
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
        if _shape(a) != _shape(b):
            found.append(f"{what} is {a.text} in {one.source}, {b.text} in {other.source}")
    return tuple(found)


def _shape(kind: CType) -> tuple[TypeKind, int, bool]:
    size = 0 if kind.kind is TypeKind.AGGREGATE else kind.size
    return kind.kind, size, kind.signed and kind.kind is TypeKind.INTEGER
