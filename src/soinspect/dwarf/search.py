"""Which entry describes which exported symbol."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from soinspect.dwarf.aranges import units_first
from soinspect.dwarf.constants import At, Tag
from soinspect.dwarf.entry import Entry, Place
from soinspect.dwarf.index import Index
from soinspect.dwarf.info import DebugInfo
from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.model.constants import Machine, SectionIndex, SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.lateclass import dataclass
from soinspect.model.prototype import Evidence

_FUNCTION = frozenset((int(Tag.SUBPROGRAM),))
_VARIABLE = frozenset((int(Tag.VARIABLE),))
_TAGS: dict[int, frozenset[int]] = {
    SymbolType.FUNC: _FUNCTION,
    SymbolType.IFUNC: _FUNCTION,
    SymbolType.OBJECT: _VARIABLE,
    SymbolType.COMMON: _VARIABLE,
    SymbolType.TLS: _VARIABLE,
    SymbolType.NOTYPE: _FUNCTION | _VARIABLE,
}
# The value of these is a resolver's address, or an offset in each thread's storage.
_NO_ADDRESS = frozenset((SymbolType.IFUNC, SymbolType.TLS))
# What compilers and linkers make by themselves has no declaration: virtual tables, type information, thunks, guards
# (Itanium C++ ABI, section 5.1.4), and the ends of sections. What is local to a function (_ZZ) is nobody's interface.
_MADE = re.compile(
    r"_ZT[VTISCFHWAhvc]|_ZG[VRT]|_ZZ|(_init|_fini|_end|_edata|_etext|__bss_start(__)?|__?bss_end__|__end__)\Z"
)
_VISIBLE = frozenset((SymbolVisibility.DEFAULT, SymbolVisibility.PROTECTED))


@dataclass(frozen=True, slots=True)
class Export:
    """A defined dynamic symbol: ``tags`` of the entries that may describe it, ``address`` if its value is one."""

    symbol: str
    version: str | None
    default_version: bool
    tags: frozenset[int]
    address: int | None

    @property
    def versioned_name(self) -> str:
        """The name as binutils write it."""
        if self.version is None:
            return self.symbol
        return f"{self.symbol}{'@@' if self.default_version else '@'}{self.version}"


def exports_of(elf: ElfFile, names: Collection[str] | None) -> list[Export]:
    """The functions and variables that the sources of ``elf`` export, or those that have one of ``names``."""
    table = elf.dynamic_symbols
    found: list[Export] = []
    if not table:
        return found
    # An odd address selects the instruction set on 32-bit ARM.
    mask = ~1 if elf.image.header.machine is Machine.ARM else ~0
    for row, (name, value, info, other, section) in enumerate(
        zip(table.names, table.values, table.infos, table.others, table.section_indexes, strict=True)
    ):
        kind = info & 0xF
        tags = _TAGS.get(kind)
        hidden = other & 3 not in _VISIBLE or info >> 4 == SymbolBinding.LOCAL
        if tags is None or hidden or section in (SectionIndex.UNDEF, SectionIndex.ABS):
            continue
        if (names is None or name in names) and not _MADE.match(name):
            version, default = table.versions.of(row + 1)
            address = None if kind in _NO_ADDRESS or not value else value & mask if tags is _FUNCTION else value
            found.append(Export(name, version, default, tags, address))
    return found


@dataclass(frozen=True, slots=True)
class Description:
    """The entry that describes an export, and what ties them."""

    entry: Entry
    evidence: Evidence


class Search:
    """Descriptions of exports, by address first, then by name, then among declarations."""

    def __init__(self, infos: Sequence[DebugInfo], exports: list[Export]) -> None:
        self._exports = exports
        self._addresses = {export.address for export in exports if export.address is not None}
        self.index = Index(infos, self._addresses)
        # What is read at one address is asked for by each export there, which may be thousands of folded functions.
        self._by_symbol: dict[tuple[int | None, frozenset[int]], dict[str | None, Entry]] = {}

    def run(self, *, everything: bool) -> dict[Export, Description]:
        """All that is found; ``everything`` is False if units are to be left unread once all exports are found."""
        index = self.index
        waiting = [export.address for export in self._exports]
        for unit in () if everything else units_first(index.infos, self._addresses):
            index.survey(unit)
            while waiting and any(index.at_address(waiting[-1])):
                waiting.pop()
            if not waiting:
                break
        else:
            index.survey_all()
        found: dict[Export, Description] = {}
        for export in self._exports:
            entry = self._at_address(export)
            if entry is not None:
                found[export] = Description(entry, Evidence.ADDRESS)
        self._add_by_name(found)
        return found

    def _at_address(self, export: Export) -> Entry | None:
        """The entry at the export's address: that of the only symbol, or of its own where code was folded."""
        key = (export.address, export.tags)
        if key not in self._by_symbol:
            self._by_symbol[key] = {}
            for entry in map(self._read, self.index.at_address(export.address)):
                if entry is not None and entry.tag in export.tags:
                    self._by_symbol[key].setdefault(self._told_symbol(entry), entry)
        found = self._by_symbol[key]
        return next(iter(found.values())) if len(found) == 1 else found.get(export.symbol)

    def _read(self, place: Place) -> Entry | None:
        try:
            return place.read()
        except FormatError as error:
            self.index.remarks.add(error.reason)
            return None

    def _add_by_name(self, found: dict[Export, Description]) -> None:
        """Look for what is not found yet by its name; a definition is better than a declaration."""
        wanted: dict[str, Export] = {}
        for export in self._exports:
            # Several versions of a name: what is known of the name is true of the one in use.
            if export not in found and (export.default_version or export.symbol not in wanted):
                wanted[export.symbol] = export
        if not wanted:
            return
        for place in self.index.mentions(wanted):
            entry = self._read(place)
            symbol = self._external_symbol(entry) if entry else None
            if entry is None or symbol not in wanted:
                continue
            export, description = wanted[symbol], self._by_name(entry)
            better = export not in found or (description and description.evidence is Evidence.NAME)
            if description and better and entry.tag in export.tags:
                found[export] = description

    def _by_name(self, entry: Entry) -> Description | None:
        if not entry.flag(At.DECLARATION):
            return Description(entry, Evidence.NAME)
        try:
            return Description(entry, Evidence.DECLARATION) if self._tells_types(entry) else None
        except FormatError as error:
            self.index.remarks.add(error.reason)
            return None

    def _external_symbol(self, entry: Entry) -> str | None:
        """The name of an entry's symbol, None if other units may not use it, or it is damaged."""
        try:
            external = any(origin.flag(At.EXTERNAL) for origin in entry.origins())
        except FormatError as error:
            self.index.remarks.add(error.reason)
            return None
        return self._told_symbol(entry) if external else None

    def _told_symbol(self, entry: Entry) -> str | None:
        """The name of an entry's symbol, None if it has none or, with a remark, if it is damaged."""
        try:
            return self._symbol(entry)
        except FormatError as error:
            self.index.remarks.add(error.reason)
            return None

    def _tells_types(self, entry: Entry) -> bool:
        """Whether a declaration was written by somebody: a compiler's own of a builtin says nothing of types.

        :raises FormatError: its name is damaged.
        """
        if entry.tag == Tag.VARIABLE or entry.flag(At.PROTOTYPED):
            return True
        name = entry.text(At.NAME)
        builtin = name is None or name.startswith("__builtin_") or name == self._linkage_name(entry)
        return not builtin and not self.index.language(entry.unit).is_c

    def _symbol(self, entry: Entry) -> str | None:
        """The name of an entry's symbol.

        :raises FormatError: the entry or what it completes is damaged.
        """
        name = None
        for origin in entry.origins():
            linkage_name = self._linkage_name(origin)
            if linkage_name is not None:
                return linkage_name
            name = name or origin.text(At.NAME)
        return name

    @staticmethod
    def _linkage_name(entry: Entry) -> str | None:
        return entry.text(At.LINKAGE_NAME) or entry.text(At.MIPS_LINKAGE_NAME)
