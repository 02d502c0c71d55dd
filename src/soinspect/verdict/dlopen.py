"""What goes wrong when a program opens a plugin with dlopen, in the order and in the words of its loader.

Sources: glibc ``elf/dl-load.c``, ``dl-version.c``, ``dl-lookup.c``, ``dl-reloc.c``; musl ``ldso/dynlink.c``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from soinspect.model.loadplan import (
    Binding,
    Dependency,
    DlopenPlan,
    DlopenProblem,
    Effect,
    Libc,
    LoadedObject,
    ProblemKind,
    SymbolHint,
    VersionUse,
)
from soinspect.model.texts import count
from soinspect.verdict.elsewhere import as_where_the_host_starts

# dlopen makes no stack executable any more since this release of glibc.
_REFUSES_EXECUTABLE_STACK = (2, 41)
# What glibc leaves free in the static block by default (dl-tls.c: 1664 bytes, rounded up to 64), and what of it is
# meant for plugins of this kind (glibc.rtld.optional_static_tls).
_STATIC_TLS_SURPLUS = 1664 + 64
_STATIC_TLS_SAFE = 512
_CXX11_STRING = re.compile(r"St7__cxx11|B5cxx11")
_NOT_FOUND = "No such file or directory"
_FEW = 5
_FILE_FIXES = {
    "cannot dynamically load position-independent executable": "link {path} with -shared instead of -pie",
    "cannot dynamically load executable": "link {path} with -shared -fPIC",
    "only ET_DYN and ET_EXEC can be loaded": "gcc -shared -o plugin.so {path}",
    "shared object cannot be dlopen()ed": "link {path} without -Wl,-z,nodlopen",
    "object file has no dynamic section": "link {path} with -shared",
    "invalid ELF header": "file {path}",
    "file too short": "file {path}",
}


def dlopen_problems(plan: DlopenPlan) -> tuple[DlopenProblem, ...]:
    """The problems in the loader's order: it stops at the first that refuses, what is only a risk comes last."""
    if plan.host.missing:
        return tuple(_Judge(*as_where_the_host_starts(plan)).problems())
    return tuple(_Judge(plan).problems())


