"""C source to the types and functions that it declares (through tree-sitter's grammar of C).

Sizes and layouts are those of 64-bit Linux (LP64): a member lies at the next multiple of its alignment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from soinspect.calling.cgotypes import GO_TYPES
from soinspect.errors import CannotRun, UsageError
from soinspect.model.prototype import Enumerator
from soinspect.model.signature import (
    CMember,
    CType,
    Signature,
    SignatureParameter,
    TypeKind,
    VariableType,
    array_of,
    complex_of,
)

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_DEPTH = 64
_MAX_PARTS = 1000  # of a structure that is passed by value
_MACHINE = os.uname().machine
_CHAR_IS_SIGNED = _MACHINE not in ("aarch64", "ppc64le", "s390x", "riscv64")

_SIGNED_INTEGERS = {
    "signed char": 1, "short": 2, "int": 4, "long": 8, "long long": 8, "int8_t": 1, "int16_t": 2, "int32_t": 4,
    "int64_t": 8, "intptr_t": 8, "intmax_t": 8, "ssize_t": 8, "ptrdiff_t": 8, "off_t": 8, "time_t": 8, "clock_t": 8,
    "pid_t": 4, "wchar_t": 4, "key_t": 4, "int_fast8_t": 1, "int_fast16_t": 8, "int_fast32_t": 8, "int_fast64_t": 8,
    "GoInt": 8, "GoInt8": 1, "GoInt16": 2, "GoInt32": 4, "GoInt64": 8,
    "__int128": 16, "__int128_t": 16,
}  # fmt: skip
_UNSIGNED_INTEGERS = {
    "unsigned char": 1, "unsigned short": 2, "unsigned": 4, "unsigned int": 4, "unsigned long": 8,
    "unsigned long long": 8, "uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "uintptr_t": 8,
    "uintmax_t": 8, "size_t": 8, "uid_t": 4, "gid_t": 4, "mode_t": 4, "dev_t": 8, "ino_t": 8, "socklen_t": 4,
    "char8_t": 1, "char16_t": 2, "char32_t": 4, "wint_t": 4, "uint_fast8_t": 1, "uint_fast16_t": 8, "uint_fast32_t": 8,
    "uint_fast64_t": 8, "GoUint": 8, "GoUint8": 1, "GoUint16": 2, "GoUint32": 4, "GoUint64": 8, "GoUintptr": 8,
    "__uint128_t": 16,
}  # fmt: skip
_FLOATS = {
    "float": 4, "double": 8, "_Float32": 4, "_Float64": 8, "_Float32x": 8, "GoFloat32": 4, "GoFloat64": 8,
    "long double": 16, "double long": 16, "_Float64x": 16,
}  # fmt: skip
# Known, but of no class of register that calls here can fill.
_UNCALLABLE = {"_Float128": 16, "__float128": 16}
# The grammar does not know the complex types, and takes the second word of "signed __int128" for the name of a
# parameter: they become these names.
_WIDE = re.compile(rb"\b(?:(?:un)?signed +__int128|__int128 +(?:un)?signed)\b")
_COMPLEX = re.compile(rb"\b(?:(?:long|float|double)\s+){0,2}_Complex\b(?:\s+(?:long|float|double)\b){0,2}")
_COMPLEX_NAMES = {f"_Complex_{name.replace(' ', '_')}": name for name in ("float", "double", "long double")}
_CHARACTERS = frozenset({"char", "signed char", "unsigned char"})
_IGNORED_WORDS = frozenset({"const", "volatile", "restrict", "__restrict", "register", "static", "extern", "inline"})
_POINTERS = ("pointer_declarator", "abstract_pointer_declarator")
_ARRAYS = ("array_declarator", "abstract_array_declarator")


def parse(source: bytes) -> Node:
    """The syntax tree of C source; what is not C are error nodes in it.

    :raises CannotRun: tree-sitter is not installed.
    """
    try:
        import tree_sitter
        import tree_sitter_c
    except ImportError:
        raise CannotRun(
            "C declarations are read through tree-sitter, which is not installed",
            "pip install tree-sitter tree-sitter-c",
        ) from None
    source = _WIDE.sub(lambda it: b"__uint128_t" if b"unsigned" in it[0] else b"__int128_t", source)
    source = _COMPLEX.sub(_complex_name, source)
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language())).parse(source).root_node


def _complex_name(words: re.Match[bytes]) -> bytes:
    kind = b"float" if b"float" in words[0] else b"long_double" if b"long" in words[0] else b"double"
    return b"_Complex_" + kind


class Declarations:
    """Reads declarations in order, and remembers the types that they define, and the ``variables``.

    ``what`` is what messages call the source, ``origin`` the :attr:`Signature.source` of its functions. Without
    ``layouts``, structures can be pointed to only.
    """

    def __init__(self, what: str, origin: str, *, layouts: bool = True) -> None:
        self._what = what
        self._origin = origin
        self._layouts = layouts
        self._typedefs: dict[str, CType] = {}
        self._tags: dict[str, CType] = {}
        self.variables: list[VariableType] = []

    def read(self, node: Node) -> Iterator[Signature]:
        """The functions that one declaration declares; other nodes declare none.

        :raises UsageError: it uses a type that is not known, or is too intricate.
        """
        if node.type in ("struct_specifier", "union_specifier", "enum_specifier"):
            self._named(node, 0)
        if node.type not in ("declaration", "type_definition"):
            return
        base = self._specifiers(node, 0)
        # Attributes may make a vector of it, or another size.
        changed = node.type == "type_definition" and _has_attributes(node)
        for declarator in node.children_by_field_name("declarator"):
            name, kind = self._declare(base, declarator, 0, arrays=True)
            if changed:
                self._typedefs[name] = CType(text=name, kind=TypeKind.OTHER, size=0)
            elif node.type == "type_definition":
                keeps_text = _is_array(kind) or (kind.kind is TypeKind.OTHER and not kind.function)
                self._typedefs[name] = kind if keeps_text else replace(kind, text=name)
            elif kind.function and _is_function(kind):
                yield replace(kind.function, name=name)
            else:
                self.variables.append(VariableType(name=name, type=kind, source=self._origin))

    # -- types ---------------------------------------------------------------------------------------------

    def _specifiers(self, node: Node, depth: int) -> CType:
        """The type to the left of the declarators, with its qualifiers."""
        kind = node.child_by_field_name("type")
        if kind is None:
            raise UsageError(f"{self._what}: a type is missing")
        base = self._named(kind, depth)
        qualifiers = [
            _words(c) for c in node.children if c.type == "type_qualifier" and _words(c) in ("const", "volatile")
        ]
        return replace(base, text=" ".join((*qualifiers, base.text)))

    def _named(self, node: Node, depth: int) -> CType:
        words = _words(node)
        if node.type in ("struct_specifier", "union_specifier"):
            return self._structure(node, words.partition("{")[0].strip(), depth)
        if node.type == "enum_specifier":
            return self._enumeration(node, words.partition("{")[0].strip())
        name = _canonical(words)
        if name in self._typedefs:
            return self._typedefs[name]
        return known_type(name, words)

    def _enumeration(self, node: Node, head: str) -> CType:
        body = node.child_by_field_name("body")
        if body is None:
            return self._tags.get(head, CType(text=head, kind=TypeKind.INTEGER, size=4))
        values = (child.child_by_field_name("value") for child in body.named_children)
        signed = any(value is not None and _words(value).startswith("-") for value in values)
        named = tuple(_enumerators(body.named_children))
        kind = CType(text=head, kind=TypeKind.INTEGER, size=4, signed=signed, enumerators=named)
        self._tags[head] = kind
        return kind

    def _structure(self, node: Node, head: str, depth: int) -> CType:
        self._check_depth(depth)
        unknown = CType(text=head, kind=TypeKind.AGGREGATE, size=0)
        body = node.child_by_field_name("body")
        if body is None:
            return self._tags.get(head, unknown)
        fields = list(self._fields(body, depth + 1))
        is_plain = self._layouts and not _has_attributes(node) and None not in fields
        kind = replace(unknown, obstacle="attributes, #pragma pack or bit-fields lay it out")
        if is_plain:
            kind = _laid_out(head, [f for f in fields if f], union=node.type == "union_specifier")
        if head not in ("struct", "union"):
            self._tags[head] = kind
        return kind

    def _fields(self, body: Node, depth: int) -> Iterator[tuple[str, CType] | None]:
        """Name and type of each member; None for one whose place is not known."""
        for node in body.named_children:
            if node.type == "comment":
                continue
            declarators = node.children_by_field_name("declarator")
            parts = {part.type for child in node.children for part in (child, *child.children)}
            is_plain = parts.isdisjoint(("bitfield_clause", "attribute_specifier", "alignas_qualifier"))
            if node.type != "field_declaration" or not is_plain or node.has_error:
                yield None
                continue
            base = self._specifiers(node, depth)
            for name, kind in [self._declare(base, d, depth, arrays=True) for d in declarators] or [("", base)]:
                yield (name, _pointer_to(kind) if _is_function(kind) else kind)

    # -- declarators ---------------------------------------------------------------------------------------

    def _declare(self, base: CType, node: Node | None, depth: int, *, arrays: bool = False) -> tuple[str, CType]:
        """Work through a declarator from the outside in: the name, and what it stands for.

        Arrays are pointers, as they are among parameters, unless ``arrays`` is set.
        """
        self._check_depth(depth)
        if node is None:
            return "", base
        if node.type in ("identifier", "type_identifier", "field_identifier", "primitive_type"):
            return _words(node), base
        inner = node.child_by_field_name("declarator")
        if node.type in ("parenthesized_declarator", "abstract_parenthesized_declarator"):
            parts = (child for child in node.named_children if child.type.endswith(("declarator", "identifier")))
            inside = next(parts, None)
            return self._declare(base, inside, depth + 1, arrays=arrays)
        if node.type in _ARRAYS and arrays and not _is_function(base):
            return self._declare(_array_of(base, node), inner, depth + 1, arrays=True)
        if node.type in (*_POINTERS, *_ARRAYS):
            pointer = _pointer_to(base)
            words = [_words(child) for child in node.named_children if child.type == "type_qualifier"]
            text = pointer.text + " ".join(word for word in words if word in ("const", "volatile"))
            return self._declare(replace(pointer, text=text), inner, depth + 1, arrays=arrays)
        if node.type in ("function_declarator", "abstract_function_declarator"):
            return self._declare(self._function(base, node, depth), inner, depth + 1, arrays=arrays)
        if node.type in ("init_declarator", "ERROR") or inner is None:
            raise UsageError(f"{self._what} is not the declaration of a function")
        return self._declare(base, inner, depth + 1, arrays=arrays)

    def _function(self, returns: CType, node: Node, depth: int) -> CType:
        if _is_function(returns):
            raise UsageError(f"{self._what}: a function cannot return a function")
        self._check_known(returns)
        listed = node.child_by_field_name("parameters")
        children = listed.named_children if listed is not None else []
        parameters = tuple(self._parameters(children, depth))
        nothing = len(parameters) == 1 and parameters[0].type.kind is TypeKind.VOID
        function = Signature(
            name="",
            returns=returns,
            parameters=() if nothing else parameters,
            variadic=any(child.type == "variadic_parameter" for child in children),
            source=self._origin,
            prototyped=bool(children),
        )
        return CType(text="", kind=TypeKind.OTHER, size=0, function=function)

    def _parameters(self, children: list[Node], depth: int) -> Iterator[SignatureParameter]:
        for child in children:
            if child.type != "parameter_declaration":
                continue
            base = self._specifiers(child, depth + 1)
            name, kind = self._declare(base, child.child_by_field_name("declarator"), depth + 1)
            # A parameter declared as a function or an array is a pointer to it.
            plain = _pointer_to(kind) if _is_function(kind) or _is_array(kind) else kind
            self._check_known(plain)
            yield SignatureParameter(name=name, type=plain)

    def _check_depth(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise UsageError(f"{self._what} is nested too deeply")

    def _check_known(self, kind: CType) -> None:
        if kind.kind is TypeKind.OTHER and not kind.size:
            raise UsageError(
                f"the type {kind.text!r} is not known; put its definition in front: 'typedef ... {kind.text}; ...'"
            )


def known_type(name: str, words: str) -> CType:
    """The type that ``name`` means everywhere, in the user's ``words``."""
    if name == "void":
        return CType(text=name, kind=TypeKind.VOID, size=0)
    if name in ("bool", "_Bool"):
        return CType(text=name, kind=TypeKind.BOOLEAN, size=1)
    if name == "char":
        return CType(text=name, kind=TypeKind.INTEGER, size=1, signed=_CHAR_IS_SIGNED)
    if name in _FLOATS:
        kind = TypeKind.FLOAT if _FLOATS[name] <= 8 else TypeKind.EXTENDED
        return CType(text=name, kind=kind, size=_FLOATS[name])
    if name in _SIGNED_INTEGERS:
        return CType(text=words, kind=TypeKind.INTEGER, size=_SIGNED_INTEGERS[name], signed=True)
    if name in _UNSIGNED_INTEGERS:
        return CType(text=words, kind=TypeKind.INTEGER, size=_UNSIGNED_INTEGERS[name])
    if name in ("va_list", "__builtin_va_list") and _MACHINE == "x86_64":
        # An array of one structure (System V ABI, 3.5.7), of which a function gets the address.
        return CType(text="va_list", kind=TypeKind.POINTER, size=8)
    if name in GO_TYPES:
        return GO_TYPES[name]
    if name in ("GoMap", "GoChan"):
        return CType(text=name, kind=TypeKind.POINTER, size=8)
    if name in _COMPLEX_NAMES:
        part = _COMPLEX_NAMES[name]
        return complex_of(known_type(part, part), f"{part} _Complex")
    if name in _UNCALLABLE:
        return CType(text=name, kind=TypeKind.OTHER, size=_UNCALLABLE[name])
    # Unknown: good enough to point to, and refused when it is passed by value.
    return CType(text=words, kind=TypeKind.OTHER, size=0)


