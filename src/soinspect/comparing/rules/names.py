"""Rules on the names and versions by which callers bind: removed, renamed, added."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

from soinspect.comparing.change import SIGNATURE_RULES, Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.renames import DUAL_ABI, INLINE_NAMESPACE, RENAMED
from soinspect.comparing.wording import few, readable
from soinspect.demangle.scheme import demangle
from soinspect.model.constants import SymbolBinding
from soinspect.model.finding import Severity
from soinspect.model.snapshot import DynamicLinking, Snapshot
from soinspect.model.symbol import Symbol, SymbolColumns
from soinspect.model.texts import count

_LOADER = "https://man7.org/linux/man-pages/man3/dlsym.3.html"
_VERSIONING = "https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html"
_MANGLING = "https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling"
_DUAL_ABI = "https://gcc.gnu.org/onlinedocs/libstdc++/manual/using_dual_abi.html"
_CGO = "https://pkg.go.dev/cmd/cgo#hdr-C_references_to_Go"
# Reported by elf.typeinfo-removed.
_TYPE_INFORMATION = ("_ZTI", "_ZTS")


# Names in C++, and those of the standard library's templates (std:: and its abbreviations, __gnu_cxx::).
_CXX = "_Z"
_STANDARD = re.compile(r"_ZZ?(?:TV|TT|GV)?(?:N[VKr]*)?(?:S[absiodt]|9__gnu_cxx)")
_STANDARD_LIBRARIES = ("libstdc++.", "libc++.")
_COPIED = "weak: an inline function or template, of which every user has a copy, but for 'extern template'"


def _describe(symbol: Symbol) -> str:
    # A baseline does not say how long code is, nor does assembly without .size.
    size = f", {count(symbol.size, 'byte')}" if symbol.size else ""
    return f"{symbol.type.name} {symbol.binding.name}{size}"


def _removed(pair: Pair) -> Iterator[Change]:
    for symbol in pair.renames.removed if not pair.go else ():
        if symbol.name.startswith(_TYPE_INFORMATION):
            continue
        copied = symbol.binding is SymbolBinding.WEAK and symbol.name.startswith(_CXX)
        yield Change(
            subject=readable(symbol),
            before=_describe(symbol),
            evidence=_COPIED if copied else "",
            severity=_severity_of_copy(pair, symbol) if copied else None,
        )


def _severity_of_copy(pair: Pair, symbol: Symbol) -> Severity:
    """How grave it is that a template's instance or an inline function is gone, which depends on who optimised it."""
    itself = pair.old.dynamic and (pair.old.dynamic.soname or "").startswith(_STANDARD_LIBRARIES)
    return Severity.INFO if _STANDARD.match(symbol.name) and not itself else Severity.RISKY


def _c_export_removed(pair: Pair) -> Iterator[Change]:
    for symbol in pair.renames.removed if pair.go else ():
        yield Change(subject=symbol.name, before=_describe(symbol))


def _added(pair: Pair) -> Iterator[Change]:
    for symbol in pair.renames.added:
        yield Change(subject=readable(symbol), after=_describe(symbol))


def _renamed(rule_id: str) -> Callable[[Pair], Iterator[Change]]:
    def find(pair: Pair) -> Iterator[Change]:
        for group in pair.renames.groups:
            if group.rule != rule_id:
                continue
            old, new = group.pairs[0]
            examples = [f"{demangle(old.name)} -> {demangle(new.name)}" for old, new in group.pairs[1:]]
            yield Change(
                subject=readable(old) if len(group.pairs) == 1 else f"{len(group.pairs):,} symbols",
                before=demangle(old.name),
                after=demangle(new.name),
                evidence=f"{group.how}; {few(examples)}" if examples else group.how,
            )

    return find


def _version_changed(pair: Pair) -> Iterator[Change]:
    new = pair.new_symbols
    if not new.versions:
        return  # a file without versions satisfies any version: see elf.versioning-dropped
    moved: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, before, after in (*_moved(pair), *_lost(pair)):
        moved[before, after].append(name)
    for (before, after), names in moved.items():
        subject = names[0] if len(names) == 1 else f"{len(names):,} symbols"
        yield Change(subject=subject, before=before, after=after, evidence=few(names) if len(names) > 1 else "")


def _moved(pair: Pair) -> Iterator[tuple[str, str, str]]:
    """Name, old and new version of the symbols whose only version has changed."""
    old, new = pair.old_symbols.columns, pair.new_symbols.columns
    versions = new.versions
    for i, j in pair.common_rows:
        # Who was linked when there were no versions is content with any.
        if old.versions[i] != versions[j] and old.versions[i]:
            yield old.names[i], _version(old, i), _version(new, j)


def _lost(pair: Pair) -> Iterator[tuple[str, str, str]]:
    """Name, a lost version and those that are left of the symbols that have several versions on one side."""
    old, new = pair.old_symbols, pair.new_symbols
    several = {name for it in (old, new) for name, count in it.versions_of.items() if count > 1}
    left: dict[str, list[str]] = defaultdict(list)
    for row in new.rows.values() if several else ():
        if new.columns.names[row] in several:
            left[new.columns.names[row]].append(_version(new.columns, row))
    for key, row in old.rows.items() if several else ():
        name = old.columns.names[row]
        if name in left and key not in new.rows and old.columns.versions[row]:
            yield name, _version(old.columns, row), ", ".join(left[name])


def _version(columns: SymbolColumns, row: int) -> str:
    version = columns.versions[row]
    return f"{'@@' if columns.default_versions[row] else '@'}{version}" if version else "no version"


