"""What debug information says of a library's interface: its exports' prototypes, and the types they reach.

Types refer to each other by their index in :attr:`Prototypes.types`, since types are recursive; equal types are
one entry. Index 0 (:data:`VOID`) is always ``void``. Sizes and offsets are in bytes unless a name says bits.
Numbers and words are those of the DWARF 5 standard (https://dwarfstd.org/doc/DWARF5.pdf).
"""

from __future__ import annotations

from enum import StrEnum

from soinspect.model.constants import OpenEnum
from soinspect.model.lateclass import dataclass

VOID = 0


class Language(OpenEnum):
    """``DW_AT_language`` of a compilation unit (DWARF 5, table 7.17), with the numbers given out since."""

    C89 = 0x01
    C = 0x02
    ADA83 = 0x03
    CPP = 0x04
    COBOL74 = 0x05
    COBOL85 = 0x06
    FORTRAN77 = 0x07
    FORTRAN90 = 0x08
    PASCAL83 = 0x09
    MODULA2 = 0x0A
    JAVA = 0x0B
    C99 = 0x0C
    ADA95 = 0x0D
    FORTRAN95 = 0x0E
    PLI = 0x0F
    OBJC = 0x10
    OBJCPP = 0x11
    UPC = 0x12
    D = 0x13
    PYTHON = 0x14
    OPENCL = 0x15
    GO = 0x16
    MODULA3 = 0x17
    HASKELL = 0x18
    CPP03 = 0x19
    CPP11 = 0x1A
    OCAML = 0x1B
    RUST = 0x1C
    C11 = 0x1D
    SWIFT = 0x1E
    JULIA = 0x1F
    CPP14 = 0x21
    FORTRAN03 = 0x22
    FORTRAN08 = 0x23
    RENDERSCRIPT = 0x24
    BLISS = 0x25
    KOTLIN = 0x26
    ZIG = 0x27
    CRYSTAL = 0x28
    CPP17 = 0x2A
    CPP20 = 0x2B
    C17 = 0x2C
    FORTRAN18 = 0x2D
    ADA2005 = 0x2E
    ADA2012 = 0x2F
    MIPS_ASSEMBLER = 0x8001

    @property
    def is_c(self) -> bool:
        """Whether names have no scopes and symbols are named as the source names them."""
        return self in _C


_C = frozenset((Language.C89, Language.C, Language.C99, Language.C11, Language.C17, Language.MIPS_ASSEMBLER))


class Encoding(OpenEnum):
    """``DW_AT_encoding``: how the bits of a base type are to be read (DWARF 5, table 7.11)."""

    NONE = 0x00
    ADDRESS = 0x01
    BOOLEAN = 0x02
    COMPLEX_FLOAT = 0x03
    FLOAT = 0x04
    SIGNED = 0x05
    SIGNED_CHAR = 0x06
    UNSIGNED = 0x07
    UNSIGNED_CHAR = 0x08
    IMAGINARY_FLOAT = 0x09
    PACKED_DECIMAL = 0x0A
    NUMERIC_STRING = 0x0B
    EDITED = 0x0C
    SIGNED_FIXED = 0x0D
    UNSIGNED_FIXED = 0x0E
    DECIMAL_FLOAT = 0x0F
    UTF = 0x10
    UCS = 0x11
    ASCII = 0x12


class CallingConvention(OpenEnum):
    """``DW_AT_calling_convention`` of a function, or of a class passed to one (DWARF 5, table 7.27)."""

    NORMAL = 0x01
    PROGRAM = 0x02
    NOCALL = 0x03
    PASS_BY_REFERENCE = 0x04
    PASS_BY_VALUE = 0x05
    VECTORCALL = 0xC0
    MS_ABI = 0xC1
    SYSV_ABI = 0xC2
    AAPCS = 0xC3
    AAPCS_VFP = 0xC4


class Derivation(StrEnum):
    """How a type is made of exactly one other type."""

    POINTER = "pointer"
    REFERENCE = "reference"
    RVALUE_REFERENCE = "rvalue reference"
    CONST = "const"
    VOLATILE = "volatile"
    RESTRICT = "restrict"
    ATOMIC = "atomic"
    IMMUTABLE = "immutable"
    SHARED = "shared"
    PACKED = "packed"

    @property
    def qualifies(self) -> bool:
        """Whether the type only qualifies the other: same size, same values."""
        return self not in (Derivation.POINTER, Derivation.REFERENCE, Derivation.RVALUE_REFERENCE)