def _has_attributes(node: Node) -> bool:
    return any(child.type == "attribute_specifier" for child in node.children)


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


def _pointer_to(base: CType) -> CType:
    function = base.function if _is_function(base) else None
    space = "" if base.text.endswith("*") else " "
    text = f"{base.text}{space}*"
    if function and not base.text:
        inside = [parameter.type.text for parameter in function.parameters] + ["..."] * function.variadic
        text = f"{function.returns.text} (*)({', '.join(inside) or 'void'})"
    return CType(
        text=text,
        kind=TypeKind.POINTER,
        size=8,
        is_text=_canonical(base.text) in _CHARACTERS,
        is_typed=bool(function) or (base.kind not in (TypeKind.VOID, TypeKind.OTHER) and base.size != 1),
        target=base,
        function=function,
    )


def _array_of(element: CType, node: Node) -> CType:
    """The array that a declarator makes; without members when its length is not a plain number."""
    length = node.child_by_field_name("size")
    text = _words(length) if length is not None else ""
    count = int(text) if text.isdecimal() and len(text) < 6 else 0
    parts = min(count, _MAX_PARTS + 1) if _is_built(element) else 0
    array = array_of(element, parts)
    return _bounded(replace(array, text=f"{element.text}[{text}]", size=count * element.size))