def _version_added(pair: Pair) -> Iterator[Change]:
    old, new = pair.old_symbols, pair.new_symbols
    kept = {old.columns.names[row] for key, row in old.rows.items() if key in new.rows}
    for key, row in new.rows.items() if kept else ():
        if key not in old.rows and new.columns.names[row] in kept:
            symbol = new.columns.symbol(row)
            yield Change(subject=symbol.name, after=symbol.versioned_name)


def _versions(facts: Snapshot) -> tuple[str, ...]:
    return facts.dynamic.defined_versions if isinstance(facts.dynamic, DynamicLinking) else ()


def _version_definition_removed(pair: Pair) -> Iterator[Change]:
    old, new = _versions(pair.old), _versions(pair.new)
    used = pair.old_symbols.versions
    for version in old if new else ():
        if version not in new:
            # A program asks for the versions of the symbols it uses, so that nobody asks for one without symbols.
            severity = None if version in used else Severity.INFO
            yield Change(subject=version, before="defined" if version in used else "defined, of no symbol",
                         severity=severity)  # fmt: skip


def _version_definition_added(pair: Pair) -> Iterator[Change]:
    old = _versions(pair.old)
    for version in _versions(pair.new):
        if version not in old:
            yield Change(subject=version, after="defined")


def _versioning_dropped(pair: Pair) -> Iterator[Change]:
    old, new = _versions(pair.old), _versions(pair.new)
    if old and not new:
        yield Change(subject="symbol versions", before=", ".join(old))


def _c_signature_changed(pair: Pair) -> Iterator[Change]:
    for found in pair.type_changes if pair.go else ():
        if found.rule in SIGNATURE_RULES:
            yield found.change


_rule = ComparisonRule.of

RULES = (
    _rule(
        "elf.symbol-removed",
        Severity.BREAKING,
        "An exported symbol is gone",
        "A program linked against the old file stops with 'undefined symbol', at start or at the first call; dlsym "
        "returns NULL to a host that looks the name up. Of inline functions and templates in C++ (weak symbols) users "
        "have copies of their own, most often: a risk only, and none where they are the standard library's.",
        "Export the name again, or tell every user; a library changes its SONAME.",
        _LOADER,
        _removed,
    ),
    _rule(
        "elf.symbol-renamed",
        Severity.BREAKING,
        "Exported symbols have other names",
        "The old names are gone for programs and hosts that ask for them, as if the symbols had been removed. What "
        "they were renamed to is concluded from the names: look before relying on it.",
        "Export the old names too: as aliases (__attribute__((alias)), or the linker's --defsym old=new).",
        _LOADER,
        _renamed(RENAMED),
    ),
    _rule(
        "cxx.inline-namespace-changed",
        Severity.BREAKING,
        "C++ symbols have moved to another version namespace",
        "An inline namespace is part of the linker's name and not of the source's: nothing needs to be edited, and "
        "all users must be rebuilt.",
        "Rebuild all users, or keep the old inline namespace beside the new one.",
        _MANGLING,
        _renamed(INLINE_NAMESPACE),
    ),
    _rule(
        "cxx.dual-abi-flipped",
        Severity.BREAKING,
        "It was built with the other ABI of std::string",
        "std::string and std::list come in two layouts with two names; a caller of the one does not find, and must "
        "not call, functions that take the other.",
        "Compile with the -D_GLIBCXX_USE_CXX11_ABI of the old file (0 or 1).",
        _DUAL_ABI,
        _renamed(DUAL_ABI),
    ),
    _rule(
        "cgo.export-removed",
        Severity.BREAKING,
        "A C function of a Go library is gone",
        "A program linked against the old file stops with 'undefined symbol'; dlsym returns NULL.",
        "Put //export NAME above the Go function again.",
        _CGO,
        _c_export_removed,
    ),
    _rule(
        "cgo.export-signature-changed",
        Severity.BREAKING,
        "A C function of a Go library has another prototype",
        "C callers pass and read values as the old header of the library declared them. Several results come as a "
        "structure NAME_return.",
        "Export the new function under a new name.",
        _CGO,
        _c_signature_changed,
    ),
    _rule(
        "elf.symbol-version-changed",
        Severity.BREAKING,
        "Symbols are exported under another version only",
        "Programs bound to the old version stop with 'symbol NAME, version V not defined in file'.",
        "Keep the old version beside the new one (.symver, or a second node in the version script).",
        _VERSIONING,
        _version_changed,
    ),
    _rule(
        "elf.verdef-removed",
        Severity.BREAKING,
        "A symbol version is no longer defined",
        'A program that was linked against it stops at start-up: "version `V\' not found".',
        "Keep the version's node in the version script, even if it holds no symbol.",
        _VERSIONING,
        _version_definition_removed,
    ),
    _rule(
        "elf.versioning-dropped",
        Severity.RISKY,
        "The file defines no symbol versions any more",
        'The dynamic linker only warns ("no version information available") and binds by name; two versions of one '
        "symbol become one.",
        "Link with the version script of the old file.",
        _VERSIONING,
        _versioning_dropped,
    ),
    _rule(
        "elf.symbol-added",
        Severity.COMPATIBLE,
        "A new symbol is exported",
        "Nobody who used the old file can miss it; it may shadow a symbol of the same name elsewhere.",
        "Nothing.",
        _LOADER,
        _added,
    ),
    _rule(
        "elf.symbol-version-added",
        Severity.COMPATIBLE,
        "A symbol has a further version, and keeps the old one",
        "Programs stay bound to the version they were linked against; a new link takes the default (@@).",
        "Nothing.",
        _VERSIONING,
        _version_added,
    ),
    _rule(
        "elf.verdef-added",
        Severity.COMPATIBLE,
        "A further symbol version is defined",
        "Nobody who used the old file asks for it.",
        "Nothing.",
        _VERSIONING,
        _version_definition_added,
    ),
)
