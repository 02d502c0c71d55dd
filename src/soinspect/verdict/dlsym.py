"""What a host looks up with ``dlsym`` or ``dlvsym`` in a plugin that is no Go plugin.

Sources: glibc ``elf/dl-lookup.c`` (check_match), musl ``ldso/dynlink.c`` (do_dlsym).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from soinspect.demangle.scheme import demangle
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType
from soinspect.model.goloading import Guest, PrototypeCheck
from soinspect.model.loadplan import Libc
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Outcome, Step
from soinspect.verdict import dlrules as rules
from soinspect.verdict.near import near_names

_FEW = 5
_RUST = ("_R", "17h")  # how its names begin since 2021, and how the hash of older ones does


def check_symbols(guest: Guest, requirements: Iterable[Requirement], libc: Libc) -> Iterator[Step]:
    """Whether dlsym finds what is required, in the version and with the prototype that is required."""
    prototypes = {it.symbol: it for it in guest.prototypes}
    for required in requirements:
        yield _lookup(guest, required, libc)
        if required.symbol in prototypes and required.symbol in guest.exports.names:
            row = guest.exports.names.index(required.symbol)
            yield _prototype(prototypes[required.symbol], SymbolType(guest.exports.infos[row] & 0xF))


def _lookup(guest: Guest, required: Requirement, libc: Libc) -> Step:
    exports, name = guest.exports, required.symbol
    rows = [row for row, it in enumerate(exports.names) if it == name]
    if not rows:
        return _missing(guest, required, libc)
    versions = [exports.versions[row] for row in rows]
    if required.version is None:
        if any(exports.versions[row] is None or exports.default_versions[row] for row in rows):
            return f"it exports {name}"
        known = ", ".join(f"{name}@{it}" for it in versions)
        return rules.REQUIRED.found(
            f"it exports {known}, and no version of {name} is the default one",
            message=_message(guest, required, libc),
            fix=f'dlvsym(handle, "{name}", "{versions[0]}")',
        )
    if required.version in versions:
        return f"it exports {name} in version {required.version}"
    if not any(exports.versions):  # where no symbol has a version, glibc takes any for every version
        return f"it exports {name}, and knows no versions"
    known = ", ".join(it or "no version" for it in versions)
    return rules.REQUIRED.found(
        f"it does not export {name} in version {required.version}",
        message=_message(guest, required, libc),
        evidence=(f"it exports {name} in {known}",),
    )


def _missing(guest: Guest, required: Requirement, libc: Libc) -> Step:
    name = required.symbol
    provider = next((it.provider for it in guest.inherited if it.symbol == name), None)
    if provider is not None:
        return f"dlsym finds {name} in {provider}, which it needs"
    cause, fix = _why_missing(guest, name)
    near = near_names(name, guest.exports.names)
    return rules.REQUIRED.found(
        f"it does not export {name}: {cause}" if cause else f"it does not export {name}",
        message=_message(guest, required, libc),
        evidence=(f"did you mean {near}?",) if near and not cause else (),
        cause=cause,
        fix=fix,
    )


def _why_missing(guest: Guest, name: str) -> tuple[str | None, str | None]:
    """What a name that is not exported is in the file, and what exports it."""
    if name in guest.hidden:
        return (
            "it defines it, but static or hidden (-fvisibility=hidden, a version script)",
            f'declare {name} __attribute__((visibility("default"))), and not static',
        )
    readable = demangle(name)
    if readable != name and _own_name(readable) in guest.exports.names:
        return f"it exports {_own_name(readable)}, which is not mangled", f"look up {_own_name(readable)}"
    twin = next((it for it in (*guest.exports.names, *guest.hidden) if _is_twin(name, it)), None)
    if twin is None:
        return None, None
    cause = f"it defines {demangle(twin)}, whose mangled name is {twin}"
    if any(mark in twin for mark in _RUST):
        return cause, f'#[unsafe(no_mangle)] pub extern "C" fn {name}'
    return cause, f'declare {name} extern "C"'


def _is_twin(name: str, other: str) -> bool:
    """Whether ``other`` is a mangled name of what a source calls ``name``, alone or as C++ writes it in full."""
    own = _own_name(name)
    if f"{len(own)}{own}" not in other:
        return False
    text = demangle(other)
    return text != other and (name in (text, _own_name(text)))


def _own_name(text: str) -> str:
    """The name of a function or variable without its namespaces and parameters."""
    return text.partition("(")[0].partition("<")[0].rpartition("::")[2]


def _message(guest: Guest, required: Requirement, libc: Libc) -> str:
    if libc is Libc.MUSL:
        return f"Symbol not found: {required.symbol}"
    version = f", version {required.version}" if required.version else ""
    return f"{guest.path}: undefined symbol: {required.symbol}{version}"


def _prototype(check: PrototypeCheck, kind: SymbolType) -> Step:
    if kind in (SymbolType.OBJECT, SymbolType.TLS):
        return rules.REQUIRED_PROTOTYPE.found(f"{check.symbol} is a variable, not {check.wanted}")
    if isinstance(check.found, Absent):
        return rules.REQUIRED_PROTOTYPE.found(
            f"whether {check.symbol} is {check.wanted} cannot be told: {check.found.reason}",
            outcome=Outcome.UNDECIDED,
            fix="Build it with -g, or give the file with its debug information; a snapshot is to be made of that.",
        )
    if not check.differences:
        return f"{check.symbol} is {check.found}"
    return rules.REQUIRED_PROTOTYPE.found(
        f"{check.symbol} is {check.found}, not {check.wanted}", evidence=check.differences[:_FEW]
    )
