"""Symbols that nothing in the process defines: when that is noticed, what lies behind it, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from soinspect.demangle.scheme import with_raw
from soinspect.model.lateclass import dataclass
from soinspect.model.loadplan import (
    Binding,
    DlopenMode,
    DlopenPlan,
    DlopenProblem,
    Effect,
    Libc,
    LoadPlan,
    ProblemKind,
    SymbolHint,
)

_CXX11_STRING = re.compile(r"St7__cxx11|B5cxx11")
_LIBRARY = re.compile(r"lib(.+?)\.so")
_FEW = 8


def _deferred(plan: DlopenPlan) -> frozenset[Binding]:
    """The symbols that dlopen does not ask for: RTLD_LAZY leaves them to their first call."""
    if plan.mode is not DlopenMode.LAZY:
        return frozenset()
    now = {it.path for it in plan.plugin.objects if it.binds_now}
    return frozenset(it for it in plan.plugin.bindings if it.calls_only and it.user not in now)


def open_to_missing_libraries(plugin: LoadPlan) -> frozenset[Binding]:
    """The unresolved symbols that a library which could not be loaded may define."""
    if not plugin.missing:
        return frozenset()
    versions = {it.version for it in plugin.versions if it.provider is None}
    return frozenset(it for it in plugin.unresolved if it.version is None or it.version in versions)


def _of_missing_versions(plugin: LoadPlan) -> frozenset[Binding]:
    """The unresolved symbols of versions that are not there: the version is what is refused."""
    lacking = {(it.user, it.version) for it in plugin.version_problems}
    return frozenset(it for it in plugin.unresolved if (it.user, it.version) in lacking)


def symbols_that_stop(plan: DlopenPlan) -> Iterator[DlopenProblem]:
    """What dlopen does not survive or refuses a plugin for, in its order; what has one cause is one problem."""
    plugin = plan.plugin
    left_out = _deferred(plan) | open_to_missing_libraries(plugin) | _of_missing_versions(plugin)
    asked = [it for it in plugin.bindings if it not in left_out]
    found = {it: _lost_versions(it) for it in asked if it.provider_lost_versions}
    found |= {group.bindings[0]: _refused(plan, group) for group in _by_cause(plan, asked)}
    yield from (found[it] for it in asked if it in found)


def _refused(plan: DlopenPlan, group: _Group) -> DlopenProblem:
    first, evidence = group.bindings[0], group.evidence
    now = {it.path for it in plan.plugin.objects if it.binds_now}
    decides = not (plan.plugin.missing or plan.plugin.version_problems)
    if (
        decides
        and plan.mode is DlopenMode.ASSUMED_NOW
        and all(it.calls_only and it.user not in now for it in group.bindings)
    ):
        evidence += (f"{plan.host.path} is taken to say RTLD_NOW; if it says RTLD_LAZY, use --lazy",)
    return DlopenProblem(
        kind=ProblemKind.SYMBOL,
        effect=Effect.REFUSED,
        subject=first.symbol,
        summary=f"{first.user}: undefined symbol: {_versioned(first)}",
        message=_said_by_dlopen(plan, first),
        evidence=evidence,
        fix=group.fix,
        cause=group.cause,
    )


def symbols_at_first_call(plan: DlopenPlan) -> Iterator[DlopenProblem]:
    """What dlopen accepts, and the first call does not."""
    waiting = _deferred(plan) - open_to_missing_libraries(plan.plugin) - _of_missing_versions(plan.plugin)
    asked = [it for it in plan.plugin.bindings if it in waiting]
    for group in _by_cause(plan, asked):
        first = group.bindings[0]
        message: str | None = f"{plan.host.path}: symbol lookup error: {_said_by_dlopen(plan, first)}"
        if plan.host.libc is Libc.MUSL:
            message = None  # it leaves what it did not find as the file has it: the call goes astray
        yield DlopenProblem(
            kind=ProblemKind.SYMBOL_AT_CALL,
            effect=Effect.RISKY,
            subject=first.symbol,
            summary=f"dlopen succeeds, and the first call of {_versioned(first)} ends the host: it is undefined",
            message=message,
            evidence=group.evidence,
            fix=group.fix,
            cause=group.cause,
        )
    for it in asked:
        if it.provider_lost_versions:
            yield replace(_lost_versions(it), kind=ProblemKind.SYMBOL_AT_CALL, effect=Effect.RISKY)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Symbols of one object that nothing provides for one reason; ``cause`` and ``fix`` as of a problem."""

    bindings: tuple[Binding, ...]
    cause: str | None
    fix: str | None
    evidence: tuple[str, ...]


