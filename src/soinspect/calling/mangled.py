"""Prototypes from the names of C++ functions (Itanium C++ ABI, 5.1 "External Names (a.k.a. Mangling)").

A name tells the parameters. It tells the result of templates and conversions only, of classes and enumerations nothing
but their names, and not whether a function takes an object: those of namespaces and static ones have names of the same
form as other members.
"""

from __future__ import annotations

import re
from dataclasses import replace

from soinspect.calling.declarations import known_type
from soinspect.demangle.cxxname import CxxFunction, read_function
from soinspect.demangle.scheme import demangle
from soinspect.model.signature import CType, Signature, SignatureParameter, TypeKind, array_of

_SOURCE = "the mangled name"
_UNTOLD = CType(text="", kind=TypeKind.UNTOLD, size=0)
_VOID = CType(text="void", kind=TypeKind.VOID, size=0)
# As the demangler spells the fundamental types, and our names for them where those differ. What else C's headers define
# are names like any other in C++.
_FUNDAMENTAL = {
    **{
        name: name
        for name in (
            "void", "bool", "char", "signed char", "unsigned char", "short", "unsigned short", "int", "unsigned int",
            "long", "unsigned long", "long long", "unsigned long long", "__int128", "wchar_t", "char8_t", "char16_t",
            "char32_t", "float", "double", "long double",
        )
    },
    "unsigned __int128": "__uint128_t",
    "float complex": "_Complex_float",
    "double complex": "_Complex_double",
    "long double complex": "_Complex_long_double",
}  # fmt: skip
_TEXTS = frozenset({"char", "signed char", "unsigned char"})
_UNTYPED = frozenset({"void", "char8_t", "std::byte"})
_QUALIFIERS = re.compile(r"(?: (?:const|volatile|restrict))*$")
_TOUCHING = re.compile(r"(?<=[^\s*&:])([*&]+)$")  # the stars that C writes next to the name
_POINTER = re.compile(r"(?P<target>.*?[^:])(?:\*|&&?)")
# Of a length that does no harm when a name is made to list thousands of them.
_TO_ARRAY = re.compile(r"(?P<element>[^(]+) \((?:\*|&&?)\) \[(?P<count>\d{1,2})\]")
_TO_MEMBER = re.compile(r".*::\*")
# Pointers to member functions, vectors, and numbers of other formats than C's: known, and not to be passed here.
_UNPASSABLE = re.compile(
    r"[^(<]*\([^()]*::\*(?: const| volatile)*\).*|.* vector\[.*\]|"
    r"__float128|_Float\d+x?|half|decimal\d+|std::b?float\d+_t"
)
_TO_FUNCTION_OR_ARRAY = re.compile(r"[^(<]*\([*&]")
_CONVERSION = re.compile(r"operator (?P<type>(?!new\b|delete\b|co_await\b)[\w(].*)")
# Operators that only members can be: C++ [over.ass], [over.call], [over.sub], [over.ref].
_MEMBER_OPERATOR = re.compile(r"operator(?:=|\(\)|\[\]|->)(?!\*)(?:<.*)?")
# Itanium C++ ABI, 5.1.4.3: constructors and destructors.
_STRUCTOR = re.compile(r"C[1-5]|D[0-5]")


def prototype_of(name: str) -> Signature | None:
    """The prototype that the mangled name of a C++ function tells; None where it tells none."""
    function = read_function(demangle(name)) if name.startswith("_Z") else None
    if function is None:
        return None
    prototype = _signature(function)
    if function.scopes:
        owner = f"{'::'.join(function.scopes)} {function.qualifiers}".rstrip("& ")
        this = CType(text=f"{owner} *", kind=TypeKind.POINTER, size=8, is_typed=True)
        prototype = replace(prototype, this=this)
    conversion = _CONVERSION.fullmatch(function.name)
    if conversion:
        return replace(prototype, returns=_type(conversion["type"])).as_member()
    if _is_structor(name, function):
        return replace(prototype, returns=_VOID).as_member()
    is_member = function.qualifiers or _MEMBER_OPERATOR.fullmatch(function.name)
    return prototype.as_member() if is_member else prototype


def _signature(function: CxxFunction, *, of_pointer: bool = False) -> Signature:
    """What a function takes and returns; the pointers of one that is pointed to are not followed, which may go on."""
    listed = [text for text in function.parameters if text != "..."]
    return Signature(
        name=function.full_name,
        returns=_type(function.result, follows=not of_pointer) if function.result else _UNTOLD,
        parameters=tuple(SignatureParameter(name="", type=_type(text, follows=not of_pointer)) for text in listed),
        variadic=len(listed) < len(function.parameters),
        source=_SOURCE,
    )


def _is_structor(name: str, function: CxxFunction) -> bool:
    own = function.name.partition("<")[0]
    around = function.scopes[-1].partition("<")[0] if function.scopes else ""
    return own in (around, f"~{around}") and bool(_STRUCTOR.search(name))


def _type(text: str, *, follows: bool = True) -> CType:
    """The type that the demangler spells like this."""
    plain = _QUALIFIERS.sub("", text)
    text = _TOUCHING.sub(r" \1", text)
    pointer = _POINTER.fullmatch(plain)
    if pointer:
        target = _QUALIFIERS.sub("", pointer["target"])
        is_text = target in _TEXTS
        is_typed = not is_text and target not in _UNTYPED
        number = known_type(_FUNDAMENTAL[target], target) if target in _FUNDAMENTAL else None
        return CType(text=text, kind=TypeKind.POINTER, size=8, is_text=is_text, is_typed=is_typed, target=number)
    if _UNPASSABLE.fullmatch(plain):
        return CType(text=text, kind=TypeKind.OTHER, size=0)
    if _TO_MEMBER.fullmatch(plain):  # an offset
        return CType(text=text, kind=TypeKind.INTEGER, size=8)
    array = _TO_ARRAY.fullmatch(plain)
    if array:
        element = _type(array["element"])
        elements = array_of(element, int(array["count"])) if element.can_be_made else None
        return CType(text=text, kind=TypeKind.POINTER, size=8, is_typed=True, target=elements)
    if _TO_FUNCTION_OR_ARRAY.match(plain) or plain == "std::nullptr_t":
        # int (*)(double) is the name of a function that it leads to, but for the stars.
        function = read_function(plain.replace("(*)", "f", 1)) if follows else None
        led_to = _signature(function, of_pointer=True) if function and function.result else None
        return CType(text=text, kind=TypeKind.POINTER, size=8, is_typed=True, function=led_to)
    if plain in _FUNDAMENTAL:
        return replace(known_type(_FUNDAMENTAL[plain], plain), text=text)
    return replace(_UNTOLD, text=text)
