"""What goes wrong when a program opens a plugin with dlopen, in the order and in the words of its loader.

Sources: glibc ``elf/dl-load.c``, ``dl-version.c``, ``dl-lookup.c``, ``dl-reloc.c``; musl ``ldso/dynlink.c``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from soinspect.demangle.scheme import demangle
from soinspect.model.loadplan import (
    Dependency,
    DlopenPlan,
    DlopenProblem,
    Effect,
    Libc,
    LoadedObject,
    ProblemKind,
    VersionUse,
)
from soinspect.model.texts import count
from soinspect.verdict.dlfile import musl_reason, refused_file
from soinspect.verdict.dlsymbol import open_to_missing_libraries, symbols_at_first_call, symbols_that_stop
from soinspect.verdict.elsewhere import as_where_the_host_starts
from soinspect.verdict.shellwords import run

# dlopen makes no stack executable any more since this release of glibc.
_REFUSES_EXECUTABLE_STACK = (2, 41)
# What glibc leaves free in the static block by default (dl-tls.c: 1664 bytes, rounded up to 64), and what of it is
# meant for plugins of this kind (glibc.rtld.optional_static_tls).
_STATIC_TLS_SURPLUS = 1664 + 64
_STATIC_TLS_SAFE = 512
_HAS_TLS_TUNABLE = (2, 32)
_TLS_STEP = 64
_FEW = 5


def dlopen_problems(plan: DlopenPlan) -> tuple[DlopenProblem, ...]:
    """The problems in the loader's order: it stops at the first that refuses, what is only a risk comes last."""
    if plan.host.missing:
        return tuple(_Judge(*as_where_the_host_starts(plan)).problems())
    return tuple(_Judge(plan).problems())


