"""Rules on exported symbols: what callers bind to by name."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.compare.change import Change
from soinspect.compare.pair import ComparisonRule, Pair
from soinspect.demangle.scheme import demangle
from soinspect.model.constants import SymbolType
from soinspect.model.finding import Profile, Rule, Severity
from soinspect.model.snapshot import DynamicLinking
from soinspect.model.symbol import Symbol

_LOADER = "https://man7.org/linux/man-pages/man3/dlsym.3.html"
_GABI = "https://www.sco.com/developers/gabi/latest/ch4.symtab.html"
_VERSIONING = "https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html"
_ITANIUM = "https://itanium-cxx-abi.github.io/cxx-abi/abi.html#vtable"
_VTABLE = "_ZTV"
_CALLABLE = (SymbolType.FUNC, SymbolType.IFUNC)


def _readable(symbol: Symbol) -> str:
    readable = demangle(symbol.name)
    return symbol.versioned_name if readable == symbol.name else f"{readable} ({symbol.versioned_name})"


def _describe(symbol: Symbol) -> str:
    return f"{symbol.type.name} {symbol.binding.name}, {symbol.size} bytes"


def _names(symbols: dict[str, Symbol]) -> frozenset[str]:
    return frozenset(symbol.name for symbol in symbols.values())


def _removed(pair: Pair) -> Iterator[Change]:
    still_named = _names(pair.new_symbols)
    for key, symbol in pair.old_symbols.items():
        if key not in pair.new_symbols and symbol.name not in still_named:
            yield Change(subject=_readable(symbol), before=_describe(symbol))


def _version_changed(pair: Pair) -> Iterator[Change]:
    by_name: dict[str, list[str]] = {}
    for symbol in pair.new_symbols.values():
        by_name.setdefault(symbol.name, []).append(symbol.versioned_name)
    if not any(symbol.version for symbol in pair.new_symbols.values()):
        return  # a file without versions satisfies any version: see elf.versioning-dropped
    for key, symbol in pair.old_symbols.items():
        if key in pair.new_symbols or symbol.name not in by_name:
            continue
        yield Change(subject=symbol.name, before=symbol.versioned_name, after=", ".join(by_name[symbol.name]))


def _added(pair: Pair) -> Iterator[Change]:
    already_named = _names(pair.old_symbols)
    for key, symbol in pair.new_symbols.items():
        if key not in pair.old_symbols and symbol.name not in already_named:
            yield Change(subject=_readable(symbol), after=_describe(symbol))


def _type_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.common_symbols:
        if old.type is not new.type and not (old.type in _CALLABLE and new.type in _CALLABLE):
            yield Change(subject=_readable(old), before=old.type.name, after=new.type.name)


def _vtable_size_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.common_symbols:
        if old.name.startswith(_VTABLE) and old.size != new.size:
            yield Change(subject=_readable(old), before=f"{old.size} bytes", after=f"{new.size} bytes")


def _object_size_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.common_symbols:
        is_data = old.type is new.type and old.type in (SymbolType.OBJECT, SymbolType.TLS)
        if is_data and old.size != new.size and not old.name.startswith(_VTABLE):
            # Who asks dlsym for it holds no copy, but may know the old layout.
            severity = Severity.RISKY if pair.profile is Profile.DLOPEN else None
            before, after = f"{old.size} bytes", f"{new.size} bytes"
            yield Change(subject=_readable(old), before=before, after=after, severity=severity)


def _function_size_changed(pair: Pair) -> Iterator[Change]:
    changed = [o for o, n in pair.common_symbols if o.type is n.type and o.type in _CALLABLE and o.size != n.size]
    if changed:
        names = ", ".join(symbol.name for symbol in changed[:5])
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        yield Change(subject=f"{len(changed)} of {len(pair.common_symbols)} common symbols", evidence=names + more)


def _binding_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.common_symbols:
        if old.binding is not new.binding:
            yield Change(subject=_readable(old), before=old.binding.name, after=new.binding.name)


def _visibility_changed(pair: Pair) -> Iterator[Change]:
    for old, new in pair.common_symbols:
        if old.visibility is not new.visibility:
            yield Change(subject=_readable(old), before=old.visibility.name, after=new.visibility.name)


def _version_definition_removed(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.dynamic, pair.new.dynamic
    if isinstance(old, DynamicLinking) and isinstance(new, DynamicLinking) and new.defined_versions:
        for version in old.defined_versions:
            if version not in new.defined_versions:
                yield Change(subject=version, before="defined")


def _versioning_dropped(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.dynamic, pair.new.dynamic
    before, after = (it.defined_versions if isinstance(it, DynamicLinking) else () for it in (old, new))
    if before and not after:
        yield Change(subject="symbol versions", before=", ".join(before))


RULES = (
    ComparisonRule(
        rule=Rule(
            id="elf.symbol-removed",
            title="An exported symbol is gone",
            severity=Severity.BREAKING,
            why="A program linked against the old file stops with 'undefined symbol', at start or at the first "
            "call; dlsym returns NULL to a host that looks the name up.",
            fix="Export the name again, or tell every user; a library changes its SONAME.",
            reference=_LOADER,
        ),
        find=_removed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.symbol-version-changed",
            title="A symbol is exported under another version only",
            severity=Severity.BREAKING,
            why="Programs bound to the old version stop with 'symbol NAME, version V not defined in file'.",
            fix="Keep the old version beside the new one (.symver, or a second node in the version script).",
            reference=_VERSIONING,
        ),
        find=_version_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.symbol-type-changed",
            title="A symbol is another kind of thing",
            severity=Severity.BREAKING,
            why="Code that calls what has become data, or reads what has become code, crashes or reads nonsense; "
            "thread-local symbols are addressed in another way altogether.",
            fix="Give the new thing a new name.",
            reference=_GABI,
        ),
        find=_type_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.vtable-size-changed",
            title="A class has more or fewer virtual methods",
            severity=Severity.BREAKING,
            why="Virtual calls go by slot number, and classes derived elsewhere copy the old table's layout.",
            fix="Add no virtual methods to classes that others derive from or call through.",
            reference=_ITANIUM,
        ),
        find=_vtable_size_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.object-size-changed",
            title="An exported variable has another size",
            severity=Severity.BREAKING,
            why="A program that was linked against the old file may hold a copy of the old size (a copy "
            "relocation), and code compiled against the old declaration uses the old layout.",
            fix="Keep exported variables behind functions, or rebuild all users.",
            reference="https://man7.org/linux/man-pages/man1/ld.1.html",
        ),
        find=_object_size_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.verdef-removed",
            title="A symbol version is no longer defined",
            severity=Severity.BREAKING,
            why='A program that was linked against it stops at start-up: "version `V\' not found".',
            fix="Keep the version's node in the version script, even if it holds no symbol.",
            reference=_VERSIONING,
        ),
        find=_version_definition_removed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.versioning-dropped",
            title="The file defines no symbol versions any more",
            severity=Severity.RISKY,
            why='The dynamic linker only warns ("no version information available") and binds by name; two versions '
            "of one symbol become one.",
            fix="Link with the version script of the old file.",
            reference=_VERSIONING,
        ),
        find=_versioning_dropped,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.symbol-visibility-changed",
            title="A symbol has another visibility",
            severity=Severity.RISKY,
            why="A protected symbol is not interposed for the object's own calls, and its address may differ between "
            "program and library.",
            fix="Keep the default visibility for what others replace or compare by address.",
            reference=_GABI,
        ),
        find=_visibility_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.symbol-binding-changed",
            title="A symbol has another binding",
            severity=Severity.INFO,
            why="Between GLOBAL and WEAK the dynamic linker makes no difference; UNIQUE keeps the object from "
            "being unloaded.",
            fix="Nothing, unless the host relies on unloading.",
            reference=_GABI,
        ),
        find=_binding_changed,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.symbol-added",
            title="A new symbol is exported",
            severity=Severity.COMPATIBLE,
            why="Nobody who used the old file can miss it; it may shadow a symbol of the same name elsewhere.",
            fix="Nothing.",
            reference=_LOADER,
        ),
        find=_added,
    ),
    ComparisonRule(
        rule=Rule(
            id="elf.function-size-changed",
            title="The code of exported functions has another size",
            severity=Severity.INFO,
            why="Their bodies were changed or compiled differently; the way they are called is not affected.",
            fix="Nothing.",
            reference=_GABI,
        ),
        find=_function_size_changed,
    ),
)
