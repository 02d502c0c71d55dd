"""The verdict on a host and its plugins, whatever they are written in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from soinspect.go.build import Build
from soinspect.go.cause import build_line, c_library_line
from soinspect.model.golang import GoBinaryKind
from soinspect.model.goloading import GoHost, Guest, PluginSupport, Program
from soinspect.model.loadplan import DlopenPlan, DlopenProblem, Libc, ProblemKind
from soinspect.model.verdict import PluginVerdict, Policy, Reason, Verdict
from soinspect.verdict import dlrules as rules
from soinspect.verdict.dlopen import dlopen_problems
from soinspect.verdict.dlreason import dlopen_reason
from soinspect.verdict.dlsym import check_symbols
from soinspect.verdict.goplugin import GoProcess, host_build
from soinspect.verdict.policy import breaches, for_target
from soinspect.verdict.rust import other_release

# Every Go plugin defines what its host defines, and Go's linker keeps the two apart.
_NORMAL_IN_GO = (ProblemKind.INTERPOSED, ProblemKind.COPIES)


def judge(program: Program, guests: Sequence[Guest], plans: Sequence[DlopenPlan], policy: Policy) -> Verdict:
    """What becomes of ``guests``, opened in this order by ``program``; ``plans`` say what dlopen does with each."""
    process = _Process(program, policy)
    verdicts = tuple(process.open(guest, plan) for guest, plan in zip(guests, plans, strict=True))
    return Verdict(host=program.path, plugins=verdicts)


class _Process:
    """A program, and the Go runtimes that are in it besides its own."""

    def __init__(self, program: Program, policy: Policy) -> None:
        self._program = program
        self._policy = policy
        self._go = GoProcess.of(program.go) if isinstance(program.go, GoHost) else None
        self._runtimes = [program.path] if self._go else []

    def open(self, guest: Guest, plan: DlopenPlan) -> PluginVerdict:
        """What becomes of the next plugin."""
        problems = dlopen_problems(for_target(plan, self._policy))
        if self._go is not None and not self._is_opened_by_c_code(guest):
            verdict = self._opened_by_go(self._go, guest, problems)
        else:
            verdict = self._opened_natively(guest, problems, plan.host.libc)
        # What the owner of the host asks of plugins beyond their being loaded is asked of any.
        reasons = (*verdict.reasons, *breaches(guest, plan, self._policy), *_misfits(guest))
        return replace(verdict, reasons=reasons, remarks=guest.remarks)

    def _is_opened_by_c_code(self, guest: Guest) -> bool:
        """A Go program without package plugin can only mean dlopen when it opens what is no Go plugin."""
        host = self._program.go
        return isinstance(host, GoHost) and host.support is PluginSupport.NONE and not guest.is_go_plugin

    def _opened_by_go(self, process: GoProcess, guest: Guest, problems: Sequence[DlopenProblem]) -> PluginVerdict:
        of_go = [
            it
            for it in problems
            if not (guest.is_go_plugin and it.kind in _NORMAL_IN_GO)
            and not (process.host.static and it.kind is ProblemKind.HOST)  # which the model of Go's runtime knows
        ]
        reasons = [dlopen_reason(it, guest.identity, opened_as=guest.path) for it in of_go]
        reasons = [_of_a_program(it, guest, process.host) for it in reasons]
        return process.open(guest, self._policy.required_of(guest.path), reasons)

    def _opened_natively(self, guest: Guest, problems: Sequence[DlopenProblem], libc: Libc) -> PluginVerdict:
        reasons = [_of_a_program(dlopen_reason(it, guest.path), guest, None) for it in problems]
        reasons += self._runtime(guest)
        reasons += other_release(self._program, guest)
        steps = list(check_symbols(guest, self._policy.required_of(guest.path), libc))
        reasons += (it for it in steps if isinstance(it, Reason))
        passed = tuple(it for it in steps if isinstance(it, str))
        return PluginVerdict(path=guest.path, reasons=tuple(reasons), passed=passed)

    def _runtime(self, guest: Guest) -> Iterator[Reason]:
        if not guest.go:
            return
        if guest.is_go_plugin:
            yield rules.GO_PLUGIN.found("a Go plugin works in Go programs only: nothing starts its runtime here")
        elif guest.go.kind is GoBinaryKind.C_SHARED:
            if self._runtimes:
                yield rules.TWO_GO_RUNTIMES.found(
                    f"a second Go runtime in one process: {self._runtimes[0]} has one already",
                    evidence=(f"{guest.path} is a Go c-shared library built by {guest.go.version.text}",),
                )
            self._runtimes.append(guest.path)


def _of_a_program(reason: Reason, guest: Guest, host: GoHost | None) -> Reason:
    """The refusal of a Go program, which is to be built as a plugin of ``host`` (None: in C); others as they are."""
    if reason.rule != rules.FILE.id or not guest.go or guest.go.kind not in (GoBinaryKind.EXECUTABLE, GoBinaryKind.PIE):
        return reason
    name = PurePath(guest.path).name
    facts = replace(guest.go, kind=GoBinaryKind.PLUGIN)
    build = Build(name="plugin", file=name if name.endswith(".so") else f"{name}.so", facts=facts)
    fix = build_line(host_build(host), build) if host else c_library_line(build)
    cause = "it is a Go program, not a plugin"
    return replace(reason, summary=f"{reason.summary}: {cause}", cause=cause, fix=fix)


def _misfits(guest: Guest) -> Iterator[Reason]:
    """What the hosts of plugins of this kind will not like, whatever program opens it here."""
    for problem in guest.misfits:
        rule = rules.MISFIT if problem.refused else rules.MISFIT_RISK
        yield rule.found(problem.summary, fix=problem.fix)