def _lost_versions(binding: Binding) -> DlopenProblem:
    message = (
        "Inconsistency detected by ld.so: dl-lookup.c: check_match: Assertion `version->filename == NULL || "
        "! _dl_name_match_p (version->filename, map)' failed!"
    )
    return DlopenProblem(
        kind=ProblemKind.VERSION,
        effect=Effect.ABORTS,
        subject=binding.symbol,
        summary=message,
        message=message,
        evidence=(
            f"{binding.user} needs {with_raw(binding.symbol)} in version {binding.version} of {binding.provider}",
            f"{binding.provider} has no table of versions at all",
        ),
        fix=f"build {binding.user} against the library that is installed",
    )


def _by_cause(plan: DlopenPlan, bindings: Iterable[Binding]) -> Iterator[_Group]:
    """The unresolved ones of ``bindings``, those together that have one cause and one fix."""
    hints = {hint.symbol: hint for hint in plan.plugin.hints}
    host = plan.host.path
    groups: dict[tuple[str, str | None, str | None, str | None], list[Binding]] = {}
    for it in bindings:
        if it.unresolved:
            hint = hints.get(it.symbol)
            cause, fix = explained(host, it.user, hint) if hint else (None, None)
            groups.setdefault((it.user, cause, fix, hint.opened if hint else None), []).append(it)
    for (user, cause, fix, opened), members in groups.items():
        evidence: tuple[str, ...] = (f"neither {host} nor any library that is loaded provides {_listed(members)}",)
        if opened is not None:
            evidence = (
                f"neither {host} nor any library that {user} is bound to provides {_listed(members)}",
                f"{host} is taken to open {opened} with RTLD_LOCAL, as dlopen does by default",
            )
        yield _Group(bindings=tuple(members), cause=cause, fix=fix, evidence=evidence)


def _listed(bindings: Sequence[Binding]) -> str:
    names = list(dict.fromkeys(_versioned(it) for it in bindings))
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if names[_FEW:] else "")


def _versioned(binding: Binding) -> str:
    return f"{binding.symbol}, version {binding.version}" if binding.version else binding.symbol


def _said_by_dlopen(plan: DlopenPlan, binding: Binding) -> str:
    if plan.host.libc is Libc.MUSL:
        return f"Error relocating {binding.user}: {binding.symbol}: symbol not found"
    return f"{binding.user}: undefined symbol: {_versioned(binding)}"


def explained(host: str, user: str, hint: SymbolHint) -> tuple[str | None, str | None]:
    """The cause that a hint gives for what ``user`` does not find, and the fix that follows from it."""
    symbol = hint.symbol
    if hint.local_in is not None:
        provider = hint.local_in if hint.opened == hint.local_in else f"{hint.local_in}, which came with {hint.opened},"
        return (
            f"{provider} exports it, and was opened with RTLD_LOCAL: what is opened later does not see it",
            f'dlopen("{hint.opened}", RTLD_NOW | RTLD_GLOBAL)  (or link {user} with {hint.local_in})',
        )
    if hint.hidden_in == host:
        return (
            f"{host} defines it, and does not export it",
            f"link {host} with -rdynamic  (unless it is static or hidden)",
        )
    if hint.hidden_in is not None:
        return (
            f"{hint.hidden_in} defines it, and does not export it",
            f"build {hint.hidden_in} so that it exports it: neither static, nor hidden, nor local in a version script",
        )
    if hint.versions:
        cause = f"it is provided in {', '.join(hint.versions)} only"
        return cause, f"build {user} against the library that is installed"
    if hint.library is not None:
        short = _LIBRARY.match(hint.library)
        option = f"-l{short[1]}" if short else hint.library
        return f"it is in {hint.library}, which {user} does not ask for", f"link {user} with {option}"
    if not hint.twins:
        return None, None
    cause = f"what is provided is {', '.join(map(with_raw, hint.twins))}"
    twin = hint.twins[0]
    if symbol.startswith("_Z") != twin.startswith("_Z"):
        where = user if symbol.startswith("_Z") else "the host"
        return cause, f'declare it extern "C" in the sources of {where}'
    new_abi, provided_new = bool(_CXX11_STRING.search(symbol)), bool(_CXX11_STRING.search(twin))
    if new_abi != provided_new:
        return cause, f"compile {user} with -D_GLIBCXX_USE_CXX11_ABI={int(provided_new)}"
    return cause, None
