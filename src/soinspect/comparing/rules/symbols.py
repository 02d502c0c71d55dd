"""Rules on what the exported symbols are that both files have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.wording import few, readable
from soinspect.model.constants import SymbolBinding, SymbolType
from soinspect.model.finding import Profile, Severity
from soinspect.model.texts import count

_GABI = "https://www.sco.com/developers/gabi/latest/ch4.symtab.html"
_IFUNC = "https://sourceware.org/glibc/wiki/GNU_IFUNC"
_LD = "https://man7.org/linux/man-pages/man1/ld.1.html"
_TYPE = 0xF  # of st_info
_CALLABLE = (SymbolType.FUNC, SymbolType.IFUNC)
_DATA = (SymbolType.OBJECT, SymbolType.TLS)
# Sizes of virtual tables and type information are other rules' business.
_CLASS_TABLES = ("_ZTV", "_ZTI", "_ZTS", "_ZTT")


def _type_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.changed("infos"):
        if old.type is not new.type and not (old.type is SymbolType.IFUNC and new.type is SymbolType.FUNC):
            # A resolver chooses the function when it is bound: callers see no difference where that works.
            severity = Severity.RISKY if (old.type, new.type) == _CALLABLE else None
            yield Change(subject=readable(old), before=old.type.name, after=new.type.name, severity=severity)


def _object_size_changed(pair: Pair) -> Iterator[Change]:
    infos = pair.old_symbols.columns.infos
    data = [rows for rows in pair.changed_rows("sizes") if infos[rows[0]] & _TYPE in _DATA]
    for old, new in pair.symbols(data):
        if old.type is new.type and not old.name.startswith(_CLASS_TABLES):
            # Who asks dlsym for it holds no copy, but may know the old layout.
            severity = Severity.RISKY if pair.profile is Profile.DLOPEN else None
            before, after = count(old.size, "byte"), count(new.size, "byte")
            yield Change(subject=readable(old), before=before, after=after, severity=severity)


def _became_read_only(pair: Pair) -> Iterator[Change]:
    before, after = frozenset(pair.old.read_only_sections), frozenset(pair.new.read_only_sections)
    for old, new in pair.changed("sections") if before else ():
        data = old.type is new.type is SymbolType.OBJECT
        if data and old.section not in before and new.section in after:
            yield Change(subject=readable(old), before=old.section, after=new.section)


def _function_size_changed(pair: Pair) -> Iterator[Change]:
    before, after = pair.old_symbols.columns, pair.new_symbols.columns
    changed = [
        before.names[i]
        for i, j in pair.changed_rows("sizes")
        if before.infos[i] & _TYPE == after.infos[j] & _TYPE and before.infos[i] & _TYPE in _CALLABLE
    ]
    if changed:
        yield Change(subject=f"{len(changed)} of {len(pair.common_rows)} common symbols", evidence=few(changed))


def _binding_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.changed("infos"):
        if old.binding is not new.binding:
            severity = Severity.RISKY if new.binding is SymbolBinding.UNIQUE else None
            yield Change(subject=readable(old), before=old.binding.name, after=new.binding.name, severity=severity)


def _visibility_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.changed("others"):
        if old.visibility is not new.visibility:
            yield Change(subject=readable(old), before=old.visibility.name, after=new.visibility.name)


def _aliases(*, split: bool) -> Callable[[Pair], Iterator[Change]]:
    """Names of one address that now have two, or the other way round."""

    def find(pair: Pair) -> Iterator[Change]:
        before, after = pair.old_symbols.columns.values, pair.new_symbols.columns.values
        here = [(before[i], after[j], i) if split else (after[j], before[i], i) for i, j in pair.common_rows]
        several = {value for value, count in Counter(value for value, _, _ in here).items() if count > 1 and value}
        together: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for value, elsewhere, row in here:
            if value in several:
                together[value].append((elsewhere, row))
        parted = [
            " = ".join(pair.old_symbols.columns.names[row] for _, row in group)
            for group in together.values()
            if len({elsewhere for elsewhere, _ in group}) > 1
        ]
        if parted:
            subject = parted[0] if len(parted) == 1 else f"{len(parted):,} addresses"
            words = ("one address", "several addresses")
            yield Change(
                subject=subject,
                before=words[not split],
                after=words[split],
                evidence=few(parted) if len(parted) > 1 else "",
            )

    return find


_rule = ComparisonRule.of

RULES = (
    _rule(
        "elf.symbol-type-changed",
        Severity.BREAKING,
        "A symbol is another kind of thing",
        "Code that calls what has become data, or reads what has become code, crashes or reads nonsense; thread-local "
        "symbols are addressed in another way altogether. An IFUNC needs a loader that knows it (musl does not).",
        "Give the new thing a new name.",
        _IFUNC,
        _type_changed,
    ),
    _rule(
        "elf.object-size-changed",
        Severity.BREAKING,
        "An exported variable has another size",
        "A program that was linked against the old file may hold a copy of the old size (a copy relocation), and code "
        "compiled against the old declaration uses the old layout.",
        "Keep exported variables behind functions, or rebuild all users.",
        _LD,
        _object_size_changed,
    ),
    _rule(
        "elf.object-became-readonly",
        Severity.RISKY,
        "An exported variable can no longer be written",
        "Code compiled against the old declaration that writes to it ends with SIGSEGV.",
        "Take const away again, or tell every user to write no more.",
        _GABI,
        _became_read_only,
    ),
    _rule(
        "elf.symbol-visibility-changed",
        Severity.RISKY,
        "A symbol has another visibility",
        "A protected symbol is not interposed for the object's own calls, and its address may differ between program "
        "and library.",
        "Keep the default visibility for what others replace or compare by address.",
        _GABI,
        _visibility_changed,
    ),
    _rule(
        "elf.symbol-binding-changed",
        Severity.INFO,
        "A symbol has another binding",
        "Between GLOBAL and WEAK the dynamic linker makes no difference; UNIQUE keeps the object from being unloaded, "
        "and is then a risk.",
        "Nothing, unless the host relies on unloading (then -fno-gnu-unique).",
        _GABI,
        _binding_changed,
    ),
    _rule(
        "elf.alias-split",
        Severity.INFO,
        "Two names of one thing are two things now",
        "Of a variable, what is written by one name is no longer read by the other; of a function, comparing addresses "
        "gives another answer.",
        "Define one of them as an alias again.",
        _GABI,
        _aliases(split=True),
    ),
    _rule(
        "elf.symbol-duplicate",
        Severity.INFO,
        "Two things are two names of one thing now",
        "The linker folded identical code (--icf), or one became an alias: code that tells them apart by their address "
        "no longer can.",
        "Link with --icf=safe, or keep them apart.",
        _GABI,
        _aliases(split=False),
    ),
    _rule(
        "elf.function-size-changed",
        Severity.INFO,
        "The code of exported functions has another size",
        "Their bodies were changed or compiled differently; the way they are called is not affected.",
        "Nothing.",
        _GABI,
        _function_size_changed,
    ),
)
