"""What a run of the Go host means: host's events, exit status and stderr, put into an answer."""

from __future__ import annotations

import signal
from itertools import groupby
from pathlib import PurePath

from soinspect.calling.gochild import ChildRun, HostEvent
from soinspect.calling.gotrace import Death, Frame, read_death, read_goroutines, shorten, starters
from soinspect.model.absence import Absent
from soinspect.model.calling import (
    CallRequest,
    CallResult,
    CallValue,
    Crash,
    HostKind,
    Outcome,
    Step,
    StepResult,
)
from soinspect.model.golang import GoPlugin
from soinspect.model.lateclass import dataclass

_OPENING = -1
_EXIT_OF_THE_RUNTIME = 2
_TASK_DONE = 2
_OUR_SIGNAL = "SIGQUIT"
_LONGEST_SHOWN = 200
_OUT_OF_MEMORY = "out of memory"
_OUTCOMES = {"returned": Outcome.RETURNED, "read": Outcome.READ, "assigned": Outcome.ASSIGNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why the run ended before all was done: at which step (-1: while opening), and how."""

    step: int
    outcome: Outcome
    detail: str
    frames: tuple[Frame, ...] = ()
    crash: Crash | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The answer to a request, made from what the host and its process left.

    ``host`` names the host in a sentence (``"a go1.27.3 host"``), ``evidence`` says how it was come by.
    """

    request: CallRequest
    plugin: GoPlugin
    host: str
    evidence: tuple[str, ...]
    run: ChildRun

    def result(self) -> CallResult:
        """The whole answer."""
        failure = self._failure()
        results = tuple(self._results(failure))
        return CallResult(
            host=HostKind.GO,
            steps=results,
            summary=f"{PurePath(self.request.path).name}: {self._summary(results)}",
            evidence=self._all_evidence(),
            stdout=self.run.stdout,
            stderr=self.run.stderr,
            truncated=self.run.truncated,
            crash=failure.crash if failure else None,
        )

    def _results(self, failure: _Failure | None) -> list[StepResult]:
        results: list[StepResult] = []
        position = 0
        failed = False
        for step in self.request.steps:
            here = _OPENING if step.symbol is None else position
            position += step.symbol is not None
            if failed:
                results.append(
                    StepResult(step=step, outcome=Outcome.NOT_REACHED, detail="an earlier step ended the run")
                )
            elif failure is not None and failure.step <= here:  # a failed opening fails the first step, whatever it is
                failed = True
                backtrace = () if failure.crash else _lines(failure.frames)
                results.append(
                    StepResult(step=step, outcome=failure.outcome, detail=failure.detail, backtrace=backtrace)
                )
            else:
                results.append(self._initialised(step) if here == _OPENING else self._done(step, here))
        return results

    def _summary(self, results: tuple[StepResult, ...]) -> str:
        bad = next((result for result in results if not result.outcome.good), None)
        if bad is not None:
            return bad.detail
        if len(results) == 1:
            return results[0].detail
        return f"{len(results)} steps completed in {self.host}"

    # -- what went well ------------------------------------------------------------------------------------

    def _event(self, name: str) -> HostEvent | None:
        return next((event for event in self.run.events if event.name == name), None)

    def _initialised(self, step: Step) -> StepResult:
        opened = self._event("opened")
        own = self._own_initialisers()
        outcome = Outcome.INITIALISED
        if isinstance(own, Absent):
            detail = f"init completed in {self.host}; which initialisers it has is unknown: {own.reason}"
        elif own:
            ran = f"{len(own)} initialiser{'s' * (len(own) > 1)} of its own ran ({', '.join(own)})"
            detail = f"init completed in {self.host}: {ran}"
        else:
            outcome = Outcome.NOTHING_TO_RUN
            detail = f"opened in {self.host}: it has no initialiser of its own, those of its dependencies have run"
        seconds = opened.nanoseconds / 1e9 if opened else None
        return StepResult(step=step, outcome=outcome, detail=detail, seconds=seconds)

    def _own_initialisers(self) -> tuple[str, ...] | Absent:
        tasks = self.plugin.init_tasks
        if isinstance(tasks, Absent):
            return tasks
        names = (function.name for task in tasks for function in task.functions)
        return tuple(shorten(name, self.plugin.path) for name in names if name.startswith(f"{self.plugin.path}."))

    def _done(self, step: Step, position: int) -> StepResult:
        event = next((e for e in self.run.events if e.step == position and e.name in _OUTCOMES), None)
        if event is None:
            return StepResult(step=step, outcome=Outcome.NOT_REACHED, detail="the host did not report this step")
        value = ", ".join(v.text for v in event.values) or None
        shown = ", ".join(map(_shown, event.values))
        types = ", ".join(v.type for v in event.values) or None
        if types and len(event.values) > 1:
            types = f"({types})"
        if event.name == "returned":
            detail = f"{step.text} returned {shown} {_bracketed(types)}" if types else f"{step.text} returned"
        else:
            detail = f"{step.text.partition('=')[0]} = {shown} {_bracketed(types)}"
        for change in event.changed:
            detail += f"; argument {change.argument} is now {_shown(change)}"
        return StepResult(
            step=step,
            outcome=_OUTCOMES[event.name],
            value=value,
            type=types,
            detail=detail,
            seconds=event.nanoseconds / 1e9 if event.name == "returned" else None,
            values=event.values,
            changed=event.changed,
        )

    def _all_evidence(self) -> tuple[str, ...]:
        evidence = list(self.evidence)
        opened, done = self._event("opened"), self._event("done")
        if opened is not None:
            evidence.append(f"plugin.Open returned after {opened.nanoseconds / 1e6:.1f} ms")
            if opened.state == _TASK_DONE:
                evidence.append("the state of the plugin's init task in the live process was 2 (done)")
            if opened.goroutines > 0:
                evidence.append(f"{opened.goroutines} goroutine(s) started by init were running")
        if done is not None and done.goroutines > 0:
            by = starters(done.stack, self.plugin.path)
            evidence.append(
                f"{done.goroutines} goroutine(s) of the plugin were still running at the end"
                + (f", started by {', '.join(by)}" if by else "")
            )
        if self.run.walls:
            evidence.append(f"sandbox: {', '.join(self.run.walls)}")
        evidence += (f"sandbox without {wall}" for wall in self.run.missing)
        if self.run.left_behind:
            evidence.append(f"{self.run.left_behind} process(es) that the plugin left behind were killed")
        return tuple(evidence)

    # -- what went wrong -----------------------------------------------------------------------------------

    def _failure(self) -> _Failure | None:
        """How the run failed, or None when the host reached its end."""
        if not self.run.events:
            complaint = self.run.stderr.decode("utf-8", "replace").strip()[:500]
            ended = complaint or f"exit status {self.run.returncode}"
            return _Failure(step=_OPENING, outcome=Outcome.CRASHED, detail=f"the host did not start: {ended}")
        last = self.run.events[-1]
        if last.name == "done":
            return None
        what, step = self._stage(last)
        if last.name == "refused":
            outcome = Outcome.REFUSED if step == _OPENING else Outcome.UNFIT
            return _Failure(step=step, outcome=outcome, detail=_refusal(last, what))
        if last.name in ("panic", "goexit"):
            return self._panic(last, what, step)
        if self.run.too_many_processes:
            detail = f"{what} was stopped because it started too many processes"
            return _Failure(step=step, outcome=Outcome.OVER_LIMIT, detail=detail)
        death = read_death(self.run.stderr, self.plugin.path)
        if self.run.timed_out and (death is None or death.signal == _OUR_SIGNAL):
            return self._timeout(death, what, step)
        if death is not None and self.run.returncode == _EXIT_OF_THE_RUNTIME:
            return self._death(death, what, step)
        if self.run.returncode < 0:
            return self._killed(what, step)
        detail = f"{what} ended the process: exit status {self.run.returncode}"
        return _Failure(step=step, outcome=Outcome.EXITED, detail=detail)

    def _stage(self, last: HostEvent) -> tuple[str, int]:
        """What was going on at the last event, in words, and the step to blame."""
        if last.name == "preloaded":
            return "before the plugin was opened, the initialisers of the host program", _OPENING
        texts = [step.text for step in self.request.steps if step.symbol is not None]
        if not 0 <= last.step < len(texts):
            return ("after init, the plugin" if last.name == "opened" else "init"), _OPENING
        text = texts[last.step]
        return (f"after {text}, the plugin" if last.name in _OUTCOMES else text), last.step

    def _panic(self, event: HostEvent, what: str, step: int) -> _Failure:
        if event.name == "goexit":
            detail = f"{what} ended its goroutine (runtime.Goexit)"
            return _Failure(step=step, outcome=Outcome.EXITED, detail=detail)
        goroutines = read_goroutines(event.stack, self.plugin.path)
        frames = goroutines[0].plugin_frames if goroutines else ()
        detail = f"{what} panicked: {event.reason.partition(chr(10))[0]} ({event.type}){_place(frames)}"
        return _Failure(step=step, outcome=Outcome.PANICKED, detail=detail, frames=frames)

    def _timeout(self, death: Death | None, what: str, step: int) -> _Failure:
        goroutines = death.goroutines if death else ()
        frames = next((g.plugin_frames for g in goroutines if g.of_the_step), ())
        detail = f"{what} did not end within {self.request.limits.timeout:g} s{_place(frames)}"
        return _Failure(step=step, outcome=Outcome.TIMED_OUT, detail=detail, frames=frames)

    def _death(self, death: Death, what: str, step: int) -> _Failure:
        frames = death.frames
        if death.in_c:
            why = f"{what} crashed in C code with {death.signal}{_place(frames)}"
        elif death.is_panic and death.in_step:
            why = f"{what} panicked: {death.message}{_place(frames)}"
        elif death.is_panic:
            why = f"{what} panicked in a goroutine that nobody guards: {death.message}{_place(frames)}"
        else:
            why = f"{what} was ended by the Go runtime: {death.message}{_place(frames)}"
        outcome = Outcome.PANICKED if death.is_panic else Outcome.CRASHED
        if _OUT_OF_MEMORY in death.message:
            outcome = Outcome.OVER_LIMIT
            why = f"{what} needed more memory than the limit of {self.request.limits.memory >> 20} MB{_place(frames)}"
        unknown = Absent("not reported by the Go runtime")
        crash = death.signal and Crash(
            signal=death.signal,
            code=death.code,
            address=unknown if death.address is None else death.address,
            pc=unknown if death.pc is None else death.pc,
            location=str(frames[0]) if frames else unknown,
            why=why,
            backtrace=_lines(frames[1:]),
        )
        return _Failure(step=step, outcome=outcome, detail=why, frames=frames, crash=crash or None)

    def _killed(self, what: str, step: int) -> _Failure:
        """The process died of a signal that Go's runtime did not see, or could not report."""
        number = -self.run.returncode
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        why = f"{what} was killed by {name}"
        unseen = Absent("the process was not observed")
        crash = Crash(signal=name, code="", address=unseen, pc=unseen, location=unseen, why=why)
        return _Failure(step=step, outcome=Outcome.CRASHED, detail=why, crash=crash)


def _refusal(event: HostEvent, what: str) -> str:
    if event.step == _OPENING:
        return f"plugin.Open refused it: {event.reason}"
    return f"{what}: {event.reason}" + (f"; its type is {event.type}" if event.type else "")


def _lines(frames: tuple[Frame, ...]) -> tuple[str, ...]:
    """A stack as text; a recursion is one line."""
    runs = ((str(frame), sum(1 for _ in run)) for frame, run in groupby(frames))
    return tuple(f"{frame} ({times} times or more)" if times > 1 else frame for frame, times in runs)


def _place(frames: tuple[Frame, ...]) -> str:
    """Where it was, for a sentence: the innermost frame of the plugin's own package, else the innermost one."""
    own = next((frame for frame in frames if frame.function.startswith("main.")), None)
    if own is None:
        return f", in {frames[0].short}" if frames else ""
    return f", in {own.short}"


def _shown(value: CallValue) -> str:
    """The value for a sentence: with the type inside of an interface, and not too long."""
    text = value.text if len(value.text) <= _LONGEST_SHOWN else f"{value.text[:_LONGEST_SHOWN]}..."
    dynamic = f" ({value.dynamic})" if value.dynamic and value.dynamic != "*errors.errorString" else ""
    return f"{text}{dynamic}"


def _bracketed(types: str | None) -> str:
    return types if types and types.startswith("(") else f"({types})"
