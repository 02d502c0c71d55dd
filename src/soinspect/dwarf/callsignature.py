"""The prototypes of functions, from their debug information (DWARF 5, 3.3 and chapter 5)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from soinspect.errors import FormatError
from soinspect.model.absence import Absent
from soinspect.model.signature import CType, Signature, SignatureParameter, TypeKind

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

_MAX_DEPTH = 32
_GO = 0x16
# DW_ATE_* (DWARF 5, 7.8)
_BOOLEAN, _COMPLEX, _FLOAT = 0x02, 0x03, 0x04
_SIGNED = frozenset({0x05, 0x06})
_INTEGERS = frozenset({0x05, 0x06, 0x07, 0x08, 0x10})
_CHARACTERS = frozenset({0x06, 0x08})
_QUALIFIERS = {"DW_TAG_const_type": "const", "DW_TAG_volatile_type": "volatile", "DW_TAG_restrict_type": "",
               "DW_TAG_atomic_type": "_Atomic"}  # fmt: skip
_AGGREGATES = {"DW_TAG_structure_type": "struct", "DW_TAG_class_type": "class", "DW_TAG_union_type": "union"}
_REFERENCES = {"DW_TAG_reference_type": "&", "DW_TAG_rvalue_reference_type": "&&"}
_VOID = CType(text="void", kind=TypeKind.VOID, size=0)


class DebugSignatures:
    """The debug information of one file; use it as a context manager."""

    def __init__(self, path: str) -> None:
        """Open the file.

        :raises OSError: it cannot be opened.
        :raises FormatError: its headers are damaged.
        """
        self._path = path
        self._file = Path(path).open("rb")  # noqa: SIM115  (closed by __exit__)
        try:
            self._dwarf = self._open()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> DWARFInfo | None:
        with self._guard():
            from elftools.elf.elffile import ELFFile

            elf = ELFFile(self._file)
            return elf.get_dwarf_info() if elf.has_dwarf_info(strict=True) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Whatever pyelftools and its parts raise on damaged input becomes one error."""
        from elftools.common.exceptions import DWARFError, ELFError
        from elftools.construct.core import ConstructError

        try:
            yield
        except (
            *(ELFError, DWARFError, ConstructError, struct.error, zlib.error, RecursionError, StopIteration),
            *(KeyError, IndexError, ValueError, TypeError, AttributeError, AssertionError, OverflowError, EOFError),
        ) as error:
            raise FormatError(
                self._path, offset=0, field="debug information", value=0, why=f"pyelftools: {error!r}"
            ) from error

    def find(self, address: int) -> Signature | Absent:
        """The prototype of the function that starts at ``address``.

        :raises FormatError: the debug information is damaged.
        """
        if self._dwarf is None:
            return Absent("no debug information")
        with self._guard():
            for unit in self._units(address):
                top = unit.get_top_DIE()
                if _number(top, "DW_AT_language") == _GO:
                    continue  # Go functions have no C prototype
                for die in unit.iter_DIEs():
                    if die.tag == "DW_TAG_subprogram" and _number(die, "DW_AT_low_pc") == address:
                        return _prototype(die)
        return Absent("the debug information does not describe it")

    def _units(self, address: int) -> Iterator[CompileUnit]:
        """The compilation unit that ``address`` is in, by .debug_aranges; without it, all whose range may fit."""
        assert self._dwarf is not None  # noqa: S101
        ranges = self._dwarf.get_aranges()
        offset = ranges.cu_offset_at_addr(address) if ranges else None
        if offset is not None:
            yield self._dwarf.get_CU_at(offset)
            return
        for unit in self._dwarf.iter_CUs():
            top = unit.get_top_DIE()
            low, high = _number(top, "DW_AT_low_pc"), top.attributes.get("DW_AT_high_pc")
            if low and high is not None:
                end = high.value if high.form == "DW_FORM_addr" else low + high.value
                if not low <= address < end:
                    continue
            yield unit


def _number(die: DIE, attribute: str) -> int | None:
    found = die.attributes.get(attribute)
    return found.value if found is not None and isinstance(found.value, int) else None


def _text(die: DIE, attribute: str) -> str:
    found = die.attributes.get(attribute)
    return found.value.decode("utf-8", "replace") if found is not None and isinstance(found.value, bytes) else ""


def _origins(die: DIE) -> Iterator[DIE]:
    """The entry and those that it completes: its abstract instance, its declaration in a class."""
    for _ in range(_MAX_DEPTH):
        yield die
        for attribute in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if attribute in die.attributes:
                die = die.get_DIE_from_attribute(attribute)
                break
        else:
            return


