"""One debugging information entry (DWARF 5, section 2.1): its values, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from soinspect.dwarf.abbreviations import Abbreviation
from soinspect.dwarf.constants import At, Form
from soinspect.dwarf.units import Unit

IN_UNIT = frozenset((Form.REF1, Form.REF2, Form.REF4, Form.REF8, Form.REF_UDATA))
IN_ALTERNATE = frozenset((Form.GNU_REF_ALT, Form.REF_SUP4, Form.REF_SUP8))
_REFERENCES = IN_UNIT | IN_ALTERNATE | {Form.REF_ADDR, Form.REF_SIG8}
INDEXED_ADDRESS = frozenset((Form.ADDRX, Form.ADDRX1, Form.ADDRX2, Form.ADDRX3, Form.ADDRX4, Form.GNU_ADDR_INDEX))

_MAX_ORIGINS = 8

Value = int | bytes | str


class Place(NamedTuple):
    """Where an entry is; known before it is read."""

    unit: Unit
    position: int

    def read(self) -> Entry:
        """The entry.

        :raises FormatError: there is none, or it is damaged.
        """
        return self.unit.info.entry(self.unit, self.position)


class Entry:
    """One debugging information entry with the values of its attributes.

    Values are as they are stored; the methods read them as what they are asked for.
    """

    __slots__ = ("_forms", "_values", "abbreviation", "first_child", "info", "position", "tag", "unit")

    def __init__(
        self,
        unit: Unit,
        position: int,
        abbreviation: Abbreviation,
        forms: dict[int, int],
        values: dict[int, Value],
        first_child: int,
    ) -> None:
        self.info = unit.info
        self.unit = unit
        self.position = position
        self.abbreviation = abbreviation
        self.tag = abbreviation.tag
        self._forms = forms
        self._values = values
        self.first_child = first_child

    @property
    def place(self) -> Place:
        """Where it is: what identifies an entry in all files."""
        return Place(self.unit, self.position)

    def __contains__(self, attribute: At) -> bool:
        return attribute in self._values

    def form(self, attribute: At) -> int | None:
        """How a value is encoded, None if the attribute is missing."""
        return self._forms.get(attribute) if attribute in self._values else None

    def flag(self, attribute: At) -> bool:
        """Whether a flag is set."""
        return bool(self._values.get(attribute))

    def number(self, attribute: At) -> int | None:
        """The value as a number; None if the attribute is missing, or is an expression or a reference."""
        value = self._values.get(attribute)
        return value if isinstance(value, int) and self._forms[attribute] not in _REFERENCES else None

    def block(self, attribute: At) -> bytes | None:
        """The value as an expression; None if the attribute is missing, or is a number."""
        value = self._values.get(attribute)
        return value if isinstance(value, bytes) else None

    def text(self, attribute: At) -> str | None:
        """The value as text.

        :raises FormatError: it refers to text that is not there.
        """
        value = self._values.get(attribute)
        return None if value is None else self.info.text(self.unit, self._forms[attribute], value)

    def address(self, attribute: At) -> int | None:
        """The value as an address.

        :raises FormatError: it refers to an address that is not there.
        """
        value = self._values.get(attribute)
        if not isinstance(value, int):
            return None
        return self.info.indexed_address(self.unit, value) if self._forms[attribute] in INDEXED_ADDRESS else value

    def target(self, attribute: At) -> Place | None:
        """Where the entry is that the value refers to.

        :raises FormatError: it is in no unit that is there.
        """
        value = self._values.get(attribute)
        return None if value is None else self.info.referred(self.unit, self._forms[attribute], value)

    def reference(self, attribute: At) -> Entry | None:
        """The entry that the value refers to.

        :raises FormatError: there is no such entry.
        """
        place = self.target(attribute)
        return None if place is None else place.read()

    def origins(self) -> Iterator[Entry]:
        """The entry itself, and those that it completes: its abstract instance, its declaration.

        :raises FormatError: they refer to each other in a circle.
        """
        entry: Entry | None = self
        for _ in range(_MAX_ORIGINS):
            if entry is None:
                return
            yield entry
            entry = entry.reference(At.ABSTRACT_ORIGIN) or entry.reference(At.SPECIFICATION)
        if entry is not None:
            raise self.unit.section.error(self.position, "DW_AT_specification", self.position, "it goes in circles")

    def children(self) -> Iterator[Entry]:
        """The entries directly below this one.

        :raises FormatError: one is damaged.
        """
        if self.abbreviation.children:
            for position, _, _ in self.unit.entries(self.first_child):
                yield self.info.entry(self.unit, position)
