"""The prototypes of a library's exports, with all types they reach."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack

from soinspect.dwarf.abbreviations import NAMED_TYPES
from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.debugfile import DebugSearch, DebugSource, find_debug_info
from soinspect.dwarf.entry import Entry
from soinspect.dwarf.index import NOT_READ
from soinspect.dwarf.remarks import Remarks
from soinspect.dwarf.search import Description, Export, Search, exports_of
from soinspect.dwarf.typegraph import TypeGraph
from soinspect.dwarf.units import Unit
from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.model.absence import Absent
from soinspect.model.prototype import ExportedFunction, ExportedVariable, Language, Prototypes, UnreadableType

_DEFAULT_SEARCH = DebugSearch()
# What no name of C has, and every name of Go's linker: the package's dot, or a colon.
_GO_NAME = re.compile(r"[.:/]")
_TYPES = frozenset((Tag.BASE_TYPE, Tag.POINTER_TYPE, Tag.FORMAL_PARAMETER, *NAMED_TYPES))


def read_prototypes(
    elf: ElfFile, names: Collection[str] | None = None, *, debug_search: DebugSearch = _DEFAULT_SEARCH
) -> Prototypes | Absent:
    """What debug information says of the exports of ``elf``, or of those that have one of the raw ``names``.

    Damage is told in ``remarks`` as far as possible, and costs only what it damages.

    :raises FormatError: the debug information is there, and cannot be read at all.
    """
    with ExitStack() as files:
        source = find_debug_info(elf, debug_search, files, Remarks())
        return source if isinstance(source, Absent) else _Reading(elf, source, names).prototypes()


class _Reading:
    def __init__(self, elf: ElfFile, source: DebugSource, names: Collection[str] | None) -> None:
        self._source = source
        self._everything = names is None
        self._exports = exports_of(elf, names)
        self._word_size = elf.image.header.word_size
        self._search = Search((source.info, *source.split), self._exports)
        self._index = self._search.index
        self._types = TypeGraph(self._index)
        self._remarks = source.info.remarks
        self._has_go = False

    def prototypes(self) -> Prototypes:
        found = self._search.run(everything=self._everything)
        functions: list[ExportedFunction] = []
        variables: list[ExportedVariable] = []
        missing: list[Export] = []
        for export in sorted(self._exports, key=lambda export: (export.symbol, export.version or "")):
            described = self._described(export, found[export]) if export in found else None
            if isinstance(described, ExportedFunction):
                functions.append(described)
            elif isinstance(described, ExportedVariable):
                variables.append(described)
            else:
                missing.append(export)
        producers = self._producers()
        if self._has_go:
            missing = [export for export in missing if not _GO_NAME.search(export.symbol)]
        types = self._types.finish()
        for value in types:
            if isinstance(value, UnreadableType):
                self._remarks.add(f"a type cannot be read: {value.reason}")
        return Prototypes(
            functions=tuple(functions),
            variables=tuple(variables),
            types=types,
            missing=tuple(export.versioned_name for export in missing),
            word_size=self._word_size,
            source=self._source.how,
            producers=producers,
            remarks=self._remarks.told,
        )

    def _described(self, export: Export, description: Description) -> ExportedFunction | ExportedVariable | None:
        entry = description.entry
        try:
            if _without_types(entry):
                self._remarks.add("units compiled with -g1 hold no types: their exports are not described")
                return None
            name = self._index.name(entry) or export.symbol
            unit = entry.info.root(entry.unit).text(At.NAME) or ""
            language = self._index.language(entry.unit)
            if entry.tag == Tag.SUBPROGRAM:
                return ExportedFunction(
                    symbol=export.symbol,
                    version=export.version,
                    name=name,
                    signature=self._types.signature(entry),
                    language=language,
                    unit=unit,
                    evidence=description.evidence,
                )
            return ExportedVariable(
                symbol=export.symbol,
                version=export.version,
                name=name,
                type=self._types.type_of(entry),
                language=language,
                unit=unit,
                evidence=description.evidence,
            )
        except FormatError as error:
            self._remarks.add(f"{export.versioned_name} cannot be read: {error.reason}")
            return None

    def _units_read(self) -> Iterator[Unit]:
        """The units in languages that are read; others are told."""
        for unit in (unit for info in self._index.infos for unit in info.units):
            try:
                language = self._index.language(unit)
            except FormatError:
                # Whoever wanted to read the unit has told it.
                continue
            if language is Language.GO:
                self._has_go = True
                self._remarks.add("units of Go are not read: Go has its own metadata")
            if language not in NOT_READ:
                yield unit

    def _producers(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for unit in self._units_read():
            try:
                producer = unit.info.root(unit).text(At.PRODUCER)
            except FormatError as error:
                self._remarks.add(error.reason)
                continue
            if producer:
                found[producer] = None
        return tuple(found)


def _without_types(entry: Entry) -> bool:
    """Whether the unit was compiled to tell names and lines only, and not what functions take and return."""
    *_, declared = entry.origins()
    producer = declared.info.root(declared.unit).text(At.PRODUCER) or ""
    if "-g1" not in producer.split():
        return False
    return _TYPES.isdisjoint(abbreviation.tag for abbreviation in declared.unit.table.values())
