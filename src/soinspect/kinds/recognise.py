"""What a file is a plugin for, and what of that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.elf.kind import object_kind
from soinspect.errors import FormatError, Unsupported
from soinspect.kinds.catalogue import KINDS
from soinspect.kinds.goprofiles import GO, judge_profile
from soinspect.kinds.pluginfile import PluginFile
from soinspect.kinds.rule import EntryPoint, KindRule, Need, Sign
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType
from soinspect.model.image import ObjectKind
from soinspect.model.pluginkind import FoundEntryPoint, GoHostProfile, KindFact, KindProblem, PluginKind
from soinspect.model.symbol import Symbol

# Most files are not Go's.
if TYPE_CHECKING:
    from soinspect.model.golang import GoFacts
    from soinspect.model.snapshot import Snapshot

_FUNCTIONS = (SymbolType.FUNC, SymbolType.IFUNC, SymbolType.NOTYPE)
_FEW = 4
# Some plugins have thousands of entry points of one pattern.
_MAX_SHOWN = 100


def plugin_kinds(elf: ElfFile, go: GoFacts | Absent, profile: GoHostProfile | None = None) -> tuple[PluginKind, ...]:
    """The kinds of plugin that an open file is, in the catalogue's order; most files are none or one.

    Only shared objects are plugins: a host that exports what its plugins do is none. ``profile`` is the host that a
    Go plugin is for, where that is known.

    :raises Unsupported: there is a profile, and the file is no Go plugin.
    """
    file = PluginFile(elf, go, profile)
    if profile and not file.go_plugin:
        raise _no_go_plugin(elf.path)
    if object_kind(elf) is not ObjectKind.SHARED_LIBRARY or isinstance(elf.dynamic_symbols, Absent):
        return ()
    return tuple(_describe(file, rule, evidence) for rule in KINDS if (evidence := _evidence(file, rule)))


def saved_plugin_kinds(facts: Snapshot, profile: GoHostProfile | None) -> tuple[PluginKind, ...]:
    """The kinds of plugin that a snapshot tells of, judged by ``profile`` too.

    :raises Unsupported: there is a profile, and the file was no Go plugin.
    """
    if profile is None:
        return facts.plugin_kinds
    plugin = facts.go if isinstance(facts.go, Absent) else facts.go.plugin
    if isinstance(plugin, Absent):
        raise _no_go_plugin(facts.path)
    problems = tuple(judge_profile(plugin, profile))
    return tuple(
        replace(kind, problems=(*kind.problems, *problems)) if kind.id == GO else kind for kind in facts.plugin_kinds
    )


def _no_go_plugin(path: str) -> Unsupported:
    return Unsupported(path, "it is no Go plugin", "a profile is what a Go host looks up in its plugins")


def kind_titles(elf: ElfFile) -> tuple[str, ...]:
    """The titles of the kinds of plugin that a file which is not Go's is, without looking any further."""
    if object_kind(elf) is not ObjectKind.SHARED_LIBRARY or isinstance(elf.dynamic_symbols, Absent):
        return ()
    file = PluginFile(elf, Absent("not Go's"), None)
    return tuple(rule.title for rule in KINDS if _evidence(file, rule))


def _evidence(file: PluginFile, rule: KindRule) -> tuple[str, ...]:
    """What the first sign that holds consists of; nothing if none does."""
    for sign in rule.signs:
        found = _look(file, rule, sign)
        if found:
            return found
    return ()


def _look(file: PluginFile, rule: KindRule, sign: Sign) -> tuple[str, ...]:
    if sign.file_name and not sign.file_name.fullmatch(file.name):
        return ()
    if sign.section and file.elf.image.section(sign.section) is None:
        return ()
    exports: list[str] = []
    for pattern in sign.exports:
        symbols = [s for s in file.exported(pattern) if _is_of_type(s, rule, pattern)]
        if sign.proof and pattern == sign.exports[0]:
            symbols = [s for s in symbols if _holds(sign, file.elf, s)]
        if not symbols:
            return ()
        rest = len(symbols) - 1
        exports.append(symbols[0].name + (f" and {rest:,} more" if rest else ""))
    if not all(map(file.imports, sign.imports)) or any(map(file.exported, sign.lacks)):
        return ()
    return (
        *([f"the file is named {file.name}"] if sign.file_name else []),
        *([f"it has a section {sign.section}"] if sign.section else []),
        *(f"it exports {names}" for names in exports),
        *(f"it imports {name}" for name in sign.imports),
    )


def _is_of_type(symbol: Symbol, rule: KindRule, pattern: str) -> bool:
    entry = next(entry for entry in rule.entry_points if entry.pattern == pattern)
    return symbol.type is SymbolType.NOTYPE or (symbol.type in _FUNCTIONS) is not entry.variable


