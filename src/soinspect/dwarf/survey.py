"""One pass over a unit: where its definitions, declarations, types and scopes are. Nothing is read in full."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container

from soinspect.dwarf.abbreviations import Abbreviation, Role
from soinspect.dwarf.constants import At, Form, Tag
from soinspect.dwarf.expressions import address_index, fixed_address
from soinspect.dwarf.ranges import first_address
from soinspect.dwarf.units import Unit

_CONTAINERS = frozenset((Tag.STRUCTURE_TYPE, Tag.CLASS_TYPE, Tag.UNION_TYPE, Tag.INTERFACE_TYPE, Tag.SUBPROGRAM))


# Positions by name (the symbol's name where there is one), or by its offset in .debug_str; "" where it takes reading
# the entry to know the name.
Named = dict[int | str, list[int]]


class Catalogue:
    """Where things are in ``.debug_info``, outside of types and functions.

    ``at_address`` are the definitions at the addresses that somebody asked for, ``mentions`` all functions and
    variables, defined or not, ``types`` all types that are defined, ``imports`` the entries that make another unit
    part of theirs.
    """

    def __init__(self) -> None:
        self.at_address: dict[int | None, list[int]] = {}
        self.mentions: Named = {}
        self.types: Named = {}
        self.imports: list[int] = []


class Scopes:
    """The entries of a unit that give a scope to what is in them, as columns in file order.

    ``scopes`` holds the position of the innermost scope that what comes after each of the ``turns`` is in, 0 at the
    top. No entry is at position 0: a unit has a header.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.turns: list[int] = []
        self.scopes: list[int] = []

    def parent(self, position: int) -> int | None:
        """The position of the scope just around an entry, None at the top of the unit.

        :raises FormatError: an entry on the way is damaged.
        """
        turn = bisect_left(self.turns, position) - 1
        scope = self.scopes[turn] if turn >= 0 else 0
        return self._innermost(scope, position) if scope else None

    def _innermost(self, scope: int, position: int) -> int:
        """The scope just around ``position``, which is somewhere inside of ``scope``: nested types have one too."""
        while True:
            abbreviation, at = self.unit.abbreviation(scope)
            if abbreviation is None or abbreviation.role == Role.SCOPE:
                return scope
            for child, shape, values in self.unit.entries(self.unit.after_values(abbreviation, at)):
                if child >= position:
                    return scope
                if shape.children and position < self.unit.after(child, shape, values):
                    scope = child
                    break
            else:
                return scope


def survey_unit(  # noqa: C901  (one loop: a call for each entry would take longer than all the rest)
    unit: Unit, addresses: Container[int], catalogue: Catalogue, *, scoped: bool
) -> Scopes:
    """Pass over a unit, and add what it holds to the catalogue.

    ``addresses`` are those asked for; ``scoped`` tells whether types and functions give scopes.

    :raises FormatError: an entry is damaged.
    """
    scopes = Scopes(unit)
    section, table, end, start, four_bytes = unit.section, unit.table, unit.end, unit.start, unit.four_bytes
    data = section.data
    types, mentions, at_address = catalogue.types, catalogue.mentions, catalogue.at_address
    turns, inside = scopes.turns, scopes.scopes
    root, at = unit.abbreviation(unit.root)
    position = unit.after_values(root, at) if root is not None and root.children else end
    scope_role, addressed_role, type_role, import_role = Role.SCOPE, Role.ADDRESSED, Role.TYPE, Role.IMPORT
    open_scopes: list[int] = [0]
    while position < end:
        code = data[position]
        at = position + 1
        if code > 0x7F:
            code, at = section.uleb(position)
        if not code:
            open_scopes.pop()
            if not open_scopes:
                break
            turns.append(position)
            inside.append(open_scopes[-1])
            position = at
            continue
        abbreviation = table.get(code)
        if abbreviation is None:
            raise section.error(position, "abbreviation code", code, "its table has no such code")
        role = abbreviation.role
        if role == scope_role and abbreviation.children:
            turns.append(position)
            inside.append(position)
            open_scopes.append(position)
            position = unit.after_values(abbreviation, at)
            continue
        # What Unit.after does, written out for the shapes that gcc makes: this loop is where the time goes.
        if not abbreviation.children and abbreviation.size is not None:
            following = at + abbreviation.size
        elif abbreviation.sibling is not None and at + abbreviation.sibling + 4 <= end:
            following = start + four_bytes(data, at + abbreviation.sibling)[0]
            if not position < following <= end:
                raise section.error(position, "DW_AT_sibling", following, "it does not lead forward")
        else:
            following = unit.after(position, abbreviation, at)
        if role == import_role:
            catalogue.imports.append(position)
        elif role:
            name = abbreviation.name
            if name is None:
                key: int | str = ""
            elif name[1].form == Form.STRP and name[1].width == 4:
                key = four_bytes(data, at + name[0])[0]
            else:
                key = unit.info.text_at(unit, at, *name) or ""
            if role == addressed_role:
                address = _address(unit, abbreviation, position, at)
                if address is not None and address in addresses:
                    at_address.setdefault(address, []).append(position)
            (types if role == type_role else mentions).setdefault(key, []).append(position)
        if scoped and abbreviation.children and abbreviation.tag in _CONTAINERS:
            turns += (position, following - 1)
            inside += (position, open_scopes[-1])
        position = following
    return scopes


def _address(unit: Unit, abbreviation: Abbreviation, position: int, at: int) -> int | None:
    """The address of a function or variable, None if it has none."""
    section = unit.section
    place = abbreviation.places.get(At.LOW_PC)
    if place is not None and place[1].form == Form.ADDR:
        return section.integer(at + place[0], place[1].width)
    place = abbreviation.places.get(At.LOCATION)
    if place is not None and place[1].form == Form.EXPRLOC:
        size, start = section.uleb(at + place[0])
        return _variable_address(unit, section.data[start : min(start + size, unit.end)])
    entry = unit.info.entry(unit, position)
    if At.RANGES in entry:
        return first_address(entry)
    if At.LOW_PC in entry:
        return entry.address(At.LOW_PC)
    return _variable_address(unit, entry.block(At.LOCATION) or b"")


def _variable_address(unit: Unit, location: bytes) -> int | None:
    address = fixed_address(unit, location)
    if address is None:
        index = address_index(unit, location)
        address = None if index is None else unit.info.indexed_address(unit, index)
    return address
