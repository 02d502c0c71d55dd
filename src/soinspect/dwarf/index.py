"""What surveys of all units know together: where an entry's scope is, and where a type of some name is defined."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator
from functools import cached_property

from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.info import DebugInfo, Entry, Place
from soinspect.dwarf.survey import Catalogue, Named, Scopes, survey_unit
from soinspect.dwarf.units import Unit
from soinspect.errors import FormatError
from soinspect.model.prototype import Language

_MAX_SCOPES = 64
# Go has its own reader and its own calling convention; an assembler knows names and lines, and no types.
_NOT_READ = frozenset((Language.GO, Language.MIPS_ASSEMBLER))
_UNNAMED: dict[int, str] = {
    Tag.NAMESPACE: "(anonymous namespace)", Tag.STRUCTURE_TYPE: "(anonymous struct)",
    Tag.CLASS_TYPE: "(anonymous class)", Tag.UNION_TYPE: "(anonymous union)", Tag.SUBPROGRAM: "(anonymous function)",
}  # fmt: skip
_CLASSES = frozenset((Tag.STRUCTURE_TYPE, Tag.CLASS_TYPE, Tag.INTERFACE_TYPE))


class Index:
    """What is catalogued of a file, which grows by the unit; ``addresses`` are those asked for.

    A unit that cannot be read is told in ``remarks``, and counts for as far as it could be.
    """

    def __init__(self, info: DebugInfo, addresses: Container[int]) -> None:
        self.info = info
        self.catalogue = Catalogue()
        self.remarks: dict[str, None] = {}
        self._addresses = addresses
        self._shared = Catalogue()
        self._scopes: dict[Unit, Scopes] = {}
        self._names: dict[Place, str] = {}
        self._defined: dict[tuple[int, str | None], Place | None] = {}

    def language(self, unit: Unit, info: DebugInfo | None = None) -> Language:
        """The language of a unit; 0 if it does not say, as those that dwz makes.

        :raises FormatError: the unit's first entry is damaged.
        """
        return Language((info or self.info).root(unit).number(At.LANGUAGE) or 0)

    def survey(self, unit: Unit, info: DebugInfo | None = None) -> Scopes:
        """Catalogue what a unit of this file, or of the one it shares entries with, holds; the scopes in it."""
        if unit not in self._scopes:
            info = info or self.info
            self._scopes[unit] = Scopes(unit)
            try:
                language = self.language(unit, info)
                if language not in _NOT_READ:
                    catalogue = self._catalogue_for(unit, info)
                    scoped = not language.is_c
                    self._scopes[unit] = survey_unit(info, unit, self._addresses, catalogue, scoped=scoped)
            except FormatError as error:
                self.remarks[f"{error.reason}: the unit is not read any further"] = None
        return self._scopes[unit]

    def _catalogue_for(self, unit: Unit, info: DebugInfo) -> Catalogue:
        """What is in .debug_types is always referred to by signature: it needs no catalogue."""
        if unit.section is self.info.section:
            return self.catalogue
        return self._shared if unit.section is info.section else Catalogue()

    def survey_all(self) -> None:
        """Catalogue all units of this file, and those that they import from the file shared with others."""
        for unit in self.info.units:
            self.survey(unit)
        imports = deque(map(self.info.place_at, self.catalogue.imports))
        known = 0
        while imports:
            try:
                place = imports.popleft().read().target(At.IMPORT)
            except FormatError as error:
                self.remarks[error.reason] = None
                continue
            if place is not None and place.info is not self.info:
                self.survey(place.unit, place.info)
                imports += map(place.info.place_at, self._shared.imports[known:])
                known = len(self._shared.imports)

    def mentions(self, wanted: Container[str]) -> Iterator[Place]:
        """The functions and variables that have one of the names, or may have: one has to read them to know."""
        for name, info, positions in self._by_text(lambda catalogue: catalogue.mentions):
            if name in wanted or not name:
                yield from map(info.place_at, positions)

    def _by_text(self, part: Callable[[Catalogue], Named]) -> Iterator[tuple[str, DebugInfo, list[int]]]:
        """One part of the catalogue by name, "" where it takes reading an entry to know it."""
        known = [(self.info, self.catalogue)]
        if self.info.alternate:
            known.append((self.info.alternate, self._shared))
        for info, catalogue in known:
            for key, positions in part(catalogue).items():
                try:
                    yield key if isinstance(key, str) else info.text_of(key), info, positions
                except FormatError as error:
                    self.remarks[error.reason] = None

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
            parent = self.survey(entry.unit, entry.info).parent(entry.position)
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

        :raises FormatError: the name or an entry of that name is damaged.
        """
        name, family = self.name(declaration), _family(declaration)
        if (family, name) not in self._defined:
            by_size: dict[int | None, Place] = {}
            for info, positions in self._definitions.get(declaration.text(At.NAME) or "", ()):
                for place in map(info.place_at, positions):
                    entry = place.read()
                    if _family(entry) == family and self.name(entry) == name:
                        by_size.setdefault(entry.number(At.BYTE_SIZE), place)
            self._defined[family, name] = next(iter(by_size.values())) if len(by_size) == 1 else None
        return self._defined[family, name]

    @cached_property
    def _definitions(self) -> dict[str, list[tuple[DebugInfo, list[int]]]]:
        self.survey_all()
        found: dict[str, list[tuple[DebugInfo, list[int]]]] = {}
        for name, info, positions in self._by_text(lambda catalogue: catalogue.types):
            found.setdefault(name, []).append((info, positions))
        return found


def _family(entry: Entry) -> int:
    """The tag, with one for all that C++ lets be declared by the keyword of another."""
    return Tag.CLASS_TYPE if entry.tag in _CLASSES else entry.tag
