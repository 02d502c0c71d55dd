"""What may explain an unresolved symbol: the same thing under another linkage, string ABI or version, or hidden."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from soinspect.elf.symtab import SymbolTable
from soinspect.loader.loaded import Loaded
from soinspect.model.constants import SectionIndex, SymbolType, SymbolVisibility
from soinspect.model.loadplan import Binding, SymbolHint

_MAX_HINTS = 50
_MAX_COMPARED = 2000
_FEW = 3
# std::string before and after GCC 5 in mangled names (GCC manual, "Dual ABI").
_STRINGS = re.compile(r"NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE|B5cxx11|Ss|NSt7__cxx11|NSt")


def hints_for(unresolved: Sequence[Binding], scope: Sequence[Loaded]) -> Iterator[SymbolHint]:
    """Hints for the first unresolved symbols; ``scope`` are the objects that were searched, the program first."""
    wanted = list(dict.fromkeys(it.symbol for it in unresolved))[:_MAX_HINTS]
    if not wanted:
        return
    exported = {name: None for loaded in scope if loaded.symbols for name in _exported(loaded.symbols)}
    mangled = {it for it in exported if it.startswith("_Z")}
    by_shape: dict[str, list[str]] = {}
    for name in mangled:
        by_shape.setdefault(_STRINGS.sub("", name), []).append(name)
    for name in wanted:
        twins = list(by_shape.get(_STRINGS.sub("", name), ()) if name.startswith("_Z") else _linkage(name, mangled))
        twins += [] if twins else _linkage_of(name, exported)
        yield SymbolHint(
            symbol=name,
            hidden_in=next((it.path for it in scope if _hides(it, name)), None),
            versions=tuple(sorted(_versions(name, scope))) if name in exported else (),
            twins=tuple(sorted(twins)[:_FEW] or ([] if name in exported else _similar(name, exported))),
        )


def _exported(table: SymbolTable) -> Iterator[str]:
    rows = zip(table.names, table.section_indexes, table.infos, table.others, strict=True)
    return (name for name, section, info, other in rows if section and info >> 4 and other & 3 in (0, 3) and name)


def _linkage(name: str, mangled: Iterable[str]) -> list[str]:
    """C++ functions with the name of a C one."""
    start = f"_Z{len(name)}{name}"
    return [it for it in mangled if it.startswith(start)]


def _linkage_of(name: str, exported: dict[str, None]) -> list[str]:
    """The C name of a C++ function outside of any namespace, where that is exported."""
    match = re.match(r"_Z(\d{1,4})", name)
    if match is None:
        return []
    plain = name[match.end() : match.end() + int(match[1])]
    return [plain] if plain in exported else []


def _similar(name: str, exported: Iterable[str]) -> list[str]:
    likely = [it for it in exported if it[:2] == name[:2] and abs(len(it) - len(name)) <= 2]
    return get_close_matches(name, likely[:_MAX_COMPARED], n=_FEW, cutoff=0.8)


def _hides(loaded: Loaded, name: str) -> bool:
    """Whether an object defines ``name`` in its .symtab without exporting it."""
    table = loaded.elf.static_symbols
    if not isinstance(table, SymbolTable):
        return False
    symbol = table.get(name)
    return (
        symbol is not None
        and symbol.section not in ("UND", SectionIndex.COMMON.name)
        and symbol.type in (SymbolType.FUNC, SymbolType.OBJECT, SymbolType.TLS, SymbolType.IFUNC)
        and not (loaded.symbols and (own := loaded.symbols.get(name)) and own.exported)
        and symbol.visibility in SymbolVisibility
    )


def _versions(name: str, scope: Sequence[Loaded]) -> Iterator[str]:
    for loaded in scope:
        table = loaded.symbols
        for row, found in enumerate(table.names if table else ()):
            if table and found == name and table.section_indexes[row] != SectionIndex.UNDEF:
                yield table.versions.of(row + 1)[0] or "no version"
