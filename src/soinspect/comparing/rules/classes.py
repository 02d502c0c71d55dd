"""Rules on C++ classes that need no debug information: virtual tables and type information, from relocations."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.wording import few
from soinspect.demangle.scheme import demangle
from soinspect.model.classtable import ClassTable
from soinspect.model.finding import Severity
from soinspect.model.snapshot import Snapshot
from soinspect.model.texts import count

_VTABLES = "https://itanium-cxx-abi.github.io/cxx-abi/abi.html#vtable"
_RTTI = "https://itanium-cxx-abi.github.io/cxx-abi/abi.html#rtti"
_VTABLE, _TYPEINFO, _TYPE_NAME = "_ZTV", "_ZTI", "_ZTS"
_PURE = "__cxa_pure_virtual"
# "offset to top" and type information come before the functions; kind and name before the bases.
_FIRST_BASE = 2

Word = str | None


def _tables(facts: Snapshot, prefix: str) -> dict[str, ClassTable]:
    return {table.symbol: table for table in facts.class_tables if table.symbol.startswith(prefix)}


def _class(symbol: str) -> str:
    """The class that a table is of."""
    return demangle(symbol).partition(" for ")[2] or symbol


def _vtable_size_changed(pair: Pair) -> Iterator[Change]:
    before, after = _tables(pair.old, _VTABLE), _tables(pair.new, _VTABLE)
    names = pair.old_symbols.columns.names
    for old, new in pair.symbols(rows for rows in pair.changed_rows("sizes") if names[rows[0]].startswith(_VTABLE)):
        evidence = ""
        if old.name in before and new.name in after:
            shifted = _slot_changes(before[old.name].words, after[new.name].words)
            evidence = f"also {few(shifted)}" if shifted else "the slots that were there have not moved"
        sizes = (count(old.size, "byte"), count(new.size, "byte"))
        yield Change(subject=demangle(old.name), before=sizes[0], after=sizes[1], evidence=evidence)


def _vtable_slot_changed(pair: Pair) -> Iterator[Change]:
    after = _tables(pair.new, _VTABLE)
    for symbol, table in _tables(pair.old, _VTABLE).items():
        if symbol in after and len(table.words) == len(after[symbol].words):
            changes = _slot_changes(table.words, after[symbol].words)
            if changes:
                yield Change(subject=_class(symbol), evidence=few(changes))


def _slot_changes(old: tuple[Word, ...], new: tuple[Word, ...]) -> list[str]:
    """The words that mean something else now; a function without a name may be any."""
    return [
        f"word {number}: {_text(before)} -> {_text(after)}"
        for number, (before, after) in enumerate(zip(old, new, strict=False))
        if before is not None and after is not None and before != after and not _overrides(before, after)
    ]


def _text(word: str) -> str:
    return "pure virtual" if word == _PURE else demangle(word)


def _overrides(before: str, after: str) -> bool:
    """Whether a slot still stands for the same method, implemented by another class, or at last at all.

    An abstract class has 0 for its destructors, which nothing calls.
    """
    return before in (_PURE, "0") or after == "0" or _method(before) == _method(after)


def _method(word: str) -> str:
    """A method without its class: name and parameters, ``~`` for destructors."""
    name, parenthesis, parameters = demangle(word).rpartition(" thunk to ")[2].partition("(")
    bare = name.rpartition("::")[2]
    return "~" if bare.startswith("~") else bare + parenthesis + parameters


def _typeinfo_changed(pair: Pair) -> Iterator[Change]:
    after = _tables(pair.new, _TYPEINFO)
    for symbol, table in _tables(pair.old, _TYPEINFO).items():
        if symbol not in after:
            continue
        # After kind and name: the bases, and of several bases also the number and the places.
        old, new = table.words[_FIRST_BASE:], after[symbol].words[_FIRST_BASE:]
        if len(old) != len(new) or _slot_changes(old, new):
            yield Change(subject=_class(symbol), before=_bases(old), after=_bases(new))


def _bases(words: tuple[Word, ...]) -> str:
    """The bases that type information names; nobody outside can name one without a symbol."""
    names = [_class(word) if word else "one without a symbol" for word in words if not word or word.startswith("_Z")]
    return ", ".join(names) or "no base"


def _typeinfo_removed(pair: Pair) -> Iterator[Change]:
    for symbol in pair.renames.removed:
        if symbol.name.startswith(_TYPEINFO):
            yield Change(subject=_class(symbol.name), before=symbol.versioned_name)
    removed = {symbol.name for symbol in pair.renames.removed}
    for symbol in pair.renames.removed:
        is_alone = symbol.name.replace(_TYPE_NAME, _TYPEINFO, 1) not in removed
        if symbol.name.startswith(_TYPE_NAME) and is_alone:
            yield Change(subject=_class(symbol.name), before=symbol.versioned_name)


_rule = ComparisonRule.of

RULES = (
    _rule(
        "elf.vtable-size-changed",
        Severity.BREAKING,
        "A class has more or fewer virtual methods",
        "Virtual calls go by slot number, and classes derived elsewhere copy the old table's layout.",
        "Add no virtual methods to classes that others derive from or call through.",
        _VTABLES,
        _vtable_size_changed,
    ),
    _rule(
        "elf.vtable-slot-changed",
        Severity.BREAKING,
        "A slot of a virtual table holds another method",
        "Virtual calls go by slot number: callers compiled against the old header call the wrong method, or one that "
        "has become pure, which ends the process.",
        "Keep the order of virtual methods as it was, and their parameters.",
        _VTABLES,
        _vtable_slot_changed,
    ),
    _rule(
        "elf.typeinfo-removed",
        Severity.BREAKING,
        "The type information of a class is gone",
        "Programs that catch it, cast to it with dynamic_cast or derive from it stop with 'undefined symbol'.",
        "Export the class again (visibility), and compile with -frtti.",
        _RTTI,
        _typeinfo_removed,
    ),
    _rule(
        "elf.typeinfo-changed",
        Severity.BREAKING,
        "The type information of a class names other bases",
        "Casts and exception handlers follow these bases; code compiled against the old header converts to the old "
        "ones.",
        "Keep the bases, or use a new class.",
        _RTTI,
        _typeinfo_changed,
    ),
)