@dataclass(frozen=True, slots=True)
class _Judge:
    plan: DlopenPlan
    open_questions: tuple[str, ...] = ()

    @property
    def _musl(self) -> bool:
        return self.plan.host.libc is Libc.MUSL

    @property
    def _new(self) -> tuple[LoadedObject, ...]:
        return self.plan.plugin.objects

    def problems(self) -> Iterator[DlopenProblem]:
        yield from self._host()
        if self.plan.plugin.error is not None:
            yield self._file(self.plan.plugin.error)
            return
        yield from self._mapping()
        yield from map(_unloaded, self.plan.plugin.unloaded_versions)
        yield from map(self._version, self.plan.plugin.version_problems)
        hints = {hint.symbol: hint for hint in self.plan.plugin.hints}
        for binding in self.plan.plugin.bindings:
            if binding.unresolved:
                yield self._symbol(binding, hints.get(binding.symbol))
            elif binding.provider_lost_versions:
                yield _assertion(binding)
        yield from self._static_tls()
        yield from self._risks()
        if self.plan.plugin.unknown:
            yield DlopenProblem(
                kind=ProblemKind.FILE,
                effect=Effect.UNDECIDED,
                subject=self.plan.plugin.path,
                message="parts of what would be loaded cannot be read",
                evidence=self.plan.plugin.unknown,
                fix=None,
            )

    def _host(self) -> Iterator[DlopenProblem]:
        host = self.plan.host
        effect = Effect.UNDECIDED
        evidence: tuple[str, ...] = ()
        if host.loader is None and host.objects[0].dynamic:
            message = "the host is a library, or a static program: it names no dynamic loader"
            fix = "name the program that opens the plugin"
        elif host.loader is None:
            message = "the host is statically linked: it has no dynamic loader of its own"
            evidence = ("no PT_DYNAMIC; a static glibc program opens only plugins of the very same glibc",)
            fix = f"link {host.path} without -static"
        elif host.missing:
            message = f"the host does not start here: {host.missing[0].error}"
            if self.open_questions:
                wanted = ", ".join(self.open_questions[:_FEW])
                more = f" and {len(self.open_questions) - _FEW} more" if self.open_questions[_FEW:] else ""
                evidence = (f"whether there are, where it does start, is not known: {wanted}{more}",)
            else:
                effect = Effect.RISKY
                evidence = ("wherever it starts, the plugin finds what it needs of libraries",)
            fix = "--root DIR  (the file system that it runs on)"
        elif not host.complete:
            message = "the host itself does not load here"
            missing = [f"undefined symbol: {it.symbol}" for it in host.unresolved]
            missing += [f"version `{it.version}' not found" for it in host.version_problems]
            evidence = tuple(missing[:_FEW])
            fix = f"soinspect deps {host.path}"
        else:
            return
        yield DlopenProblem(
            kind=ProblemKind.HOST, effect=effect, subject=host.path, message=message, evidence=evidence, fix=fix
        )

    # -- files ---------------------------------------------------------------------------------------------

    def _file(self, said: str) -> DlopenProblem:
        plugin = self.plan.plugin
        message = f"{plugin.path}: {said}"
        effect = Effect.REFUSED
        if self._musl:
            message = f"Error loading shared library {plugin.path}: {_musl_reason(said)}"
        if self._musl and any("built for" in remark for remark in plugin.remarks):
            effect = Effect.ABORTS
            message = f"musl maps {plugin.path} without a look at the machine that it is for: it cannot run"
        fix = _FILE_FIXES.get(said)
        machine = self.plan.host.objects[0].machine.name.lower().replace("_", "-")
        if fix is None and plugin.remarks:
            fix = f"build {{path}} for {machine}"
        return DlopenProblem(
            kind=ProblemKind.FILE,
            effect=effect,
            subject=plugin.path,
            message=message,
            evidence=(),
            fix=fix.format(path=plugin.path) if fix else None,
            cause="; ".join(plugin.remarks) or None,
        )

    def _mapping(self) -> Iterator[DlopenProblem]:
        """The objects in the order in which they are mapped, each with what is found to be wrong then."""
        unmapped = {it.path: it for it in self._new}
        first = self._new[0]
        yield from self._mapped(unmapped.pop(first.path), first.path)
        for user in self._new:
            for need in user.needs:
                if need.error is not None:
                    yield self._library(user, need, need.error)
                elif need.path in unmapped:
                    yield from self._mapped(unmapped.pop(need.path), need.name)

    def _mapped(self, loaded: LoadedObject, name: str) -> Iterator[DlopenProblem]:
        if loaded.truncated:
            yield DlopenProblem(
                kind=ProblemKind.TRUNCATED,
                effect=Effect.ABORTS,
                subject=loaded.path,
                message=f"{loaded.path} is truncated: the loader maps it, and reading past its end raises SIGBUS",
                evidence=(loaded.truncated,),
                fix=f"copy {loaded.path} again: it is incomplete",
            )
        already = any(it.executable_stack for it in self.plan.host.objects)
        if loaded.executable_stack and not already and not self._musl:
            yield self._executable_stack(loaded, name)

    def _executable_stack(self, loaded: LoadedObject, name: str) -> DlopenProblem:
        version = self.plan.host.libc_version
        message = f"{name}: cannot enable executable stack as shared object requires: Invalid argument"
        if version is None:
            effect = Effect.UNDECIDED
        elif tuple(int(part) for part in version.split(".")) >= _REFUSES_EXECUTABLE_STACK:
            effect = Effect.REFUSED
        else:
            effect = Effect.RISKY
            message = f"{name} makes the stacks of the whole program executable; glibc 2.41 and newer refuse it"
        return DlopenProblem(
            kind=ProblemKind.EXECUTABLE_STACK,
            effect=effect,
            subject=loaded.path,
            message=message,
            evidence=(f"PT_GNU_STACK of {loaded.path} is executable or missing", f"glibc {version or 'unknown'}"),
            fix=f"patchelf --clear-execstack {loaded.path}  (or link it with -Wl,-z,noexecstack)",
        )

    def _library(self, user: LoadedObject, need: Dependency, error: str) -> DlopenProblem:
        message = error
        kind = ProblemKind.LIBRARY
        evidence = tuple(f"sought {it.path} ({it.place}): {it.result}" for it in need.attempts)
        fix: str | None = f"LD_LIBRARY_PATH=DIR {self.plan.host.path}  (DIR is where {need.name} lies)"
        if self._musl:
            message = f"Error loading shared library {need.name}: {_musl_reason(error)} (needed by {user.path})"
        elif need.name.startswith("libc.musl-"):
            kind = ProblemKind.LIBC
            evidence = (f"{user.path} is built for musl, {self.plan.host.path} runs on glibc", *evidence)
            fix = f"build {user.path} on a system with glibc"
        return DlopenProblem(
            kind=kind,
            effect=Effect.REFUSED,
            subject=need.name,
            message=message,
            evidence=(f"needed by {user.path}", *evidence),
            fix=fix,
            cause=next((it.result for it in need.attempts if it.result != "no such file"), None),
        )

    # -- names ---------------------------------------------------------------------------------------------

    def _version(self, use: VersionUse) -> DlopenProblem:
        forced = f"forced by {', '.join(use.symbols)}" if use.symbols else "no symbol asks for it"
        host = self.plan.host
        known = use.version.startswith("GLIBC_") and host.libc_version is not None
        return DlopenProblem(
            kind=ProblemKind.VERSION,
            effect=Effect.REFUSED,
            subject=use.version,
            message=f"{use.provider}: version `{use.version}' not found (required by {use.user})",
            evidence=(forced,),
            fix=f"build {use.user} against the {use.library} that {host.path} runs with, or an older one",
            cause=f"the host's glibc is {host.libc_version}" if known else None,
        )

    def _symbol(self, binding: Binding, hint: SymbolHint | None) -> DlopenProblem:
        version = f", version {binding.version}" if binding.version else ""
        message = f"{binding.user}: undefined symbol: {binding.symbol}{version}"
        if self._musl:
            message = f"Error relocating {binding.user}: {binding.symbol}: symbol not found"
        cause, fix = _explained(binding, hint) if hint else (None, None)
        return DlopenProblem(
            kind=ProblemKind.SYMBOL,
            effect=Effect.REFUSED,
            subject=binding.symbol,
            message=message,
            evidence=(f"neither {self.plan.host.path} nor any library provides it",),
            fix=fix,
            cause=cause,
        )

    # -- what may go wrong ---------------------------------------------------------------------------------

    def _static_tls(self) -> Iterator[DlopenProblem]:
        taking = [it for it in self._new if it.static_tls and it.tls_size]
        total = self.plan.plugin.static_tls + self.plan.static_tls_taken
        if self._musl and taking:
            yield DlopenProblem(
                kind=ProblemKind.STATIC_TLS,
                effect=Effect.REFUSED,
                subject=taking[0].path,
                message=f"Error relocating {taking[0].path}: initial-exec TLS resolves to dynamic definition",
                evidence=(f"{taking[0].path} has {taking[0].tls_size} bytes of initial-exec thread-local storage",),
                fix=f"compile {taking[0].path} without -ftls-model=initial-exec, or preload it",
            )
        elif taking and total > _STATIC_TLS_SAFE:
            last = taking[-1].path
            certain = total > _STATIC_TLS_SURPLUS
            yield DlopenProblem(
                kind=ProblemKind.STATIC_TLS,
                effect=Effect.REFUSED if certain else Effect.RISKY,
                subject=last,
                message=f"{last}: cannot allocate memory in static TLS block",
                evidence=(f"{total} bytes are asked for; about {_STATIC_TLS_SURPLUS} are free by default",),
                fix=f"LD_PRELOAD={last} {self.plan.host.path}",
            )

    def _risks(self) -> Iterator[DlopenProblem]:
        for loaded in self._new:
            if self._musl and any(need.name == "libc.so.6" for need in loaded.needs):
                yield DlopenProblem(
                    kind=ProblemKind.LIBC,
                    effect=Effect.RISKY,
                    subject=loaded.path,
                    message=f"{loaded.path} is built for glibc, {self.plan.host.path} runs on musl",
                    evidence=("DT_NEEDED names libc.so.6, which musl takes for itself: the two differ in layouts",),
                    fix=f"build {loaded.path} on a system with musl (Alpine)",
                )
            if loaded.text_relocations:
                yield DlopenProblem(
                    kind=ProblemKind.TEXT_RELOCATIONS,
                    effect=Effect.RISKY,
                    subject=loaded.path,
                    message=f"{loaded.path} has text relocations, which SELinux and hardened systems refuse",
                    evidence=("DT_TEXTREL",),
                    fix=f"compile all of {loaded.path} with -fPIC",
                )
        new = {it.path for it in self._new}
        for lost in self.plan.plugin.interpositions:
            if lost.definer in new and lost.by not in new:
                yield DlopenProblem(
                    kind=ProblemKind.INTERPOSED,
                    effect=Effect.RISKY,
                    subject=lost.definer,
                    message=f"{lost.definer} is bound to {lost.by} for its own {', '.join(lost.symbols[:_FEW])}",
                    evidence=(f"{count(len(lost.symbols), 'symbol')} defined by both, the host's first",),
                    fix=f"link {lost.definer} with -Wl,-Bsymbolic, or compile it with -fvisibility=hidden",
                )
        for copies in self.plan.plugin.copies:
            if not new.isdisjoint(copies.paths) and not new.issuperset(copies.paths):
                yield DlopenProblem(
                    kind=ProblemKind.COPIES,
                    effect=Effect.RISKY,
                    subject=copies.library,
                    message=f"two versions of {copies.library} in one process: {', '.join(copies.paths)}",
                    evidence=("their symbols may replace each other's, and their data must not be mixed",),
                    fix=f"build the plugin against the {copies.library} of {self.plan.host.path}",
                )