def _holds(sign: Sign, elf: ElfFile, symbol: Symbol) -> bool:
    try:
        return sign.proof is not None and sign.proof(elf, symbol)
    except FormatError:
        return False


def _describe(file: PluginFile, rule: KindRule, evidence: tuple[str, ...]) -> PluginKind:
    found = [(entry, symbol) for entry in rule.entry_points for symbol in file.exported(entry.pattern)[:_MAX_SHOWN]]
    facts = tuple(_facts(file, rule))
    return PluginKind(
        id=rule.id,
        title=rule.title,
        host=rule.host,
        evidence=evidence,
        entry_points=tuple(
            FoundEntryPoint(symbol=symbol.name, prototype=entry.prototype, required=entry.need is not Need.OPTIONAL)
            for entry, symbol in found
            if _is_of_type(symbol, rule, entry.pattern)
        ),
        facts=facts,
        problems=tuple(_problems(file, rule)),
        reference=rule.reference,
    )


def _facts(file: PluginFile, rule: KindRule) -> Iterator[KindFact]:
    if rule.read is None:
        return
    try:
        yield from rule.read(file)
    except FormatError as error:
        yield KindFact(name="version data", value=Absent(error.reason))


def _problems(file: PluginFile, rule: KindRule) -> Iterator[KindProblem]:
    named = rule.naming.pattern if rule.naming else None
    for entry in rule.entry_points:
        if entry.need is Need.REQUIRED and entry.pattern != named:
            yield from _missing(file, rule, (entry,))
    alternatives = tuple(entry for entry in rule.entry_points if entry.need is Need.ONE_OF)
    if alternatives and not any(entry.pattern == named for entry in alternatives):
        yield from _missing(file, rule, alternatives)
    yield from _misnamed(file, rule)
    if rule.judge:
        yield from rule.judge(file)


def _missing(file: PluginFile, rule: KindRule, entries: tuple[EntryPoint, ...]) -> Iterator[KindProblem]:
    """The problem that none of ``entries`` is exported as what it must be."""
    names = " or ".join(entry.pattern for entry in entries)
    wrong = None
    for entry in entries:
        symbols = file.exported(entry.pattern)
        if any(_is_of_type(symbol, rule, entry.pattern) for symbol in symbols):
            return
        if symbols:
            is_a = "a function, not a variable" if entry.variable else "a variable, not a function"
            wrong = f"{symbols[0].name} is {is_a}: {rule.host} expects {entry.prototype}"
    yield KindProblem(
        kind=rule.id,
        summary=wrong or f"{names} is missing: {rule.host} looks for it",
        refused=True,
        fix=_how_to_export(file, entries[0].pattern, entries[0].prototype),
    )


def _misnamed(file: PluginFile, rule: KindRule) -> Iterator[KindProblem]:
    """The problem that the file's name leads the host to another entry point."""
    naming = rule.naming
    stem = naming.stem(file.name) if naming else None
    if naming is None or stem is None:
        return
    prefix, _, suffix = naming.pattern.partition("*")
    found = [symbol.name for symbol in file.exported(naming.pattern)]
    parts = (name[len(prefix) : len(name) - len(suffix)] for name in found)
    expected = naming.pattern.replace("*", stem)
    others = any(file.exported(entry.pattern) for entry in rule.entry_points if entry.pattern != naming.pattern)
    if any(naming.fit(part, stem) for part in parts) or (not found and others):
        return
    instead = f"; it exports {', '.join(found[:_FEW])}" if found else ""
    entry = next(entry for entry in rule.entry_points if entry.pattern == naming.pattern)
    yield KindProblem(
        kind=rule.id,
        summary=f"{expected} is missing: the file is named {file.name}{instead}",
        refused=naming.binding,
        fix=_how_to_export(file, expected, entry.prototype)
        if not found
        else f"name the function {expected}, or the file so that {rule.host} looks for {found[0]}",
    )


def _how_to_export(file: PluginFile, name: str, prototype: str) -> str:
    """What makes a symbol appear that is missing: it may be there under another name, or hidden."""
    mangled = next((s for s in file.exported(f"_Z{len(name)}{name}*")), None) if "*" not in name else None
    if mangled:
        return f'declare it extern "C": it is exported as {mangled.name}'
    table = file.elf.static_symbols
    hidden = table.get(name) if table and "*" not in name else None
    if hidden and hidden.defined:
        return f"export it (visibility default, no version script that hides it): {name} is defined, but local"
    return f"define and export {name}: {prototype}"
