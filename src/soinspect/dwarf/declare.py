"""Types, prototypes and layouts as C writes them (C11, 6.7.6: a declaration is read from its name outwards)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from soinspect.model.layout import LayoutLine
from soinspect.model.prototype import (
    Aggregate,
    AggregateKind,
    ArrayType,
    BaseType,
    Derivation,
    DerivedType,
    Enumeration,
    ExportedFunction,
    ExportedVariable,
    FunctionType,
    Member,
    MemberPointer,
    Prototypes,
    Typedef,
    UnreadableType,
    UnspecifiedType,
)

_MARKS = {Derivation.POINTER: "*", Derivation.REFERENCE: "&", Derivation.RVALUE_REFERENCE: "&&"}
# In the order they are written, whatever order the debug information has them in.
_WORDS = {
    Derivation.CONST: "const",
    Derivation.VOLATILE: "volatile",
    Derivation.RESTRICT: "restrict",
    Derivation.ATOMIC: "_Atomic",
    Derivation.IMMUTABLE: "immutable",
    Derivation.SHARED: "shared",
    Derivation.PACKED: "packed",
}
_INDENT = "    "
_BYTE = 8

# No declaration that somebody wrote has more parts, or parts nested deeper; one made to explode is cut.
_MAX_PARTS = 400
_MAX_DEPTH = 64
_MAX_LINES = 10_000


def type_text(side: Prototypes, index: int, name: str = "") -> str:
    """The declaration of ``name`` with the type at ``index``; without a name the type alone."""
    return _Declaration(side).of(index, name)


def function_text(side: Prototypes, function: ExportedFunction) -> str:
    """The prototype of an exported function: ``int add(int a, const char *b)``."""
    text = _Declaration(side, "void" if function.language.is_c else "").function(function.signature, function.name)
    return f"{text} const" if _takes_const_object(side, function.signature) else text


def variable_text(side: Prototypes, variable: ExportedVariable) -> str:
    """The declaration of an exported variable: ``const char *const names[2]``."""
    return type_text(side, variable.type, variable.name)


def layout_lines(side: Prototypes, index: int) -> tuple[LayoutLine, ...]:
    """The declaration of a structure, class, union or enumeration with the offsets of its members in bytes.

    Bytes that no member uses have a line of their own. Other types have one line. One made to explode is cut.
    """
    return tuple(islice(_layout(side, index, "", 0, ""), _MAX_LINES))


class _Declaration:
    """One declaration, read from its name outwards: ``inner`` is what is written of it so far, ``words`` are the
    qualifiers that the next type to be written has. ``nothing`` stands for no parameters.
    """

    def __init__(self, side: Prototypes, nothing: str = "void") -> None:
        self._side = side
        self._nothing = nothing
        self._left = _MAX_PARTS
        self._depth = 0

    def of(self, index: int, inner: str, words: frozenset[Derivation] = frozenset()) -> str:
        """The declaration of ``inner`` with the type at ``index``."""
        self._left -= 1
        self._depth += 1
        cut = self._left < 0 or self._depth > _MAX_DEPTH
        text = _joined("...", inner) if cut else self._declare(index, inner, words)
        self._depth -= 1
        return text

    def function(self, function: FunctionType, inner: str) -> str:
        """The declaration of ``inner`` as a function."""
        parts = [self.of(p.type, p.name or "") for p in function.parameters if not p.artificial]
        if function.variadic:
            parts.append("...")
        parameters = ", ".join(parts) or (self._nothing if function.prototyped else "")
        return self.of(function.result, f"{inner}({parameters})")

    def _declare(self, index: int, inner: str, words: frozenset[Derivation]) -> str:
        match self._side.types[index]:
            case DerivedType(derivation=derivation, target=target) if derivation.qualifies:
                return self.of(target, inner, words | {derivation})
            case DerivedType(derivation=derivation, target=target):
                return self._pointer(target, _MARKS[derivation], inner, words)
            case MemberPointer(target=target, owner=owner):
                return self._pointer(target, f"{_bare(self._side, owner)}::*", inner, words)
            case ArrayType(element=element, dimensions=dimensions, vector=False):
                brackets = "".join(f"[{'' if count is None else count}]" for count in dimensions)
                return self.of(element, inner + brackets, words)
            case FunctionType() as function:
                return self.function(function, inner)
            case _:
                return _joined(_spaced(words, self._name(index)), inner)

    def _pointer(self, target: int, mark: str, inner: str, words: frozenset[Derivation]) -> str:
        # "[]" and "()" bind closer than "*".
        pointed = self._side.types[target]
        while isinstance(pointed, DerivedType) and pointed.derivation.qualifies:
            pointed = self._side.types[pointed.target]
        closer = isinstance(pointed, ArrayType | FunctionType)
        text = mark + _spaced(words, inner)
        return self.of(target, f"({text})" if closer else text)

    def _name(self, index: int) -> str:
        """The text of a type that is written before what it declares."""
        match self._side.types[index]:
            case ArrayType(element=element, dimensions=dimensions):
                return f"{self.of(element, '')} vector[{', '.join(map(str, dimensions))}]"
            case Typedef(name=name) | BaseType(name=name) | UnspecifiedType(name=name):
                return name
            case Aggregate() | Enumeration() as named:
                return _head(named) if named.name else f"{_head(named)} {{...}}"
            case UnreadableType(reason=reason):
                return f"<{reason}>"
            case _:
                return ""


def _spaced(words: frozenset[Derivation], text: str) -> str:
    return " ".join([*(word for derivation, word in _WORDS.items() if derivation in words), text]).rstrip()


def _bare(side: Prototypes, index: int) -> str:
    owner = side.types[index]
    return owner.name or "(anonymous)" if isinstance(owner, Aggregate | Typedef) else "?"


def _head(named: Aggregate | Enumeration, *, in_full: bool = False) -> str:
    """The keyword and name that a type is declared with; a use of a class has no keyword."""
    if isinstance(named, Enumeration):
        keyword = "enum class" if named.scoped and in_full else "enum"
    else:
        keyword = "" if named.kind is AggregateKind.CLASS and named.name and not in_full else str(named.kind)
    return f"{keyword} {named.name or ''}".strip()


def _takes_const_object(side: Prototypes, function: FunctionType) -> bool:
    """Whether a function is a member function that leaves its object alone."""
    if not function.parameters or not function.parameters[0].artificial:
        return False
    this = side.types[function.parameters[0].type]
    while isinstance(this, DerivedType) and this.derivation is not Derivation.POINTER:
        this = side.types[this.target]
    pointed = side.types[this.target] if isinstance(this, DerivedType) else this
    return isinstance(pointed, DerivedType) and pointed.derivation is Derivation.CONST


def _joined(type_name: str, inner: str) -> str:
    if not inner:
        return type_name
    return f"{type_name}{inner}" if inner.startswith("[") else f"{type_name} {inner}"


# -- layouts ---------------------------------------------------------------------------------------------------


def _layout(side: Prototypes, index: int, indent: str, start: int, name: str) -> Iterator[LayoutLine]:
    """The lines of a type whose first byte is at ``start``, and which declares ``name``."""
    end = _joined("}", name) if name else "}"
    match side.types[index]:
        case Aggregate(size=None) | Enumeration(size=None) as declared:
            yield LayoutLine(place="", text=f"{indent}{_head(declared, in_full=True)};")
        case Aggregate() as aggregate:
            bases = ", ".join(f"{'virtual ' * base.virtual}{_bare(side, base.type)}" for base in aggregate.bases)
            head = f"{_head(aggregate, in_full=True)} : {bases}" if bases else _head(aggregate, in_full=True)
            yield LayoutLine(place="", text=f"{indent}{head} {{")
            yield from _members(side, aggregate, indent + _INDENT, start)
            yield LayoutLine(place=str(start + (aggregate.size or 0)), text=f"{indent}{end};")
        case Enumeration() as enumeration:
            yield LayoutLine(place="", text=f"{indent}{_head(enumeration, in_full=True)} {{")
            for enumerator in enumeration.enumerators:
                yield LayoutLine(place="", text=f"{indent}{_INDENT}{enumerator.name} = {enumerator.value},")
            yield LayoutLine(place="", text=f"{indent}{end};")
        case _:
            yield LayoutLine(place="", text=f"{indent}{type_text(side, index, name)};")


def _members(side: Prototypes, aggregate: Aggregate, indent: str, start: int) -> Iterator[LayoutLine]:
    for base in aggregate.bases:
        place = "" if base.offset is None else str(start + base.offset)
        yield LayoutLine(place=place, text=f"{indent}/* {_bare(side, base.type)} */")
    if aggregate.variants:
        yield LayoutLine(place="", text=f"{indent}/* members that depend on the variant */")
    # Members may lie in the tail of a base, and virtual bases anywhere.
    gaps = not (aggregate.kind is AggregateKind.UNION or aggregate.bases or aggregate.variants)
    used = 0
    # Rust places members in another order than it declares them.
    for member in sorted(aggregate.members, key=lambda member: _bits(side, member)[0]):
        first, last = _bits(side, member)
        if gaps and first - used >= _BYTE:
            yield _unused(indent, start, used, first)
        used = max(used, last)
        yield from _member(side, member, indent, start)
    total = _BYTE * (aggregate.size or 0)
    if gaps and aggregate.members and total - used >= _BYTE:
        yield _unused(indent, start, used, total)


def _bits(side: Prototypes, member: Member) -> tuple[int, int]:
    """The first bit of a member, and the one after its last."""
    if member.bit_size is not None:
        return member.bit_offset or 0, (member.bit_offset or 0) + member.bit_size
    return _BYTE * (member.offset or 0), _BYTE * ((member.offset or 0) + (side.size_of(member.type) or 0))


def _unused(indent: str, start: int, used: int, following: int) -> LayoutLine:
    first = -(-used // _BYTE)
    count = following // _BYTE - first
    return LayoutLine(place=str(start + first), text=f"{indent}/* {count} byte{'s' if count > 1 else ''} unused */")


def _member(side: Prototypes, member: Member, indent: str, start: int) -> Iterator[LayoutLine]:
    place = "?" if member.offset is None else str(start + member.offset)
    unnamed = side.types[member.type]
    if member.bit_size is not None:
        text = type_text(side, member.type, f"{member.name or ''} : {member.bit_size}".strip())
        yield LayoutLine(place=f"{place}:{(member.bit_offset or 0) % _BYTE}", text=f"{indent}{text};")
    elif isinstance(unnamed, Aggregate) and unnamed.name is None and len(indent) < _MAX_DEPTH:
        yield from _layout(side, member.type, indent, start + (member.offset or 0), member.name or "")
    else:
        yield LayoutLine(place=place, text=f"{indent}{type_text(side, member.type, member.name or '')};")
