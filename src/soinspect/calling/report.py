"""From what was observed of a native call to the answer for the user."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

from soinspect.calling.aggregates import value_text
from soinspect.calling.arguments import Argument
from soinspect.calling.explain import Buffer, signal_name
from soinspect.calling.gotrace import Death, read_death
from soinspect.calling.journal import Event, Journal
from soinspect.calling.monitor import End, Watched
from soinspect.calling.plan import Plan, PlannedAction
from soinspect.calling.returns import pointed_to_by, report_return, timing_text
from soinspect.calling.values import contents_text, hex_text
from soinspect.calling.worker import protocol
from soinspect.model.absence import Absent
from soinspect.model.calling import (
    CallRequest,
    CallResult,
    Crash,
    HostKind,
    NativeFacts,
    Outcome,
    Step,
    StepResult,
)
from soinspect.model.golang import GoBinaryKind, GoPlugin
from soinspect.model.snapshot import InitFunction

_UNRESOLVED_FUNCTION = 127  # ld.so's exit code when a lazily bound function does not exist
# How Go's runtime ends the process after a panic: by signals with GOTRACEBACK=crash, which libraries begin with.
_GO_ENDS = {End.EXITED: (2,), End.SIGNALLED: (signal.SIGABRT, signal.SIGQUIT)}
_OUTCOMES = {
    End.EXITED: Outcome.EXITED,
    End.SIGNALLED: Outcome.CRASHED,
    End.TIMED_OUT: Outcome.TIMED_OUT,
    End.TOO_MUCH_OUTPUT: Outcome.OVER_LIMIT,
    End.TOO_MANY_PROCESSES: Outcome.OVER_LIMIT,
}
# What compilers put into every library: it runs, but it is not the author's code.
_COMPILERS_OWN = frozenset({"_init", "frame_dummy", "register_tm_clones"})
_SHOWN_CONSTRUCTORS = 20
_CALLS = (protocol.CALL, protocol.CALL_WITH_INTERPRETER_LOCK)
_FINISHED = (protocol.RETURNED, protocol.CONTENTS, protocol.ASSIGNED)
_NAMESPACE = (
    "in a namespace of its own (dlmopen), with a C library of its own: errno is not seen, nothing that the host "
    "process has loaded is shared, and debuggers may not know its symbols"
)
_GO_BEFORE_INIT = "; read before any Go initialiser ran: a Go program sees another value if one sets it"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is known of one call, and the answer made of it."""

    request: CallRequest
    facts: NativeFacts
    plan: Plan
    watched: Watched
    journal: Journal

    def result(self) -> CallResult:
        """The answer."""
        steps = tuple(self._step(index, step) for index, step in enumerate(self.request.steps))
        crash = None
        if not self._done:
            from soinspect.calling.postmortem import report_end  # the unwinder and the like, which few calls need

            crash = report_end(
                self.request,
                self.facts,
                self.watched,
                phase=self._phase,
                end_text=self._end_text,
                loaded=self._loaded,
                buffers=tuple(self._buffers()),
            )
            if self._running:
                crash = replace(crash, called_as=self._running.called_as)
            if self._go_death:
                crash = replace(crash, why=f"it {_go_words(self._go_death)}")
        return CallResult(
            host=HostKind.NATIVE,
            steps=steps,
            summary=self._summary(steps, crash),
            evidence=tuple(self._evidence()),
            stdout=self.watched.stdout,
            stderr=self.watched.stderr,
            truncated=self.watched.truncated,
            crash=crash,
            fix=None if all(step.outcome.good for step in steps) else self._fix(),
        )

    # -- what happened -------------------------------------------------------------------------------------

    @cached_property
    def _done(self) -> bool:
        return self.journal.first(protocol.DONE) is not None and self.watched.end is End.EXITED

    @cached_property
    def _loaded(self) -> bool:
        return self.journal.first(protocol.LOADED) is not None

    @cached_property
    def _go_plugin(self) -> GoPlugin | None:
        return (self.facts.go or None) and (self.facts.go.plugin or None)

    def _buffers(self) -> Iterator[Buffer]:
        """The arguments in memory of all calls: callees may keep their addresses."""
        for event in self.journal.events:
            fields = event.fields(protocol.PLACED_PAYLOAD) if event.kind == protocol.PLACED else None
            planned = self.plan.actions[event.action] if event.action < len(self.plan.actions) else None
            if fields and planned and fields[0] < len(planned.arguments):
                position, start, size = map(int, fields)
                what = f"argument {position + 1}, {planned.arguments[position].text}"
                yield Buffer(what=what, start=start, size=size)

    @cached_property
    def _callbacks(self) -> dict[tuple[int, int], Argument]:
        """All callbacks, by the index of the action and the position of the argument."""
        return {
            (number, position): argument
            for number, action in enumerate(self.plan.actions)
            for position, argument in enumerate(action.arguments)
            if argument.kind == protocol.CALLBACK
        }

    @cached_property
    def _go_death(self) -> Death | None:
        """What the Go runtime of a c-shared library said when it ended the process, as it does on a panic."""
        in_library = self.facts.go and self.facts.go.kind is GoBinaryKind.C_SHARED
        is_deadly = self.watched.status in _GO_ENDS.get(self.watched.end, ())
        return read_death(self.watched.stderr, "") if in_library and is_deadly else None

    @cached_property
    def _phase(self) -> str:
        """What was going on when the process ended."""
        phases = {protocol.LOADING: "loading it", protocol.UNLOADING: "unloading it"}
        phase = "starting"
        for event in self.journal.events:
            if event.kind in phases:
                phase = phases[event.kind]
            elif event.kind == protocol.BEGUN and event.action < len(self.plan.actions):
                planned = self.plan.actions[event.action]
                phase = planned.doing
            elif event.kind in (protocol.LOADED, *_FINISHED):
                phase = "after the call"
        return phase

    @cached_property
    def _running(self) -> PlannedAction | None:
        """The call during which the process ended."""
        running = None
        for event in self.journal.events:
            if event.kind == protocol.BEGUN and event.action < len(self.plan.actions):
                running = self.plan.actions[event.action]
            elif event.kind in (*_FINISHED, protocol.UNLOADING):
                running = None
        return running if running and running.action.kind in _CALLS else None

    @cached_property
    def _end_text(self) -> str:
        """How the process ended, as the rest of a sentence."""
        watched = self.watched
        if watched.end is End.SIGNALLED:
            return f"died of {signal_name(watched.status)}"
        if watched.end is End.TIMED_OUT:
            return f"was not done after {self.request.limits.timeout:g} s, and was stopped"
        if watched.end is not End.EXITED:
            return f"{watched.end.value}"
        if self.journal.damaged:
            return "ended, and the callee had written over the answer"
        if watched.status == _UNRESOLVED_FUNCTION and b"symbol lookup error" in watched.stderr:
            lines = watched.stderr.decode("utf-8", "replace").splitlines()
            reason = next(line for line in lines if "symbol lookup error" in line)
            return f"needed a function that no library provides: {reason.rpartition('error: ')[2]}"
        return f"ended the whole process with exit code {watched.status}"

    # -- steps ---------------------------------------------------------------------------------------------

    def _step(self, index: int, step: Step) -> StepResult:
        failed = self.journal.first(protocol.LOAD_FAILED)
        if failed:
            return StepResult(step=step, outcome=Outcome.REFUSED, detail=_load_failure(failed.text))
        if not self._loaded:
            return self._ended(step)
        mine = [(number, planned) for number, planned in enumerate(self.plan.actions) if planned.step == index]
        if step.symbol is None:
            return self._initialisation(step, mine)
        number, planned = mine[0]
        result = self._action(step, number, planned)
        if result.outcome.good and planned.disagreement:
            detail = f"{planned.disagreement}; {result.detail}"
            return replace(result, outcome=Outcome.DISAGREED, detail=detail)
        return result

    def _ended(self, step: Step) -> StepResult:
        death = self._go_death
        if death:
            return StepResult(
                step=step,
                outcome=Outcome.PANICKED if death.is_panic else Outcome.CRASHED,
                detail=f"it {_go_words(death)}",
                backtrace=tuple(map(str, death.frames)),
            )
        return StepResult(step=step, outcome=_OUTCOMES[self.watched.end], detail=f"it {self._end_text}")

    def _action(self, step: Step, number: int, planned: PlannedAction) -> StepResult:
        events = self.journal.about(number)
        if not events:
            return StepResult(step=step, outcome=Outcome.NOT_REACHED, detail="an earlier step ended the process")
        last = events[-1]
        if last.kind == protocol.NO_SYMBOL:
            return StepResult(step=step, outcome=Outcome.REFUSED, detail=f"the loader does not find it: {last.text}")
        if last.kind == protocol.RETURNED:
            in_go_plugin = self._go_plugin is not None
            return report_return(step, planned, events, callbacks=self._callbacks, in_go_plugin=in_go_plugin)
        if last.kind == protocol.ASSIGNED:
            detail = "; ".join(("assigned", *planned.notes))
            return StepResult(step=step, outcome=Outcome.ASSIGNED, detail=detail)
        if last.kind == protocol.CONTENTS:
            return self._contents(step, planned, events)
        return self._ended(step)

    def _contents(self, step: Step, planned: PlannedAction, events: tuple[Event, ...]) -> StepResult:
        data = events[-1].payload[protocol.CONTENTS_PAYLOAD.size :]
        kind = planned.variable.type if planned.variable else None
        size = planned.symbol.symbol.size if planned.symbol else 0
        if not data:
            return StepResult(step=step, outcome=Outcome.REFUSED, detail="its memory cannot be read")
        if kind and len(data) == kind.size:
            value = value_text(kind, data, dict(pointed_to_by(events)))
            detail = f"{kind.text} (from {planned.source})"
        else:
            value = contents_text(data)
            detail = f"type unknown: {len(data)} bytes {hex_text(data)}"
            if not size:
                detail += " (its size is not recorded)"
            elif size > len(data):
                detail += f" (of {size})"
        detail += "".join(f"; {note}" for note in planned.notes)
        if self._go_plugin:
            detail += _GO_BEFORE_INIT
        type_text = kind.text if kind else None
        return StepResult(step=step, outcome=Outcome.READ, value=value, type=type_text, detail=detail)

    def _initialisation(self, step: Step, mine: list[tuple[int, PlannedAction]]) -> StepResult:
        functions = self.facts.init_functions
        if self._go_plugin:
            detail = "loaded, but none of its Go initialisers ran: dlopen starts no Go runtime; the Go host runs them"
            return StepResult(step=step, outcome=Outcome.REFUSED, detail=detail)
        said = [_constructors_text(functions)]
        outcome = Outcome.INITIALISED
        if not mine and all(f.name in _COMPILERS_OWN for f in functions):
            outcome = Outcome.NOTHING_TO_RUN
        for number, planned in mine:
            result = self._action(step, number, planned)
            convention = planned.convention
            host = f" ({convention.host} entry point, {convention.prototype})" if convention else ""
            said.append(f"{planned.text}{host}: {result.detail}")
            if not result.outcome.good:
                outcome = result.outcome
                break
        said += (
            f"{symbol.symbol.name} ({convention.host} entry point, {convention.prototype}): not called"
            for symbol, convention in self.plan.not_called
        )
        loaded = self.journal.first(protocol.LOADED)
        fields = loaded.fields(protocol.LOADED_PAYLOAD) if loaded else None
        return StepResult(step=step, outcome=outcome, detail="; ".join(said), seconds=fields[1] if fields else None)

    # -- the whole -----------------------------------------------------------------------------------------

    def _summary(self, steps: tuple[StepResult, ...], crash: Crash | None) -> str:
        if crash and self._go_death:
            return f"{crash.phase}: it {_go_words(self._go_death)}"
        if crash:
            from soinspect.calling.postmortem import place_of

            where = (
                f" at {place_of(crash, self.request.path)}"
                if crash.location and self.watched.end is not End.EXITED
                else ""
            )
            if crash.signal:
                return f"{crash.phase} crashed with {crash.signal}{where}: {crash.why}"
            return f"{crash.phase}: it {self._end_text}{where}"
        bad = next((s for s in steps if not s.outcome.good), None)
        if bad and bad.outcome is Outcome.VIOLATED and bad.abi:
            violations = "; ".join(bad.abi.violations)
            return f"{bad.step.text} returned {bad.value or 'nothing'} · {bad.abi.convention} violated: {violations}"
        if bad and bad.outcome is Outcome.DISAGREED and bad.value is not None:
            return f"{bad.step.text} {'returned' if bad.abi else 'is'} {bad.value}, but {bad.detail}"
        if bad:
            return f"{bad.step.text}: {bad.detail}"
        return "; ".join(_short(step) for step in steps)

    def _evidence(self) -> list[str]:
        watched = self.watched
        lines = [event.text for event in self.journal.events if event.kind == protocol.NOTE]
        loaded = self.journal.first(protocol.LOADED)
        fields = loaded.fields(protocol.LOADED_PAYLOAD) if loaded else None
        if fields:
            lines.insert(0, f"loaded with dlopen at {fields[0]:#x} in {fields[1] * 1000:.1f} ms")
            if all(step.symbol is not None for step in self.request.steps):
                lines.insert(1, _constructors_text(self.facts.init_functions))
        if self.request.namespace:
            lines.append(_NAMESPACE)
        walls = [event.text for event in self.journal.events if event.kind == protocol.WALL]
        if walls:
            lines.append(f"sandbox: {', '.join(walls)}")
        lines += (f"sandbox without {e.text}" for e in self.journal.events if e.kind == protocol.NO_WALL)
        if not watched.traced:
            stood_in = "" if isinstance(watched.last, Absent) else ": a signal handler told where it was"
            lines.append(f"not watched through ptrace, which is not allowed or not known here{stood_in}")
        if watched.processes > 1:
            lines.append(f"it started {_counted(watched.processes - 1, 'more process')}")
        if watched.left_behind:
            verb = "was" if watched.left_behind == 1 else "were"
            lines.append(f"{_counted(watched.left_behind, 'process')} outlived the call and {verb} killed")
        if self.journal.damaged:
            lines.append("the callee wrote over the memory that the answer lies in: it may be incomplete or untrue")
        if isinstance(watched.last, Absent) and watched.end is not End.EXITED:
            lines.append(f"where it was is not known: {watched.last.reason}")
        return lines

    def _fix(self) -> str | None:
        """A command that would do better: the Go host for a plugin, cgo's header for an untyped call of a library."""
        path = shlex.quote(self.request.path)
        words = " ".join((path, *(shlex.quote(step.text) for step in self.request.steps)))
        if self._go_plugin:
            named = {re.split(r"[(=]", step.symbol)[0] for step in self.request.steps if step.symbol is not None}
            # A Go host looks exports up, and nothing else.
            is_exported = named <= {export.name for export in self._go_plugin.exports}
            return f"soinspect call {words if is_exported else f'{path} --init'} --host go"
        if self._go_death and any(action.prototype is None for action in self.plan.actions):
            return f"soinspect call {words} --header {shlex.quote(str(PurePath(self.request.path).with_suffix('.h')))}"
        return None


