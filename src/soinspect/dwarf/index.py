"""What surveys of all units know together: where an entry's scope is, and where a type of some name is defined."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from functools import cached_property
from itertools import takewhile

from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.entry import Entry, Place
from soinspect.dwarf.info import DebugInfo
from soinspect.dwarf.survey import Catalogue, Named, Scopes, survey_unit
from soinspect.dwarf.units import Unit
from soinspect.errors import FormatError
from soinspect.model.prototype import Language

_MAX_SCOPES = 64
# Go has its own reader and its own calling convention; an assembler knows names and lines, and no types.
NOT_READ = frozenset((Language.GO, Language.MIPS_ASSEMBLER))
_UNNAMED: dict[int, str] = {
    Tag.NAMESPACE: "(anonymous namespace)", Tag.STRUCTURE_TYPE: "(anonymous struct)",
    Tag.CLASS_TYPE: "(anonymous class)", Tag.UNION_TYPE: "(anonymous union)", Tag.SUBPROGRAM: "(anonymous function)",
}  # fmt: skip
_CLASSES = frozenset((Tag.STRUCTURE_TYPE, Tag.CLASS_TYPE, Tag.INTERFACE_TYPE))

# By tag and name with scopes: the first definition of each size.
Definitions = dict[tuple[int, str | None], dict[int | None, Place]]


class Index:
    """What is catalogued of a file and of those it is split into, which grows by the unit.

    ``addresses`` are those asked for. A unit that cannot be read is told, and counts for as far as it could be.
    """

    def __init__(self, infos: Sequence[DebugInfo], addresses: Container[int]) -> None:
        self.infos = infos
        self.remarks = infos[0].remarks
        self._addresses = addresses
        self._catalogues: dict[DebugInfo, Catalogue] = {}
        self._scopes: dict[Unit, Scopes] = {}
        self._names: dict[Place, str] = {}
        self._defined: dict[str, Definitions] = {}

    @staticmethod
    def language(unit: Unit) -> Language:
        """The language of a unit; 0 if it does not say, as those that dwz makes.

        :raises FormatError: the unit's first entry is damaged.
        """
        return Language(unit.info.root(unit).number(At.LANGUAGE) or 0)

    def survey(self, unit: Unit) -> Scopes:
        """Catalogue what a unit holds, unless that is done; the scopes in it."""
        if unit not in self._scopes:
            self._scopes[unit] = Scopes(unit)
            # What is in .debug_types is always referred to by signature: it needs no catalogue.
            catalogue = self._catalogue(unit.info) if unit.section is unit.info.section else Catalogue()
            try:
                language = self.language(unit)
                # What is left of a split unit is good for looking up lines only.
                if language not in NOT_READ and not unit.info.split_name(unit):
                    scoped = not language.is_c
                    self._scopes[unit] = survey_unit(unit, self._addresses, catalogue, scoped=scoped)
            except FormatError as error:
                self.remarks.add(f"{error.reason}: the unit is not read any further")
        return self._scopes[unit]

    def _catalogue(self, info: DebugInfo) -> Catalogue:
        return self._catalogues.setdefault(info, Catalogue())

    def survey_all(self) -> None:
        """Catalogue all units, and those that they import from the file that dwz shares among several."""
        for info in self.infos:
            for unit in info.units:
                self.survey(unit)
        imports = deque(place for info in self.infos for place in map(info.place_at, self._catalogue(info).imports))
        while imports:
            try:
                imported = imports.popleft().read().target(At.IMPORT)
            except FormatError as error:
                self.remarks.add(error.reason)
                continue
            if imported is not None and imported.unit not in self._scopes:
                info = imported.unit.info
                known = len(self._catalogue(info).imports)
                self.survey(imported.unit)
                imports += map(info.place_at, self._catalogue(info).imports[known:])

    def at_address(self, address: int | None) -> Iterator[Place]:
        """The functions and variables at one of the addresses asked for."""
        for info, catalogue in self._catalogues.items():
            yield from map(info.place_at, catalogue.at_address.get(address, ()))

    def mentions(self, wanted: Container[str]) -> Iterator[Place]:
        """The functions and variables that have one of the names, or may have: one has to read them to know."""
        for name, info, positions in self._by_text(lambda catalogue: catalogue.mentions):
            if name in wanted or not name:
                yield from self._places(info, positions)

    @staticmethod
    def _places(info: DebugInfo, positions: list[int]) -> Iterator[Place]:
        return takewhile(lambda _: not info.exhausted, map(info.place_at, positions))

    def _by_text(self, part: Callable[[Catalogue], Named]) -> Iterator[tuple[str, DebugInfo, list[int]]]:
        """One part of the catalogues by name, "" where it takes reading an entry to know it."""
        for info, catalogue in self._catalogues.items():
            for key, positions in part(catalogue).items():
                try:
                    yield key if isinstance(key, str) else info.text_of(key), info, positions
                except FormatError as error:
                    self.remarks.add(error.reason)

    # -- names ---------------------------------------------------------------------------------------------

    def name(self, entry: Entry) -> str | None:
        """The name of an entry with its scopes (``ns::Outer::Inner``), None if it has none.

        :raises FormatError: the name or a scope is damaged.
        """
        place = entry.place
        if place not in self._names:
            own = None
            for declared in entry.origins():
                own = own or declared.text(At.NAME)
            if own is None:
                return None
            # The outermost declaration stands where the scopes are; definitions may stand anywhere.
            self._names[place] = "::".join([*self._scopes_of(declared), own])
        return self._names[place]

    def _scopes_of(self, entry: Entry) -> list[str]:
        names: list[str] = []
        while len(names) < _MAX_SCOPES:
            parent = self.survey(entry.unit).parent(entry.position)
            if parent is None:
                return names[::-1]
            entry = entry.info.entry(entry.unit, parent)
            for origin in entry.origins():
                name = origin.text(At.NAME)
                if name is not None:
                    break
            names.append(_UNNAMED.get(entry.tag, "(anonymous)") if name is None else name)
            entry = origin
        raise entry.unit.section.error(entry.position, "scopes", len(names), "they are nested too deeply")

    # -- definitions ---------------------------------------------------------------------------------------

    def definition(self, declaration: Entry) -> Place | None:
        """The definition of a type that a unit only declares, if all definitions of its name agree on its size.

        :raises FormatError: the name is damaged.
        """
        own_name = declaration.text(At.NAME) or ""
        if own_name not in self._defined:
            self._defined[own_name] = self._defined_as(own_name)
        sizes = self._defined[own_name].get((_family(declaration), self.name(declaration)), {})
        return next(iter(sizes.values())) if len(sizes) == 1 else None

    def _defined_as(self, own_name: str) -> Definitions:
        """The types of a name without its scopes; damaged ones are told."""
        found: Definitions = {}
        for place in self._types_named(own_name):
            try:
                entry = place.read()
                sizes = found.setdefault((_family(entry), self.name(entry)), {})
                sizes.setdefault(entry.number(At.BYTE_SIZE), place)
            except FormatError as error:
                self.remarks.add(error.reason)
        return found

    def _types_named(self, name: str) -> Iterator[Place]:
        """The defined types of a name without its scopes."""
        for info, positions in self._definitions.get(name, ()):
            yield from self._places(info, positions)

    @cached_property
    def _definitions(self) -> dict[str, list[tuple[DebugInfo, list[int]]]]:
        self.survey_all()
        found: dict[str, list[tuple[DebugInfo, list[int]]]] = {}
        for name, info, positions in self._by_text(lambda catalogue: catalogue.types):
            if name:
                found.setdefault(name, []).append((info, positions))
                continue
            for place in self._places(info, positions):
                found.setdefault(self._own_name(place), []).append((info, [place.position]))
        return found

    def _own_name(self, place: Place) -> str:
        """The name of an entry without its scopes, which it or what it completes says; "" if none does."""
        try:
            return next(filter(None, (origin.text(At.NAME) for origin in place.read().origins())), "")
        except FormatError as error:
            self.remarks.add(error.reason)
            return ""


def _family(entry: Entry) -> int:
    """The tag, with one for all that C++ lets be declared by the keyword of another."""
    return Tag.CLASS_TYPE if entry.tag in _CLASSES else entry.tag
