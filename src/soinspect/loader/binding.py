"""What each symbol binds to: glibc's ``do_lookup_x`` and ``check_match``, and musl's ``find_sym``, for whole tables.

The loader asks every object of the scope in turn, by hash. Here the question is turned round: the names that any
object refers to are looked for once in each table, so that a program of many libraries binds in a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from soinspect.elf.symtab import SymbolTable
from soinspect.loader.loaded import Loaded
from soinspect.loader.machines import LoaderMachine
from soinspect.model.constants import (
    DynamicFlags,
    SectionIndex,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from soinspect.model.lateclass import dataclass
from soinspect.model.loadplan import Binding, FoundBy, Interposition, Libc

_DEFINITIONS = frozenset(
    {SymbolType.NOTYPE, SymbolType.OBJECT, SymbolType.FUNC, SymbolType.COMMON, SymbolType.TLS, SymbolType.IFUNC}
)
_BINDINGS = frozenset({SymbolBinding.GLOBAL, SymbolBinding.WEAK, SymbolBinding.UNIQUE})
_LOCAL_VISIBILITIES = frozenset({SymbolVisibility.INTERNAL, SymbolVisibility.HIDDEN})
_INDEX, _HIDDEN = 0x7FFF, 0x8000
_FIRST_NAMED = 2  # version indexes 0 and 1 are the local and the global base version


@dataclass(frozen=True, slots=True)
class Reference:
    """A symbol that relocations of an object ask for.

    ``row`` is its place in the table. All of the relocations serve calls, or all fill slots, or some copy it, or some
    expect it at a fixed distance from the thread pointer.
    """

    row: int
    calls_only: bool
    slots_only: bool
    copies: bool
    static_tls: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """The version of a reference; a hidden one is not content with a definition that has none."""

    version: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A row of an object's table that others may bind to; ``place`` counts the objects of the scope."""

    place: int
    row: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A reference of ``user`` (whose symbols are ``table``), and the object and row it binds to, if any."""

    user: Loaded
    table: SymbolTable
    reference: Reference
    provider: Loaded | None
    provider_row: int


def references(loaded: Loaded, machine: LoaderMachine) -> list[Reference]:
    """The symbols that an object's relocations name, in the order in which the loader meets them."""
    table = loaded.symbols
    if table is None:
        return []
    shift = loaded.elf.image.layout.relocation_symbol_shift
    mask = (1 << shift) - 1
    slots: dict[int, bool] = {}
    taken: set[int] = set()
    copied: set[int] = set()
    static: set[int] = set()
    for info in loaded.relocations:
        row, kind = (info >> shift) - 1, info & mask  # the table is kept without the null symbol
        if 0 <= row < len(table):
            slots[row] = slots.get(row, True) and kind in machine.slots
            if kind != machine.jump_slot:
                taken.add(row)
            if kind == machine.copy:
                copied.add(row)
            if kind in machine.static_tls:
                static.add(row)
    return [
        Reference(row=row, calls_only=row not in taken, slots_only=only, copies=row in copied, static_tls=row in static)
        for row, only in slots.items()
    ]


def reaches_static_tls(loaded: Loaded, machine: LoaderMachine) -> bool:
    """Whether code of the object expects its own thread-local storage at a fixed distance from the thread pointer."""
    table = loaded.symbols
    if table is None:
        return False
    shift = loaded.elf.image.layout.relocation_symbol_shift
    mask = (1 << shift) - 1
    for info in loaded.relocations:
        if info & mask in machine.static_tls:
            row = (info >> shift) - 1
            if row < 0 or (row < len(table) and table.section_indexes[row] != SectionIndex.UNDEF):
                return True
    return False