@dataclass(frozen=True)
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
        if self.plan.already_loaded:
            return
        if self.plan.plugin.error is not None:
            yield refused_file(self.plan, self.plan.plugin.error)
            return
        yield from self._mapping()
        yield from map(_unloaded, self.plan.plugin.unloaded_versions)
        yield from map(self._version, self.plan.plugin.version_problems)
        yield from symbols_that_stop(self.plan)
        yield from self._static_tls()
        yield from self._risks()
        if self.plan.plugin.unknown and not any(it.truncated for it in self._new):
            yield DlopenProblem(
                kind=ProblemKind.FILE,
                effect=Effect.UNDECIDED,
                subject=self.plan.plugin.path,
                summary="parts of what would be loaded cannot be read",
                message=None,
                evidence=self.plan.plugin.unknown,
                fix=None,
            )

    def _host(self) -> Iterator[DlopenProblem]:
        host = self.plan.host
        effect = Effect.UNDECIDED
        evidence: tuple[str, ...] = ()
        if host.loader is None and host.objects[0].dynamic:
            summary = "the host is a library, or statically linked: it names no dynamic loader"
            fix = "name the program that opens the plugin"
        elif host.loader is None:
            summary = "the host is statically linked: it has no dynamic loader of its own"
            evidence = ("no PT_DYNAMIC; a static glibc program opens only plugins of the very same glibc",)
            fix = f"link {host.path} without -static"
        elif host.missing:
            summary = f"the host does not start here: {host.missing[0].error}"
            if self.open_questions:
                wanted = ", ".join(self.open_questions[:_FEW])
                more = f" and {len(self.open_questions) - _FEW} more" if self.open_questions[_FEW:] else ""
                evidence = (f"whether there are, where it does start, is not known: {wanted}{more}",)
            else:
                effect = Effect.RISKY
                evidence = ("wherever it starts, the plugin finds what it needs of libraries",)
            fix = "--root DIR  (the file system that it runs on)"
            if self.plan.root != "/":
                lacking = " and ".join(it.name for it in host.missing[:_FEW])
                fix = f"complete {self.plan.root}: the host needs {lacking} there"
        elif not host.complete:
            summary = "the host itself does not load here"
            missing = [f"undefined symbol: {it.symbol}" for it in host.unresolved]
            missing += [f"version `{it.version}' not found" for it in host.version_problems]
            evidence = tuple(missing[:_FEW])
            fix = f"soinspect deps {shlex.quote(host.path)}"
        else:
            return
        yield DlopenProblem(
            kind=ProblemKind.HOST,
            effect=effect,
            subject=host.path,
            summary=summary,
            message=None,
            evidence=evidence,
            fix=fix,
        )

    # -- files ---------------------------------------------------------------------------------------------

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
                summary=f"{loaded.path} is truncated: the loader maps it, and reading past its end raises SIGBUS",
                message=None,
                evidence=(loaded.truncated,),
                fix=f"copy or build {loaded.path} again",
            )
        already = any(it.executable_stack for it in self.plan.host.objects)
        if loaded.executable_stack and not already and not self._musl:
            yield self._executable_stack(loaded, name)

    def _executable_stack(self, loaded: LoadedObject, name: str) -> DlopenProblem:
        version = self.plan.host.libc_version
        summary = f"{name}: cannot enable executable stack as shared object requires: Invalid argument"
        if version is None:
            effect = Effect.UNDECIDED
        elif _numbers(version) >= _REFUSES_EXECUTABLE_STACK:
            effect = Effect.REFUSED
        else:
            effect = Effect.RISKY
            summary = f"{name} makes all stacks of the host executable; glibc 2.41 and newer refuse it"
        return DlopenProblem(
            kind=ProblemKind.EXECUTABLE_STACK,
            effect=effect,
            subject=loaded.path,
            summary=summary,
            message=summary if effect is Effect.REFUSED else None,
            evidence=(f"PT_GNU_STACK of {loaded.path} is executable or missing", f"glibc {version or 'unknown'}"),
            fix=f"patchelf --clear-execstack {shlex.quote(loaded.path)}  (or link it with -Wl,-z,noexecstack)",
        )

    def _library(self, user: LoadedObject, need: Dependency, error: str) -> DlopenProblem:
        message = error
        kind = ProblemKind.LIBRARY
        evidence = tuple(f"sought {it.path} ({it.place}): {it.result}" for it in need.attempts)
        fix: str | None = f"LD_LIBRARY_PATH=DIR {run(self.plan.host.path)}  (DIR is where {need.name} lies)"
        if self._musl:
            message = f"Error loading shared library {need.name}: {musl_reason(error)} (needed by {user.path})"
        elif need.name.startswith("libc.musl-"):
            kind = ProblemKind.LIBC
            evidence = (f"{user.path} is built for musl, {self.plan.host.path} runs on glibc", *evidence)
            fix = f"build {user.path} on a system with glibc"
        return DlopenProblem(
            kind=kind,
            effect=Effect.REFUSED,
            subject=need.name,
            summary=message,
            message=message,
            evidence=(f"needed by {user.path}", *evidence, *self._open_symbols),
            fix=fix,
            cause=next((it.result for it in need.attempts if it.result != "no such file"), None),
        )

    @cached_property
    def _open_symbols(self) -> tuple[str, ...]:
        """What cannot be told as long as a library is missing."""
        symbols = sorted({it.symbol for it in open_to_missing_libraries(self.plan.plugin)})
        if not symbols:
            return ()
        more = f" and {len(symbols) - _FEW} more" if symbols[_FEW:] else ""
        return (f"whether it provides {', '.join(symbols[:_FEW])}{more}, which nothing else does, is not known",)

    # -- names ---------------------------------------------------------------------------------------------

    def _version(self, use: VersionUse) -> DlopenProblem:
        message = f"{use.provider}: version `{use.version}' not found (required by {use.user})"
        forced = f"forced by {', '.join(map(demangle, use.symbols))}" if use.symbols else "no symbol asks for it"
        host = self.plan.host
        known = use.version.startswith("GLIBC_") and host.libc_version is not None
        return DlopenProblem(
            kind=ProblemKind.VERSION,
            effect=Effect.REFUSED,
            subject=use.version,
            summary=message,
            message=message,
            evidence=(forced,),
            fix=f"build {use.user} against the {use.library} that {host.path} runs with, or an older one",
            cause=f"the host's glibc is {host.libc_version}" if known else None,
        )

    # -- what may go wrong ---------------------------------------------------------------------------------

    def _static_tls(self) -> Iterator[DlopenProblem]:
        taking = [it for it in self._new if it.static_tls and it.tls_size]
        total = self.plan.plugin.static_tls + self.plan.static_tls_taken
        if self._musl and taking:
            message = f"Error relocating {taking[0].path}: initial-exec TLS resolves to dynamic definition"
            yield DlopenProblem(
                kind=ProblemKind.STATIC_TLS,
                effect=Effect.REFUSED,
                subject=taking[0].path,
                summary=message,
                message=message,
                evidence=(f"{taking[0].path} has {taking[0].tls_size} bytes of initial-exec thread-local storage",),
                fix=f"LD_PRELOAD={run(taking[0].path)} {run(self.plan.host.path)}",
            )
        elif taking and total > _STATIC_TLS_SAFE:
            last = taking[-1].path
            message = f"{last}: cannot allocate memory in static TLS block"
            certain = total > _STATIC_TLS_SURPLUS
            yield DlopenProblem(
                kind=ProblemKind.STATIC_TLS,
                effect=Effect.REFUSED if certain else Effect.RISKY,
                subject=last,
                summary=message if certain else f"{message}: not excluded",
                message=message if certain else None,
                evidence=(f"{total} bytes are asked for; about {_STATIC_TLS_SURPLUS} are free by default",),
                fix=self._more_static_tls(last, total),
            )

    def _more_static_tls(self, last: str, total: int) -> str:
        """How the program is started so that there is room, however the plugins were compiled."""
        version = self.plan.host.libc_version
        if version is None or _numbers(version) < _HAS_TLS_TUNABLE:
            return f"LD_PRELOAD={run(last)} {run(self.plan.host.path)}"
        room = -(-total // _TLS_STEP) * _TLS_STEP
        return f"GLIBC_TUNABLES=glibc.rtld.optional_static_tls={room} {run(self.plan.host.path)}"

    def _risks(self) -> Iterator[DlopenProblem]:
        yield from symbols_at_first_call(self.plan)
        for loaded in self._new:
            if self._musl and any(need.name == "libc.so.6" for need in loaded.needs):
                yield DlopenProblem(
                    kind=ProblemKind.LIBC,
                    effect=Effect.RISKY,
                    subject=loaded.path,
                    summary=f"{loaded.path} is built for glibc, {self.plan.host.path} runs on musl",
                    message=None,
                    evidence=("DT_NEEDED names libc.so.6, which musl takes for itself: the two differ in layouts",),
                    fix=f"build {loaded.path} on a system with musl (Alpine)",
                )
            if loaded.text_relocations:
                yield DlopenProblem(
                    kind=ProblemKind.TEXT_RELOCATIONS,
                    effect=Effect.RISKY,
                    subject=loaded.path,
                    summary=f"{loaded.path} has text relocations, which SELinux and hardened systems refuse",
                    message=None,
                    evidence=("DT_TEXTREL",),
                    fix=f"compile all of {loaded.path} with -fPIC",
                )
        new = {it.path for it in self._new}
        for lost in self.plan.plugin.interpositions:
            if lost.definer in new and lost.by not in new:
                own = ", ".join(map(demangle, lost.symbols[:_FEW]))
                yield DlopenProblem(
                    kind=ProblemKind.INTERPOSED,
                    effect=Effect.RISKY,
                    subject=lost.definer,
                    summary=f"{lost.definer} is bound to {lost.by} for its own {own}",
                    message=None,
                    evidence=(f"{count(len(lost.symbols), 'symbol')} defined by both, the host's first",),
                    fix=f"link {lost.definer} with -Wl,-Bsymbolic, or compile it with -fvisibility=hidden",
                )
        for copies in self.plan.plugin.copies:
            if not new.isdisjoint(copies.paths) and not new.issuperset(copies.paths):
                yield DlopenProblem(
                    kind=ProblemKind.COPIES,
                    effect=Effect.RISKY,
                    subject=copies.library,
                    summary=f"two versions of {copies.library} in one process: {', '.join(copies.paths)}",
                    message=None,
                    evidence=("their symbols may replace each other's, and their data must not be mixed",),
                    fix=f"build the plugin against the {copies.library} of {self.plan.host.path}",
                )


def _unloaded(use: VersionUse) -> DlopenProblem:
    message = (
        "Inconsistency detected by ld.so: dl-version.c: _dl_check_map_versions: Assertion `needed != NULL' failed!"
    )
    return DlopenProblem(
        kind=ProblemKind.VERSION,
        effect=Effect.ABORTS,
        subject=use.library,
        summary=message,
        message=message,
        evidence=(f"{use.user} needs version {use.version} of {use.library}, which no DT_NEEDED names",),
        fix=shlex.join(("patchelf", "--add-needed", use.library, use.user)),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