def _short(result: StepResult) -> str:
    text = result.step.text
    if result.outcome is Outcome.RETURNED:
        kept = f" · {result.abi.convention} kept" if result.abi else ""
        timed = f" · {timing_text(result.timing)}" if result.timing else ""
        return f"{text} returned{f' {result.value}' if result.value is not None else ''}{kept}{timed}"
    if result.outcome is Outcome.READ:
        return f"{text} = {result.value}"
    if result.outcome is Outcome.ASSIGNED:
        return f"{text}: assigned"
    return f"{text}: {result.detail}"


def _go_words(death: Death) -> str:
    """How a Go library ended, as the rest of a sentence."""
    what = "panicked" if death.is_panic else "was ended by the Go runtime"
    fault = f" ({death.signal} at address {death.address or 0:#x})" if death.signal else ""
    code = ", in C code that Go called" if death.in_c else ""
    place = f", in {death.frames[0].short}" if death.frames else ""
    return f"{what}: {death.message}{fault}{code}{place}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}es"


def _constructors_text(functions: tuple[InitFunction, ...]) -> str:
    if not functions:
        return "loading ran no constructors: it has none"
    names = [f"{f.name or f'function at {f.address:#x}'} ({f.listed_in})" for f in functions[:_SHOWN_CONSTRUCTORS]]
    more = f" and {len(functions) - _SHOWN_CONSTRUCTORS} more" if len(functions) > _SHOWN_CONSTRUCTORS else ""
    own = ", all of them the compiler's own" if all(f.name in _COMPILERS_OWN for f in functions) else ""
    count = f"{len(functions)} constructor" + ("s" if len(functions) > 1 else "")
    return f"loading ran {count}{own}: {', '.join(names)}{more}"


def _load_failure(reason: str) -> str:
    """The dynamic linker's refusal in our words, its own words kept."""
    if "cannot open shared object file" in reason:
        missing = reason.partition(":")[0]
        words = f"a library that it needs, {missing}, was not found"
    elif "undefined symbol" in reason:
        symbol = reason.partition("undefined symbol: ")[2].split(",")[0].strip()
        words = f"it needs the symbol {symbol}, which no loaded library provides"
    elif "version `" in reason:
        words = "it needs a newer version of a library than there is here"
    elif "static TLS" in reason:
        words = "it needs room in the static TLS block, which is full: it must be loaded at program start"
    else:
        words = "the dynamic linker refuses it"
    return f"{words} (dlopen: {reason})"