def _prototype(die: DIE) -> Signature:
    origins = list(_origins(die))
    name = next((text for origin in origins if (text := _text(origin, "DW_AT_name"))), "")
    typed = next((origin for origin in origins if "DW_AT_type" in origin.attributes), None)
    children = next((list(o.iter_children()) for o in origins if o.has_children), [])
    parameters = []
    for child in children:
        if child.tag == "DW_TAG_formal_parameter":
            whole = list(_origins(child))
            kind = next((_type_of(part) for part in whole if "DW_AT_type" in part.attributes), _VOID)
            label = next((text for part in whole if (text := _text(part, "DW_AT_name"))), "")
            parameters.append(SignatureParameter(name=label, type=kind))
    language = _number(die.cu.get_top_DIE(), "DW_AT_language")
    is_c = language in (0x01, 0x02, 0x0C, 0x1D, 0x2C)
    return Signature(
        name=name,
        returns=_type_of(typed) if typed is not None else _VOID,
        parameters=tuple(parameters),
        variadic=any(child.tag == "DW_TAG_unspecified_parameters" for child in children),
        source="DWARF",
        prototyped=not is_c or any("DW_AT_prototyped" in origin.attributes for origin in origins),
    )


def _type_of(die: DIE, depth: int = 0) -> CType:
    """The type that an entry refers to with DW_AT_type; void without one."""
    if "DW_AT_type" not in die.attributes or depth > _MAX_DEPTH:
        return _VOID
    return _type(die.get_DIE_from_attribute("DW_AT_type"), depth + 1)


def _type(die: DIE, depth: int) -> CType:
    tag, name, size = die.tag, _text(die, "DW_AT_name"), _number(die, "DW_AT_byte_size") or 0
    if tag == "DW_TAG_base_type":
        return _base(name, size, _number(die, "DW_AT_encoding") or 0)
    if tag == "DW_TAG_typedef":
        return _renamed(_type_of(die, depth), name)
    if tag in _QUALIFIERS:
        inner = _type_of(die, depth)
        word = _QUALIFIERS[tag]
        if not word:
            return inner
        return _renamed(inner, f"{inner.text} {word}" if inner.text.endswith("*") else f"{word} {inner.text}")
    if tag == "DW_TAG_pointer_type" or tag in _REFERENCES:
        return _pointer(die, _REFERENCES.get(tag, "*"), size or die.cu.header["address_size"], depth)
    if tag == "DW_TAG_enumeration_type":
        inner = _type_of(die, depth)
        return CType(text=f"enum {name}".strip(), kind=TypeKind.INTEGER, size=size, signed=inner.signed)
    if tag in _AGGREGATES:
        return CType(text=f"{_AGGREGATES[tag]} {name}".strip(), kind=TypeKind.AGGREGATE, size=size)
    return CType(text=name or tag.removeprefix("DW_TAG_").replace("_", " "), kind=TypeKind.OTHER, size=size)


def _base(name: str, size: int, encoding: int) -> CType:
    kind = TypeKind.OTHER
    if encoding == _BOOLEAN:
        kind = TypeKind.BOOLEAN
    elif encoding in _INTEGERS and size <= 8:
        kind = TypeKind.INTEGER
    elif encoding == _FLOAT and size in (4, 8):
        kind = TypeKind.FLOAT
    return CType(text=name, kind=kind, size=size, signed=encoding in _SIGNED)


def _pointer(die: DIE, mark: str, size: int, depth: int) -> CType:
    target = die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in die.attributes else None
    if target is not None and target.tag == "DW_TAG_subroutine_type":
        inside = [
            _type_of(child, depth).text for child in target.iter_children() if child.tag == "DW_TAG_formal_parameter"
        ]
        text = f"{_type_of(target, depth).text} (*)({', '.join(inside) or 'void'})"
        return CType(text=text, kind=TypeKind.POINTER, size=size)
    inner = _type(target, depth + 1) if target is not None and depth <= _MAX_DEPTH else _VOID
    space = "" if inner.text.endswith("*") else " "
    is_text = target is not None and _is_character(target)
    return CType(text=f"{inner.text}{space}{mark}", kind=TypeKind.POINTER, size=size, is_text=is_text)


def _is_character(die: DIE) -> bool:
    for _ in range(_MAX_DEPTH):
        if die.tag == "DW_TAG_base_type":
            return _number(die, "DW_AT_encoding") in _CHARACTERS and _number(die, "DW_AT_byte_size") == 1
        if die.tag not in _QUALIFIERS or "DW_AT_type" not in die.attributes:
            return False
        die = die.get_DIE_from_attribute("DW_AT_type")
    return False


def _renamed(inner: CType, text: str) -> CType:
    return CType(text=text, kind=inner.kind, size=inner.size, signed=inner.signed, is_text=inner.is_text)