class Binder:
    """Binds the references of some objects in one scope: a list of objects, asked in order."""

    def __init__(self, scope: Sequence[Loaded], users: Sequence[Loaded], machine: LoaderMachine, libc: Libc) -> None:
        self._scope = scope
        self._libc = libc
        self.references = {user: references(user, machine) for user in users}
        wanted = {user.symbols.names[it.row] for user, found in self.references.items() if user.symbols for it in found}
        self._definitions: dict[str, list[Definition]] = {}
        for place, loaded in enumerate(scope):
            if loaded.symbols is not None:
                self._collect(place, loaded.symbols, wanted)

    def _collect(self, place: int, table: SymbolTable, wanted: set[str]) -> None:
        infos, values, sections, others = table.infos, table.values, table.section_indexes, table.others
        for row, name in enumerate(table.names):
            if name not in wanted:
                continue
            kind = infos[row] & 0xF
            undefined = sections[row] == SectionIndex.UNDEF
            if kind not in _DEFINITIONS or infos[row] >> 4 not in _BINDINGS:
                continue
            if not values[row] and sections[row] != SectionIndex.ABS and (kind != SymbolType.TLS or undefined):
                continue
            if others[row] & 3 not in _LOCAL_VISIBILITIES:
                self._definitions.setdefault(name, []).append(Definition(place=place, row=row))

    def bind(self, user: Loaded) -> Iterator[Bound]:
        """What each reference of ``user`` binds to, in the order of its relocations."""
        table = user.symbols
        if table is None:
            return
        for reference in self.references[user]:
            row = reference.row
            defined = table.section_indexes[row] != SectionIndex.UNDEF
            protected = defined and table.others[row] & 3 != SymbolVisibility.DEFAULT
            if protected or table.infos[row] >> 4 == SymbolBinding.LOCAL:
                continue  # it binds to the object itself, without a search
            found = self._lookup(table.names[row], user, reference, self._wanted(table, row))
            provider = self._scope[found.place] if found else None
            yield Bound(user, table, reference, provider, found.row if found else -1)

    def _wanted(self, table: SymbolTable, row: int) -> Wanted | None:
        """The version that a reference asks for, if it asks for one and the loader cares."""
        version = table.versions.of(row + 1)[0]
        if version is None or self._libc is Libc.MUSL:
            return None
        return Wanted(version, hidden=bool(table.versions.indexes[row + 1] & _HIDDEN))

    def _lookup(self, name: str, user: Loaded, reference: Reference, wanted: Wanted | None) -> Definition | None:
        found = self._definitions.get(name, [])
        if DynamicFlags.SYMBOLIC in user.flags:
            found = [*(it for it in found if self._scope[it.place] is user), *found]
        for place, definitions in groupby(found, key=lambda definition: definition.place):
            provider = self._scope[place]
            if provider.symbols is None or (reference.copies and provider is user):
                continue
            chosen = self._choose(provider.symbols, definitions, reference, wanted)
            if chosen is not None:
                return chosen
        return None

    def _choose(
        self, table: SymbolTable, definitions: Iterable[Definition], reference: Reference, wanted: Wanted | None
    ) -> Definition | None:
        """The definition of one object that fits a reference, among several versions of the name."""
        indexes, names = table.versions.indexes, table.versions.names
        versioned: list[Definition] = []
        for it in definitions:
            if reference.slots_only and table.section_indexes[it.row] == SectionIndex.UNDEF:
                continue
            if it.row + 1 >= len(indexes):
                return it  # an object without versions serves any reference
            raw = indexes[it.row + 1]
            index, hidden = raw & _INDEX, bool(raw & _HIDDEN)
            if self._libc is Libc.MUSL:
                fits = not hidden
            elif wanted is None:
                fits = index <= _FIRST_NAMED
                if not fits and not hidden:
                    versioned.append(it)
            elif index < _FIRST_NAMED:
                fits = not wanted.hidden and not hidden
            else:
                fits = names.get(index) == wanted.version
            if fits:
                return it
        # A reference without a version takes a versioned definition if that is the only one.
        return versioned[0] if len(versioned) == 1 else None


def bindings_of(bound: Sequence[Bound], libc: Libc) -> Iterator[Binding]:
    """What undefined symbols (and those to be copied) bind to."""
    for it in bound:
        table, row = it.table, it.reference.row
        if table.section_indexes[row] != SectionIndex.UNDEF and not it.reference.copies:
            continue
        provider = it.provider
        versions = provider.symbols.versions if provider and provider.symbols else None
        need = it.table.versions.need_of(row + 1)
        lost = versions is not None and not versions.indexes and need is not None and libc is Libc.GLIBC
        yield Binding(
            user=it.user.path,
            symbol=table.names[row],
            version=table.versions.of(row + 1)[0],
            weak=table.infos[row] >> 4 == SymbolBinding.WEAK,
            provider=provider.path if provider else None,
            provided_version=versions.of(it.provider_row + 1)[0] if versions else None,
            provider_lost_versions=bool(lost and provider and need and provider.answers_to(need[0])),
            calls_only=it.reference.calls_only,
        )


def interpositions_of(bound: Sequence[Bound]) -> Iterator[Interposition]:
    """The definitions that lose against one of another object, for the object's own use.

    Left out is what is meant to be so: what a program copies (``stdout``) or gives its own address (a function's
    PLT entry), what libc and its loader share, and C++ code that every user of a header emits.
    """
    copied = {(it.user, it.reference.row) for it in bound if it.reference.copies}
    lost: dict[tuple[Loaded, Loaded], list[str]] = {}
    for it in bound:
        winner, row = it.provider, it.reference.row
        if it.reference.copies or it.table.section_indexes[row] == SectionIndex.UNDEF:
            continue
        if winner in (None, it.user) or it.user.found_by is FoundBy.LOADER:
            continue
        assert winner is not None  # noqa: S101
        meant = (winner, it.provider_row) in copied or (
            winner.symbols is not None and winner.symbols.section_indexes[it.provider_row] == SectionIndex.UNDEF
        )
        if not meant and not _is_vague(it):
            lost.setdefault((it.user, winner), []).append(it.table.names[row])
    for (user, winner), symbols in lost.items():
        yield Interposition(definer=user.path, by=winner.path, symbols=tuple(symbols))


def _is_vague(bound: Bound) -> bool:
    """Inline functions, templates and their data (Itanium C++ ABI, "Vague Linkage"): one copy serves all."""
    binding = bound.table.infos[bound.reference.row] >> 4
    return binding != SymbolBinding.GLOBAL and bound.table.names[bound.reference.row].startswith("_Z")
