"""A second opinion on debug information: the same facts by pyelftools, and both written as the same plain text.

A type's text names what has a name and spells out what has none, so that it is finite; layouts are texts of their
own, by name. Slow and simple on purpose: every entry of the file is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.dwarf.dwarf_expr import DWARFExprParser
from elftools.elf.elffile import ELFFile

from soinspect.model.prototype import (
    Aggregate,
    ArrayType,
    BaseType,
    DerivedType,
    Enumeration,
    FunctionType,
    MemberPointer,
    Prototypes,
    Typedef,
    UnreadableType,
    UnspecifiedType,
)

_DERIVATIONS = {
    "DW_TAG_pointer_type": "pointer",
    "DW_TAG_reference_type": "reference",
    "DW_TAG_rvalue_reference_type": "rvalue reference",
    "DW_TAG_const_type": "const",
    "DW_TAG_volatile_type": "volatile",
    "DW_TAG_restrict_type": "restrict",
    "DW_TAG_atomic_type": "atomic",
}
_AGGREGATES = {
    "DW_TAG_structure_type": "struct",
    "DW_TAG_class_type": "class",
    "DW_TAG_union_type": "union",
}
_C = frozenset((0x01, 0x02, 0x0C, 0x1D, 0x2C))
_ASSEMBLER = 0x8001
_CONSTRUCTORS = {"DW_TAG_reference_type": "copy constructor", "DW_TAG_rvalue_reference_type": "move constructor"}


@dataclass
class Facts:
    """Text of every export by symbol, and the texts of all layouts reached by the type's name."""

    exports: dict[str, str] = field(default_factory=dict)
    layouts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


# -- what soinspect read -------------------------------------------------------------------------------------


def facts_of(side: Prototypes) -> Facts:
    facts = Facts()
    for function in side.functions:
        facts.exports[function.symbol] = f"{function.name}: {_function(side, function.signature, names=True)}"
    for variable in side.variables:
        facts.exports[variable.symbol] = f"{variable.name}: {_type(side, variable.type)}"
    for value in side.types:
        if isinstance(value, Aggregate) and value.name and value.size is not None:
            facts.layouts[f"{value.kind} {value.name}"].add(_layout(side, value))
        if isinstance(value, Enumeration) and value.name and value.size is not None:
            facts.layouts[f"enum {value.name}"].add(_enumeration(side, value))
    return facts


def _type(side: Prototypes, index: int) -> str:
    match side.types[index]:
        case BaseType() as base:
            return f"{base.name}:{base.size}:{int(base.encoding)}"
        case UnspecifiedType(name=name):
            return name
        case DerivedType(derivation=derivation, target=target):
            return f"{derivation}({_type(side, target)})"
        case Typedef(name=name, target=target, alignment=alignment):
            return f"typedef {name}{_aligned(alignment)}({_type(side, target)})"
        case ArrayType(element=element, dimensions=dimensions, vector=vector):
            return f"{'vector' if vector else 'array'}{list(dimensions)}({_type(side, element)})"
        case FunctionType() as function:
            return _function(side, function, names=False)
        case MemberPointer(target=target, owner=owner):
            return f"member({_type(side, owner)}, {_type(side, target)})"
        case Enumeration(name=name) as enumeration:
            return f"enum {name}" if name else _enumeration(side, enumeration)
        case Aggregate(name=name, kind=kind) as aggregate:
            return f"{kind} {name}" if name else _layout(side, aggregate)
        case UnreadableType(reason=reason):
            raise AssertionError(reason)


def _function(side: Prototypes, function: FunctionType, *, names: bool) -> str:
    parameters = [
        f"{p.name if names else ''} {'artificial ' if p.artificial else ''}{_type(side, p.type)}"
        for p in function.parameters
    ]
    return (
        f"{_type(side, function.result)}({', '.join(parameters)}{' ...' if function.variadic else ''})"
        f"{'' if function.prototyped else ' unprototyped'} {int(function.convention or 0)}"
    )


def _aligned(alignment: int | None) -> str:
    return f" aligned {alignment}" if alignment else ""


def _enumeration(side: Prototypes, it: Enumeration) -> str:
    values = ", ".join(f"{e.name}={e.value}" for e in it.enumerators)
    underlying = "" if it.underlying is None else _type(side, it.underlying)
    return f"enum{' class' if it.scoped else ''} {it.size} {underlying} {{{values}}}"


