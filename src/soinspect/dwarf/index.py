"""What surveys of all units know together: where an entry's scope is, and where a type of some name is defined."""

from __future__ import annotations

from collections.abc import Container, Iterator
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
    """The catalogue of a file, which grows by the unit; ``addresses`` are those asked for.

    A unit that cannot be read is told in ``remarks``, and counts for as far as it could be.
    """

    def __init__(self, info: DebugInfo, addresses: Container[int]) -> None:
        self.info = info
        self.catalogue = Catalogue()
        self.remarks: dict[str, None] = {}
        self._addresses = addresses
        self._scopes: dict[Unit, Scopes] = {}
        self._names: dict[Place, str] = {}

    def language(self, unit: Unit, info: DebugInfo | None = None) -> Language:
        """The language of a unit; 0 if it does not say, as those that dwz makes.

        :raises FormatError: the unit's first entry is damaged.
        """
        return Language((info or self.info).root(unit).number(At.LANGUAGE) or 0)

    def survey(self, unit: Unit, info: DebugInfo | None = None) -> Scopes:
        """Add a unit of this file to the catalogue, unless it is there already; the scopes in it.

        Units of a file that entries are shared with, and of .debug_types, have scopes only: what is in them is
        always referred to by its place.
        """
        if unit not in self._scopes:
            info = info or self.info
            catalogue = self.catalogue if unit.section is self.info.section else Catalogue()
            self._scopes[unit] = Scopes(unit)
            try:
                language = self.language(unit, info)
                if language not in _NOT_READ:
                    scoped = not language.is_c
                    self._scopes[unit] = survey_unit(info, unit, self._addresses, catalogue, scoped=scoped)
            except FormatError as error:
                self.remarks[f"{error.reason}: the unit is not read any further"] = None
        return self._scopes[unit]

    def by_text(self, entries: Named) -> Iterator[tuple[str, list[int]]]:
        """The positions in one part of the catalogue by name, "" where it takes reading an entry to know it."""
        for key, positions in entries.items():
            try:
                yield key if isinstance(key, str) else self.info.text_of(key), positions
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

    def definition(self, declaration: Entry) -> Entry | None:
        """The definition of a type that a unit only declares, if all definitions of its name agree on its size.

        :raises FormatError: the name or an entry of that name is damaged.
        """
        scoped = self.name(declaration)
        by_size: dict[int | None, Entry] = {}
        for position in self._definitions.get(declaration.text(At.NAME) or "", ()):
            entry = self.info.place_at(position).read()
            if _family(entry) == _family(declaration) and self.name(entry) == scoped:
                by_size.setdefault(entry.number(At.BYTE_SIZE), entry)
        return next(iter(by_size.values())) if len(by_size) == 1 else None

    @cached_property
    def _definitions(self) -> dict[str, list[int]]:
        for unit in self.info.units:
            self.survey(unit)
        found: dict[str, list[int]] = {}
        for name, positions in self.by_text(self.catalogue.types):
            found.setdefault(name, []).extend(positions)
        return found


def _family(entry: Entry) -> int:
    """The tag, with one for all that C++ lets be declared by the keyword of another."""
    return Tag.CLASS_TYPE if entry.tag in _CLASSES else entry.tag