def _bounded(kind: CType) -> CType:
    """The type, without members when values have too many parts: a few lines can declare any number of them."""
    parts = sum(1 for _ in islice(kind.leaves(), _MAX_PARTS + 1))
    return kind if parts <= _MAX_PARTS else replace(kind, members=())


def _is_function(kind: CType) -> bool:
    """Whether the type is that of a function, and not of a pointer to one."""
    return kind.kind is TypeKind.OTHER and kind.function is not None


def _is_array(kind: CType) -> bool:
    return kind.kind is TypeKind.AGGREGATE and kind.text.endswith("]")


def _is_built(kind: CType) -> bool:
    """Whether the size and all parts of values of the type are known."""
    if kind.kind is TypeKind.AGGREGATE:
        return bool(kind.members)
    return kind.kind not in (TypeKind.OTHER, TypeKind.VOID)


def _laid_out(head: str, fields: list[tuple[str, CType]], *, union: bool) -> CType:
    """The structure with these members, each at the next multiple of its alignment."""
    members, end, alignment = [], 0, 1
    for name, kind in fields:
        if not _is_built(kind):
            return CType(text=head, kind=TypeKind.AGGREGATE, size=0)
        step = _alignment(kind)
        offset = 0 if union else -(-end // step) * step
        members.append(CMember(name=name, offset=offset, type=kind))
        end, alignment = max(end, offset + kind.size), max(alignment, step)
    size = -(-end // alignment) * alignment
    return _bounded(CType(text=head, kind=TypeKind.AGGREGATE, size=size, members=tuple(members)))


def _alignment(kind: CType) -> int:
    return max(map(_alignment, (member.type for member in kind.members))) if kind.members else kind.size


def _enumerators(nodes: Iterable[Node]) -> Iterator[Enumerator]:
    """Those whose values are written as numbers, or follow such a one."""
    following: int | None = 0
    for node in nodes:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if value is not None:
            try:
                following = int(_words(value).replace(" ", ""), 0)
            except ValueError:
                following = None
        if name is not None and following is not None:
            yield Enumerator(name=_words(name), value=following)
            following += 1
