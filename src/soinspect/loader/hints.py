"""What may explain an unresolved symbol: the same thing under another linkage, string ABI or version, or hidden."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches

from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.loader.loaded import Loaded
from soinspect.model.constants import SectionIndex, SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.loadplan import Dependency, SymbolHint
from soinspect.model.symbol import SymbolColumns

_MAX_HINTS = 50
_MAX_COMPARED = 1000
_FEW = 3
_EXPORTED = frozenset({SymbolVisibility.DEFAULT, SymbolVisibility.PROTECTED})
_CODE_OR_DATA = frozenset({SymbolType.FUNC, SymbolType.OBJECT, SymbolType.TLS, SymbolType.IFUNC})
# std::string before and after GCC 5 in mangled names (GCC manual, "Dual ABI").
_STRINGS = re.compile(r"NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE|B5cxx11|Ss|NSt7__cxx11|NSt")
_FUNCTION = re.compile(r"_Z(\d{1,4})")
# What compilers link only when they are told to; some of them became a part of glibc's libc.so.6 in 2.34.
_OF_THE_COMPILER = tuple(
    f"lib{name}"
    for name in ("m.so.6", "dl.so.2", "pthread.so.0", "rt.so.1", "util.so.1", "resolv.so.2", "anl.so.1", "crypt.so.1",
                 "stdc++.so.6", "atomic.so.1", "gomp.so.1")
)  # fmt: skip
_PRIVATE = "GLIBC_PRIVATE"

Find = Callable[[str], tuple[Dependency, Loaded | None]]


def hints_for(
    unresolved: Sequence[str], scope: Sequence[Loaded], find: Find, local: Sequence[Loaded] = ()
) -> Iterator[SymbolHint]:
    """Hints for the first unresolved symbols.

    ``scope`` are the objects that were searched, the program first; ``find`` gives the library that a name stands for;
    ``local`` are objects that are loaded and out of scope.
    """
    wanted = list(dict.fromkeys(unresolved))[:_MAX_HINTS]
    if not wanted:
        return
    exports = _Exports(scope)
    others: list[tuple[str, _Exports]] | None = None
    for name in wanted:
        versions = exports.versions.get(name, ())
        twins = exports.twins(name)
        hidden_in = None if versions else next((it.path for it in scope if _hides(it, name)), None)
        library = None
        kept = next((it for it in local if it.exports(name, None)), None)
        if not (versions or twins or hidden_in or kept):
            if others is None:
                others = [(it, _Exports([found])) for it in _OF_THE_COMPILER if (found := find(it)[1])]
            library = next((it for it, has in others if {*has.versions.get(name, ())} - {_PRIVATE}), None)
            twins = [] if library else exports.similar(name)
        yield SymbolHint(
            symbol=name,
            hidden_in=hidden_in,
            versions=tuple(dict.fromkeys(versions)),
            twins=tuple(sorted(twins)[:_FEW]),
            library=library,
            local_in=kept.path if kept else None,
            opened=list(kept.chain())[-1].path if kept else None,
        )


class _Exports:
    """All names that a scope exports, in the orders that questions about them need."""

    def __init__(self, scope: Sequence[Loaded]) -> None:
        self.versions: dict[str, list[str]] = {}
        for loaded in scope:
            if loaded.symbols is not None:
                self._collect(loaded.symbols)
        self._by_shape: dict[str, list[str]] = {}
        self._by_function: dict[str, list[str]] = {}
        self._by_start: dict[str, list[str]] = {}
        for name in self.versions:
            self._by_start.setdefault(name[:3], []).append(name)
            if name.startswith("_Z"):
                self._by_shape.setdefault(_STRINGS.sub("", name), []).append(name)
                self._by_function.setdefault(_function_name(name), []).append(name)

    def _collect(self, table: SymbolTable) -> None:
        rows = zip(table.names, table.section_indexes, table.infos, table.others, strict=True)
        for row, (name, section, info, other) in enumerate(rows):
            if section != SectionIndex.UNDEF and info >> 4 != SymbolBinding.LOCAL and other & 3 in _EXPORTED:
                self.versions.setdefault(name, []).append(table.versions.of(row + 1)[0] or "no version")

    def twins(self, name: str) -> list[str]:
        """Exported names of the same thing: another string ABI, or C against C++."""
        if not name.startswith("_Z"):
            return self._by_function.get(name, [])
        plain = _function_name(name)
        return self._by_shape.get(_STRINGS.sub("", name)) or ([plain] if plain in self.versions else [])

    def similar(self, name: str) -> list[str]:
        """Exported names that look alike."""
        likely = [it for it in self._by_start.get(name[:3], ()) if abs(len(it) - len(name)) <= 2]
        return get_close_matches(name, likely[:_MAX_COMPARED], n=_FEW, cutoff=0.8)


def _function_name(mangled: str) -> str:
    """The name of a C++ function outside of any namespace, or nothing."""
    match = _FUNCTION.match(mangled)
    return mangled[match.end() : match.end() + int(match[1])] if match else ""


def hidden_names(elf: ElfFile) -> Iterator[str]:
    """The functions and variables that a file defines and does not export; none of Go's, which are many."""
    table = elf.static_symbols
    if not isinstance(table, SymbolTable) or elf.image.section(".gopclntab") is not None:
        return
    exported = elf.dynamic_symbols.columns if isinstance(elf.dynamic_symbols, SymbolTable) else SymbolColumns.none()
    known = {exported.names[row] for row in exported.exported}
    for name, info, section in zip(table.names, table.infos, table.section_indexes, strict=True):
        if section != SectionIndex.UNDEF and info & 0xF in _CODE_OR_DATA and name not in known:
            known.add(name)
            yield name


def _hides(loaded: Loaded, name: str) -> bool:
    """Whether an object defines ``name`` in its .symtab."""
    table = loaded.elf.static_symbols
    symbol = table.get(name) if isinstance(table, SymbolTable) else None
    return symbol is not None and symbol.defined and symbol.type in _CODE_OR_DATA