class AggregateKind(StrEnum):
    """The keyword that a type with members is declared with."""

    STRUCT = "struct"
    CLASS = "class"
    UNION = "union"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnspecifiedType:
    """A type without size: ``void``, ``decltype(nullptr)``, or ``...`` and its kin of other languages."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableType:
    """A type that the debug information damages or hides; ``reason`` says how."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseType:
    """A type of the language itself, such as ``unsigned int``."""

    name: str
    size: int
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedType:
    """A pointer, reference or qualified type; ``target`` is the index of what it is made of."""

    derivation: Derivation
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Typedef:
    """Another name for a type; ``alignment`` only where the source asks for one."""

    name: str
    target: int
    alignment: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPointer:
    """A C++ pointer to a member of type ``target`` of the class ``owner`` (both indexes)."""

    target: int
    owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayType:
    """An array; a dimension is the number of its elements, or None if the type leaves it open.

    ``vector`` tells a SIMD vector, which is passed in registers, from an array.
    """

    element: int
    dimensions: tuple[int | None, ...]
    vector: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumerator:
    """One name of an enumeration."""

    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """An enumeration; ``size`` is None where only a declaration is known, ``underlying`` an index or None."""

    name: str | None
    size: int | None
    underlying: int | None
    enumerators: tuple[Enumerator, ...]
    scoped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A data member.

    ``offset`` is that of its first byte. A bit-field has ``bit_size`` and ``bit_offset``, counted in bits from the
    start of the aggregate, whatever way the debug information counted. ``name`` is None for an anonymous member.
    """

    name: str | None
    type: int
    offset: int | None
    bit_offset: int | None = None
    bit_size: int | None = None
    alignment: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base class; the place of a virtual one is known at run time only (``offset`` is None)."""

    type: int
    offset: int | None
    virtual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualMethod:
    """A virtual member function: ``slot`` is its index in the virtual table, as far as it is written down."""

    name: str
    linkage_name: str | None
    slot: int | None
    pure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A structure, class or union.

    ``name`` is scoped (``ns::Outer::Inner``), None if it has none. ``size`` is None where the whole file holds no
    definition. ``alignment`` is what the source asks for with ``alignas``, otherwise None. ``convention`` is the
    compiler's word on how values are passed (clang), ``user_provided`` names the destructor and the copy and move
    constructors that the class has of its own: any of them makes values travel by address (Itanium C++ ABI 3.1.1).
    ``variants`` tells a type whose members depend on a discriminant (Rust enumerations): those are not listed.
    ``plain`` is False where constructors, a copy assignment or members that are not public make it no POD of C++03,
    whatever its members, bases and virtual methods are (Itanium C++ ABI 1.1, "POD for the purpose of layout").
    """

    kind: AggregateKind
    name: str | None
    size: int | None
    members: tuple[Member, ...] = ()
    bases: tuple[Base, ...] = ()
    virtual_methods: tuple[VirtualMethod, ...] = ()
    alignment: int | None = None
    convention: CallingConvention | None = None
    user_provided: tuple[str, ...] = ()
    variants: bool = False
    plain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter; ``artificial`` if the compiler adds it (``this``)."""

    name: str | None
    type: int
    artificial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionType:
    """What a function takes and returns; ``prototyped`` is False for ``int f()`` of old C: anything goes."""

    result: int
    parameters: tuple[Parameter, ...]
    variadic: bool = False
    prototyped: bool = True
    convention: CallingConvention | None = None


Type = (
    UnspecifiedType
    | UnreadableType
    | BaseType
    | DerivedType
    | Typedef
    | MemberPointer
    | ArrayType
    | Enumeration
    | Aggregate
    | FunctionType
)


class Evidence(StrEnum):
    """What ties a symbol to its description."""

    ADDRESS = "a definition at the symbol's address"
    NAME = "a definition of the symbol's name"
    DECLARATION = "a declaration in a unit that uses it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFunction:
    """A function symbol with its prototype.

    ``symbol`` and ``version`` are those of the dynamic symbol, ``name`` what the source calls it, with scopes;
    ``unit`` is the source file that was compiled.
    """

    symbol: str
    version: str | None
    name: str
    signature: FunctionType
    language: Language
    unit: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedVariable:
    """A data symbol with the index of its type; the other fields as in :class:`ExportedFunction`."""

    symbol: str
    version: str | None
    name: str
    type: int
    language: Language
    unit: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototypes:
    """The described exports of a file, sorted by symbol and version, and the types that they reach.

    ``source`` is the file that holds the debug information and how it was found, ``producers`` the compilers that
    wrote it, ``word_size`` the size of pointers, ``missing`` the versioned names of exports that it does not
    describe, ``remarks`` what was left out or is damaged.
    """

    functions: tuple[ExportedFunction, ...]
    variables: tuple[ExportedVariable, ...]
    types: tuple[Type, ...]
    missing: tuple[str, ...]
    word_size: int
    source: str
    producers: tuple[str, ...]
    remarks: tuple[str, ...]

    def size_of(self, index: int) -> int | None:
        """The size of a type in bytes, None if it has none or it is not known."""
        found = self.types[index]
        match found:
            case BaseType(size=size) | Aggregate(size=size) | Enumeration(size=size):
                return size
            case DerivedType(derivation=derivation) if not derivation.qualifies:
                return self.word_size
            case DerivedType(target=target) | Typedef(target=target):
                return self.size_of(target)
            case ArrayType(element=element, dimensions=dimensions):
                size = self.size_of(element)
                for count in dimensions:
                    size = None if size is None or count is None else size * count
                return size
            case MemberPointer(target=target):
                # A pointer to a member function is a pair (Itanium C++ ABI, section 2.3).
                return 2 * self.word_size if isinstance(self.types[target], FunctionType) else self.word_size
            case _:
                return None
