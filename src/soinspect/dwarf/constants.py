"""Numbers of DWARF 2 to 5 with the GNU extensions in use, under their names without the DW_ prefixes.

Only those that the reader looks at. Source: DWARF 5 standard, chapter 7; binutils' ``include/dwarf2.def``.
"""

from __future__ import annotations

from enum import IntEnum


class Tag(IntEnum):
    """``DW_TAG_*``: what a debugging information entry describes."""

    ARRAY_TYPE = 0x01
    CLASS_TYPE = 0x02
    ENUMERATION_TYPE = 0x04
    FORMAL_PARAMETER = 0x05
    MEMBER = 0x0D
    POINTER_TYPE = 0x0F
    REFERENCE_TYPE = 0x10
    COMPILE_UNIT = 0x11
    STRUCTURE_TYPE = 0x13
    SUBROUTINE_TYPE = 0x15
    TYPEDEF = 0x16
    UNION_TYPE = 0x17
    UNSPECIFIED_PARAMETERS = 0x18
    INHERITANCE = 0x1C
    MODULE = 0x1E
    PTR_TO_MEMBER_TYPE = 0x1F
    SUBRANGE_TYPE = 0x21
    BASE_TYPE = 0x24
    CONST_TYPE = 0x26
    ENUMERATOR = 0x28
    PACKED_TYPE = 0x2D
    SUBPROGRAM = 0x2E
    VARIANT_PART = 0x33
    VARIABLE = 0x34
    VOLATILE_TYPE = 0x35
    RESTRICT_TYPE = 0x37
    INTERFACE_TYPE = 0x38
    NAMESPACE = 0x39
    UNSPECIFIED_TYPE = 0x3B
    PARTIAL_UNIT = 0x3C
    IMPORTED_UNIT = 0x3D
    SHARED_TYPE = 0x40
    TYPE_UNIT = 0x41
    RVALUE_REFERENCE_TYPE = 0x42
    ATOMIC_TYPE = 0x47
    SKELETON_UNIT = 0x4A
    IMMUTABLE_TYPE = 0x4B
    GNU_FORMAL_PARAMETER_PACK = 0x4108


class At(IntEnum):
    """``DW_AT_*``: the attributes of an entry."""

    SIBLING = 0x01
    LOCATION = 0x02
    NAME = 0x03
    BYTE_SIZE = 0x0B
    BIT_OFFSET = 0x0C
    BIT_SIZE = 0x0D
    LOW_PC = 0x11
    LANGUAGE = 0x13
    IMPORT = 0x18
    COMP_DIR = 0x1B
    CONST_VALUE = 0x1C
    CONTAINING_TYPE = 0x1D
    LOWER_BOUND = 0x22
    PRODUCER = 0x25
    PROTOTYPED = 0x27
    UPPER_BOUND = 0x2F
    ABSTRACT_ORIGIN = 0x31
    ACCESSIBILITY = 0x32
    ARTIFICIAL = 0x34
    CALLING_CONVENTION = 0x36
    COUNT = 0x37
    DATA_MEMBER_LOCATION = 0x38
    DECLARATION = 0x3C
    ENCODING = 0x3E
    EXTERNAL = 0x3F
    SPECIFICATION = 0x47
    TYPE = 0x49
    VIRTUALITY = 0x4C
    VTABLE_ELEM_LOCATION = 0x4D
    RANGES = 0x55
    SIGNATURE = 0x69
    DATA_BIT_OFFSET = 0x6B
    ENUM_CLASS = 0x6D
    LINKAGE_NAME = 0x6E
    STR_OFFSETS_BASE = 0x72
    ADDR_BASE = 0x73
    RNGLISTS_BASE = 0x74
    DWO_NAME = 0x76
    ALIGNMENT = 0x88
    DELETED = 0x8A
    DEFAULTED = 0x8B
    MIPS_LINKAGE_NAME = 0x2007
    GNU_VECTOR = 0x2107
    GNU_DWO_NAME = 0x2130
    GNU_DWO_ID = 0x2131
    GNU_ADDR_BASE = 0x2133


class Form(IntEnum):
    """``DW_FORM_*``: how the value of an attribute is encoded."""

    ADDR = 0x01
    BLOCK2 = 0x03
    BLOCK4 = 0x04
    DATA2 = 0x05
    DATA4 = 0x06
    DATA8 = 0x07
    STRING = 0x08
    BLOCK = 0x09
    BLOCK1 = 0x0A
    DATA1 = 0x0B
    FLAG = 0x0C
    SDATA = 0x0D
    STRP = 0x0E
    UDATA = 0x0F
    REF_ADDR = 0x10
    REF1 = 0x11
    REF2 = 0x12
    REF4 = 0x13
    REF8 = 0x14
    REF_UDATA = 0x15
    INDIRECT = 0x16
    SEC_OFFSET = 0x17
    EXPRLOC = 0x18
    FLAG_PRESENT = 0x19
    STRX = 0x1A
    ADDRX = 0x1B
    REF_SUP4 = 0x1C
    STRP_SUP = 0x1D
    DATA16 = 0x1E
    LINE_STRP = 0x1F
    REF_SIG8 = 0x20
    IMPLICIT_CONST = 0x21
    LOCLISTX = 0x22
    RNGLISTX = 0x23
    REF_SUP8 = 0x24
    STRX1 = 0x25
    STRX2 = 0x26
    STRX3 = 0x27
    STRX4 = 0x28
    ADDRX1 = 0x29
    ADDRX2 = 0x2A
    ADDRX3 = 0x2B
    ADDRX4 = 0x2C
    GNU_ADDR_INDEX = 0x1F01
    GNU_STR_INDEX = 0x1F02
    GNU_REF_ALT = 0x1F20
    GNU_STRP_ALT = 0x1F21


class Op(IntEnum):
    """``DW_OP_*``: operations of location expressions."""

    ADDR = 0x03
    CONST1U = 0x08
    CONST1S = 0x09
    CONST2U = 0x0A
    CONST2S = 0x0B
    CONST4U = 0x0C
    CONST4S = 0x0D
    CONST8U = 0x0E
    CONST8S = 0x0F
    CONSTU = 0x10
    CONSTS = 0x11
    PLUS_UCONST = 0x23
    LIT0 = 0x30
    LIT31 = 0x4F
    FORM_TLS_ADDRESS = 0x9B
    ADDRX = 0xA1
    CONSTX = 0xA2
    GNU_PUSH_TLS_ADDRESS = 0xE0
    GNU_ADDR_INDEX = 0xFB
    GNU_CONST_INDEX = 0xFC


class UnitType(IntEnum):
    """``DW_UT_*`` of DWARF 5 unit headers."""

    COMPILE = 0x01
    TYPE = 0x02
    PARTIAL = 0x03
    SKELETON = 0x04
    SPLIT_COMPILE = 0x05
    SPLIT_TYPE = 0x06