def _layout(side: Prototypes, it: Aggregate) -> str:
    lines = [f"{it.kind} {it.size}{_aligned(it.alignment)} {int(it.convention or 0)} {sorted(it.user_provided)}"]
    lines += [f"base {_type(side, b.type)} at {b.offset} {b.virtual}" for b in it.bases]
    lines += [
        f"{m.name} {_type(side, m.type)} at {m.bit_offset if m.bit_size is not None else m.offset}"
        f" bits {m.bit_size}{_aligned(m.alignment)}"
        for m in it.members
    ]
    lines += [f"virtual {m.name} {m.linkage_name} {m.slot} {m.pure}" for m in it.virtual_methods]
    return " | ".join(lines)


# -- what pyelftools reads -----------------------------------------------------------------------------------


class Oracle:
    """The facts of a library by pyelftools, for the symbols of its .dynsym that are described by a definition.

    ``holder`` is the file with the debug information, if that is another one.
    """

    def __init__(self, path: Path, holder: Path | None = None) -> None:
        self.facts = Facts()
        self._scopes: dict[int, str | None] = {}
        self._queue: list[Any] = []
        self._seen: set[int] = set()
        with path.open("rb") as file, (holder or path).open("rb") as debug_file:
            elf = ELFFile(file)
            dwarf = ELFFile(debug_file).get_dwarf_info()
            symbols = [s for s in elf.get_section_by_name(".dynsym").iter_symbols() if s["st_shndx"] != "SHN_UNDEF"]
            wanted = {s.name: s for s in symbols if s["st_other"]["visibility"] in ("STV_DEFAULT", "STV_PROTECTED")}
            self._wanted = wanted
            for unit in dwarf.iter_CUs():
                if _language(unit.get_top_DIE()) == _ASSEMBLER:
                    continue
                for die in unit.iter_DIEs():
                    if die.tag in ("DW_TAG_subprogram", "DW_TAG_variable"):
                        self._export(die)
            while self._queue:
                self._add_layout(self._queue.pop())

    def _export(self, die: Any) -> None:
        origins = list(_origins(die))
        names = [n for o in origins if (n := _text(o, "DW_AT_linkage_name") or _text(o, "DW_AT_MIPS_linkage_name"))]
        names += [n for o in origins if (n := _text(o, "DW_AT_name"))]
        symbol = self._wanted.get(names[0]) if names else None
        if symbol is None or not any("DW_AT_external" in o.attributes for o in origins):
            return
        if not self._name(die):
            return  # made by the compiler
        if die.tag == "DW_TAG_subprogram":
            if _number(die, "DW_AT_low_pc") != symbol["st_value"]:
                return
            self.facts.exports[names[0]] = f"{self._name(die)}: {self._function(die, names=True)}"
        elif self._address(die) == symbol["st_value"]:
            self.facts.exports[names[0]] = f"{self._name(die)}: {self._type_of(die)}"

    def _address(self, die: Any) -> int | None:
        location = die.attributes.get("DW_AT_location")
        if location is None or not isinstance(location.value, list):
            return None
        operations = self._expression(die, location.value)
        if len(operations) == 1 and operations[0].op_name == "DW_OP_addr":
            return int(operations[0].args[0])
        if len(operations) == 1 and operations[0].op_name == "DW_OP_addrx":
            return int(die.dwarfinfo.get_addr(die.cu, operations[0].args[0]))
        return None

    def _expression(self, die: Any, value: Any) -> Any:
        return DWARFExprParser(die.cu.structs).parse_expr(value)

    def _name(self, die: Any) -> str | None:
        name = next((n for o in _origins(die) if (n := _text(o, "DW_AT_name"))), None)
        if name is None or _language(die) in _C:
            return name
        *_, declared = _origins(die)
        scopes = []
        parent = declared.get_parent()
        while parent is not None and "_unit" not in parent.tag:
            name_of_scope = next((n for o in _origins(parent) if (n := _text(o, "DW_AT_name"))), None)
            scopes.append(name_of_scope or _unnamed(parent))
            *_, declared = _origins(parent)
            parent = declared.get_parent()
        return "::".join([*scopes[::-1], name])

    def _type_of(self, die: Any) -> str:
        for origin in _origins(die):
            if "DW_AT_type" in origin.attributes:
                return self._type(origin.get_DIE_from_attribute("DW_AT_type"))
        return "void"

    def _type(self, die: Any) -> str:
        if "DW_AT_signature" in die.attributes:
            return self._type(die.get_DIE_from_attribute("DW_AT_signature"))
        tag, name = die.tag, self._name(die)
        if tag in _DERIVATIONS:
            return f"{_DERIVATIONS[tag]}({self._type_of(die)})"
        if tag == "DW_TAG_base_type":
            return f"{name}:{_number(die, 'DW_AT_byte_size')}:{_number(die, 'DW_AT_encoding')}"
        if tag == "DW_TAG_unspecified_type":
            return _text(die, "DW_AT_name") or ""
        if tag == "DW_TAG_typedef":
            return f"typedef {name}{_aligned(_number(die, 'DW_AT_alignment'))}({self._type_of(die)})"
        if tag == "DW_TAG_array_type":
            ranges = [_count(c) for c in die.iter_children() if c.tag == "DW_TAG_subrange_type"] or [None]
            word = "vector" if "DW_AT_GNU_vector" in die.attributes else "array"
            return f"{word}{ranges}({self._type_of(die)})"
        if tag == "DW_TAG_subroutine_type":
            return self._function(die, names=False)
        if tag == "DW_TAG_ptr_to_member_type":
            owner = self._type(die.get_DIE_from_attribute("DW_AT_containing_type"))
            return f"member({owner}, {self._type_of(die)})"
        assert tag in _AGGREGATES or tag == "DW_TAG_enumeration_type", tag
        if not name:
            return self._layout(die)
        if die.offset not in self._seen and "DW_AT_declaration" not in die.attributes:
            self._seen.add(die.offset)
            self._queue.append(die)
        return f"{_AGGREGATES.get(tag, 'enum')} {name}"

    def _function(self, die: Any, *, names: bool) -> str:
        origins = list(_origins(die))
        described = die
        if "DW_AT_abstract_origin" in die.attributes:
            described = die.get_DIE_from_attribute("DW_AT_abstract_origin")
        parameters = []
        variadic = ""
        taken = {origin.offset for child in die.iter_children() for origin in _origins(child)}
        for child in described.iter_children():
            if child.tag == "DW_TAG_formal_parameter":
                if described is not die and "DW_AT_artificial" in child.attributes and child.offset not in taken:
                    continue
                whole = list(_origins(child))
                name = next((n for o in whole if (n := _text(o, "DW_AT_name"))), None) if names else ""
                artificial = "artificial " if any("DW_AT_artificial" in o.attributes for o in whole) else ""
                parameters.append(f"{name} {artificial}{self._type_of(child)}")
            elif child.tag == "DW_TAG_unspecified_parameters":
                variadic = " ..."
        prototyped = _language(die) not in _C or any("DW_AT_prototyped" in o.attributes for o in origins)
        convention = next((c for o in origins if (c := _number(o, "DW_AT_calling_convention"))), 0)
        return (
            f"{self._type_of(die)}({', '.join(parameters)}{variadic})"
            f"{'' if prototyped else ' unprototyped'} {convention}"
        )

    def _add_layout(self, die: Any) -> None:
        self.facts.layouts[f"{_AGGREGATES.get(die.tag, 'enum')} {self._name(die)}"].add(self._layout(die))

    def _layout(self, die: Any) -> str:
        size = _number(die, "DW_AT_byte_size")
        if die.tag == "DW_TAG_enumeration_type":
            values = [
                f"{_text(c, 'DW_AT_name')}={c.attributes['DW_AT_const_value'].value}"
                for c in die.iter_children()
                if c.tag == "DW_TAG_enumerator"
            ]
            underlying = self._type_of(die) if "DW_AT_type" in die.attributes else ""
            scoped = " class" if "DW_AT_enum_class" in die.attributes else ""
            return f"enum{scoped} {size} {underlying} {{{', '.join(values)}}}"
        bases, members, virtual, provided = [], [], [], set()
        for child in die.iter_children():
            if child.tag == "DW_TAG_inheritance":
                is_virtual = bool(_number(child, "DW_AT_virtuality"))
                offset = None if is_virtual else self._offset(child)
                bases.append(f"base {self._type_of(child)} at {offset} {is_virtual}")
            elif child.tag == "DW_TAG_member" and not {"DW_AT_external", "DW_AT_declaration"} & set(child.attributes):
                members.append(self._member(child))
            elif child.tag == "DW_TAG_subprogram":
                provided |= {kind for kind in [_special(child, die)] if kind}
                if _number(child, "DW_AT_virtuality"):
                    virtual.append(self._virtual(child))
        convention = _number(die, "DW_AT_calling_convention") or 0
        aligned = _aligned(_number(die, "DW_AT_alignment"))
        first = f"{_AGGREGATES[die.tag]} {size}{aligned} {convention} {sorted(provided)}"
        return " | ".join([first, *bases, *members, *virtual])

    def _member(self, die: Any) -> str:
        bits = _number(die, "DW_AT_bit_size")
        place = self._offset(die)
        if bits is not None:
            place = 8 * (place or 0) + (_number(die, "DW_AT_data_bit_offset") or 0)
            top = _number(die, "DW_AT_bit_offset")
            if top is not None:
                sized = die
                while "DW_AT_byte_size" not in sized.attributes:
                    sized = sized.get_DIE_from_attribute("DW_AT_type")
                place += 8 * (_number(sized, "DW_AT_byte_size") or 0) - top - bits
        name, aligned = _text(die, "DW_AT_name"), _aligned(_number(die, "DW_AT_alignment"))
        return f"{name} {self._type_of(die)} at {place} bits {bits}{aligned}"

    def _offset(self, die: Any) -> int | None:
        location = die.attributes.get("DW_AT_data_member_location")
        if location is None or isinstance(location.value, int):
            return location.value if location else 0
        operations = self._expression(die, location.value)
        return int(operations[0].args[0]) if [o.op_name for o in operations] == ["DW_OP_plus_uconst"] else None

    def _virtual(self, die: Any) -> str:
        slot = die.attributes.get("DW_AT_vtable_elem_location")
        if slot is not None:
            slot = self._expression(die, slot.value)[0]
            slot = slot.args[0] if slot.args else slot.op - 0x30
        linkage_name = _text(die, "DW_AT_linkage_name") or _text(die, "DW_AT_MIPS_linkage_name")
        return f"virtual {_text(die, 'DW_AT_name')} {linkage_name} {slot} {_number(die, 'DW_AT_virtuality') == 2}"