def _assertion(binding: Binding) -> DlopenProblem:
    return DlopenProblem(
        kind=ProblemKind.VERSION,
        effect=Effect.ABORTS,
        subject=binding.symbol,
        message="Inconsistency detected by ld.so: dl-lookup.c: check_match: Assertion `version->filename == NULL || "
        "! _dl_name_match_p (version->filename, map)' failed!",
        evidence=(
            f"{binding.user} needs {binding.symbol} in version {binding.version} of {binding.provider}",
            f"{binding.provider} has no table of versions at all",
        ),
        fix=f"build {binding.user} against the library that is installed",
    )


def _unloaded(use: VersionUse) -> DlopenProblem:
    return DlopenProblem(
        kind=ProblemKind.VERSION,
        effect=Effect.ABORTS,
        subject=use.library,
        message="Inconsistency detected by ld.so: dl-version.c: _dl_check_map_versions: "
        "Assertion `needed != NULL' failed!",
        evidence=(f"{use.user} needs version {use.version} of {use.library}, which no DT_NEEDED names",),
        fix=f"patchelf --add-needed {use.library} {use.user}",
    )


def _musl_reason(said: str) -> str:
    """What musl prints for a refusal that glibc words differently: an error of the system calls."""
    return _NOT_FOUND if said.endswith(_NOT_FOUND) else "Exec format error"


def _explained(binding: Binding, hint: SymbolHint) -> tuple[str | None, str | None]:
    """The cause that a hint gives, and the fix that follows from it."""
    symbol = binding.symbol
    if hint.hidden_in is not None:
        cause = f"{hint.hidden_in} defines it, and does not export it"
        return cause, f"link {hint.hidden_in} with -rdynamic  (where {symbol} is neither static nor hidden)"
    if hint.versions:
        cause = f"it is provided in {', '.join(hint.versions)} only"
        return cause, f"build {binding.user} against the library that is installed"
    if not hint.twins:
        return None, None
    cause = f"what is provided is {', '.join(hint.twins)}"
    twin = hint.twins[0]
    if symbol.startswith("_Z") != twin.startswith("_Z"):
        where = binding.user if symbol.startswith("_Z") else "the host"
        return cause, f'declare it extern "C" in the sources of {where}'
    new_abi, provided_new = bool(_CXX11_STRING.search(symbol)), bool(_CXX11_STRING.search(twin))
    if new_abi != provided_new:
        return cause, f"compile {binding.user} with -D_GLIBCXX_USE_CXX11_ABI={int(provided_new)}"
    return cause, None
