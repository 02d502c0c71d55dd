"""Three readers, one file: whether pyelftools and LIEF see the dynamic symbols that we see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from soinspect.elf import via_elftools, via_lief
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.model.absence import Absent
from soinspect.model.snapshot import Witness

_WITNESSES: tuple[tuple[str, Callable[[str], Counter[tuple[int, int]] | Absent]], ...] = (
    ("pyelftools", via_elftools.dynamic_symbols),
    ("LIEF", via_lief.dynamic_symbols),
)


_EXHAUSTING = Absent("not asked: the names overlap out of proportion, and it would copy each of them")


def cross_check(elf: ElfFile) -> tuple[Witness, ...]:
    """What each witness says of the dynamic symbols, compared by value and size.

    Names are left out: the witnesses decode those that are not UTF-8 in ways of their own.
    """
    table = elf.dynamic_symbols
    if isinstance(table, SymbolTable) and not table.is_whole:
        return tuple(_silent(name, _EXHAUSTING) for name, _ in _WITNESSES)
    ours = Counter(zip(table.values, table.sizes, strict=True)) if isinstance(table, SymbolTable) else Counter()
    return tuple(_ask(name, read, elf.path, ours) for name, read in _WITNESSES)


def _ask(
    name: str, read: Callable[[str], Counter[tuple[int, int]] | Absent], path: str, ours: Counter[tuple[int, int]]
) -> Witness:
    theirs = read(path)
    if isinstance(theirs, Absent):
        return _silent(name, theirs)
    only_ours, only_theirs = (ours - theirs).total(), (theirs - ours).total()
    return Witness(
        name=name,
        agrees=not only_ours and not only_theirs,
        symbols=theirs.total(),
        only_ours=only_ours,
        only_theirs=only_theirs,
    )


def _silent(name: str, why: Absent) -> Witness:
    return Witness(name=name, agrees=why, symbols=0, only_ours=0, only_theirs=0)