def _origins(die: Any) -> Iterator[Any]:
    while die is not None:
        yield die
        attribute = next((a for a in ("DW_AT_abstract_origin", "DW_AT_specification") if a in die.attributes), None)
        die = die.get_DIE_from_attribute(attribute) if attribute else None


def _number(die: Any, attribute: str) -> int | None:
    found = die.attributes.get(attribute)
    return found.value if found is not None and isinstance(found.value, int) else None


def _text(die: Any, attribute: str) -> str | None:
    found = die.attributes.get(attribute)
    return found.value.decode("utf-8", "surrogateescape") if found is not None else None


def _language(die: Any) -> int | None:
    return _number(die.cu.get_top_DIE(), "DW_AT_language")


def _unnamed(die: Any) -> str:
    kind = {"subprogram": "function", "structure_type": "struct", "class_type": "class", "union_type": "union"}
    tag = die.tag.removeprefix("DW_TAG_")
    return f"(anonymous {kind.get(tag, tag)})"


def _count(die: Any) -> int | None:
    for attribute, more in (("DW_AT_count", 0), ("DW_AT_upper_bound", 1)):
        found = die.attributes.get(attribute)
        if found is not None and isinstance(found.value, int) and not found.form.startswith("DW_FORM_ref"):
            return 0 if found.value in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) else int(found.value) + more
    return None


def _special(die: Any, owner: Any) -> str | None:
    own = (_text(owner, "DW_AT_name") or "").partition("<")[0]
    name = _text(die, "DW_AT_name") or ""
    if {"DW_AT_artificial", "DW_AT_deleted"} & set(die.attributes) or _number(die, "DW_AT_defaulted") == 1:
        return None
    if name.startswith("~"):
        return "destructor"
    parameters = [child for child in die.iter_children() if child.tag == "DW_TAG_formal_parameter"]
    written = [parameter for parameter in parameters if "DW_AT_artificial" not in parameter.attributes]
    if name != own or len(written) != 1:
        return None
    reference = written[0].get_DIE_from_attribute("DW_AT_type")
    target = reference.get_DIE_from_attribute("DW_AT_type") if reference.tag in _CONSTRUCTORS else None
    if target is not None and target.tag == "DW_TAG_const_type" and "DW_AT_type" in target.attributes:
        target = target.get_DIE_from_attribute("DW_AT_type")
    return _CONSTRUCTORS[reference.tag] if target is not None and target.offset == owner.offset else None
