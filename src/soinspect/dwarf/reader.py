"""The prototypes of a library's exports, with all types they reach."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack

from soinspect.dwarf.abbreviations import NAMED_TYPES
from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.debugfile import DebugSearch, DebugSource, find_debug_info
from soinspect.dwarf.info import Entry
from soinspect.dwarf.search import Description, Export, Search, exports_of
from soinspect.dwarf.typegraph import TypeGraph
from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.model.absence import Absent
from soinspect.model.prototype import ExportedFunction, ExportedVariable, Language, Prototypes, UnreadableType

_DEFAULT_SEARCH = DebugSearch()
_TYPES = frozenset((Tag.BASE_TYPE, Tag.POINTER_TYPE, Tag.FORMAL_PARAMETER, *NAMED_TYPES))


def read_prototypes(
    elf: ElfFile, names: Collection[str] | None = None, *, debug_search: DebugSearch = _DEFAULT_SEARCH
) -> Prototypes | Absent:
    """What debug information says of the exports of ``elf``, or of those that have one of the raw ``names``.

    Damage is told in ``remarks`` as far as possible, and costs only what it damages.

    :raises FormatError: the debug information is there, and cannot be read at all.
    """
    with ExitStack() as files:
        source = find_debug_info(elf, debug_search, files)
        return source if isinstance(source, Absent) else _Reading(elf, source, names).prototypes()


class _Reading:
    def __init__(self, elf: ElfFile, source: DebugSource, names: Collection[str] | None) -> None:
        self._source = source
        self._everything = names is None
        self._exports = exports_of(elf, names)
        self._word_size = elf.image.header.word_size
        self._search = Search(source.info, self._exports)
        self._index = self._search.index
        self._types = TypeGraph(self._index)
        self._remarks = dict.fromkeys(source.remarks)

    def prototypes(self) -> Prototypes | Absent:
        split = self._split_units()
        if split is not None:
            return split
        found = self._search.run(everything=self._everything)
        functions: list[ExportedFunction] = []
        variables: list[ExportedVariable] = []
        missing: list[str] = []
        for export in sorted(self._exports, key=lambda export: (export.symbol, export.version or "")):
            described = self._described(export, found[export]) if export in found else None
            if isinstance(described, ExportedFunction):
                functions.append(described)
            elif isinstance(described, ExportedVariable):
                variables.append(described)
            else:
                missing.append(export.versioned_name)
        types = self._types.finish()
        for value in types:
            if isinstance(value, UnreadableType):
                self._remarks[f"a type cannot be read: {value.reason}"] = None
        return Prototypes(
            functions=tuple(functions),
            variables=tuple(variables),
            types=types,
            missing=tuple(missing),
            word_size=self._word_size,
            source=self._source.how,
            producers=self._producers(),
            remarks=tuple(self._remarks | self._source.info.remarks | self._index.remarks),
        )

    def _described(self, export: Export, description: Description) -> ExportedFunction | ExportedVariable | None:
        entry = description.entry
        try:
            if _without_types(entry):
                self._remarks["units compiled with -g1 hold no types: their exports are not described"] = None
                return None
            name = self._index.name(entry) or export.symbol
            unit = self._source.info.root(entry.unit).text(At.NAME) or ""
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
            self._remarks[f"{export.versioned_name} cannot be read: {error.reason}"] = None
            return None

    def _split_units(self) -> Absent | None:
        """Tell of units whose entries are in other files; Absent if that is so for all of them."""
        info = self._source.info
        elsewhere: list[str] = []
        for unit in info.units:
            try:
                elsewhere += filter(None, [info.skeleton_of(unit)])
            except FormatError as error:
                self._remarks[f"{error.reason}: the unit is not read"] = None
        if elsewhere and len(elsewhere) == len(info.units):
            more = f" and {len(elsewhere) - 1} more" if len(elsewhere) > 1 else ""
            return Absent(f"split DWARF: {elsewhere[0]}{more} not read")
        for name in elsewhere:
            self._remarks[f"split DWARF: {name} not read"] = None
        return None

    def _producers(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for unit in self._source.info.units:
            try:
                root = self._source.info.root(unit)
                skipped = self._index.language(unit) in (Language.GO, Language.MIPS_ASSEMBLER)
                producer = None if skipped else root.text(At.PRODUCER)
            except FormatError:
                # Whoever wanted to read the unit has told it.
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
