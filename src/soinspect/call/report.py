"""From what was observed of a native call to the answer for the user."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from soinspect.call.explain import Scene, code_text, explain, signal_name
from soinspect.call.journal import Event, Journal
from soinspect.call.locate import Locator
from soinspect.call.monitor import End, Watched
from soinspect.call.plan import Plan, PlannedAction
from soinspect.call.stopped import Stopped
from soinspect.call.typed import result_text
from soinspect.call.unwind import backtrace
from soinspect.call.values import SHOWN_BYTES, c_string, contents_text, floating_text, hex_text, register_text
from soinspect.call.worker import protocol
from soinspect.demangle.golink import GoNames
from soinspect.model.absence import Absent
from soinspect.model.calling import (
    AbiCheck,
    CallRequest,
    CallResult,
    CallValue,
    Crash,
    HostKind,
    NativeFacts,
    Outcome,
    Register,
    Step,
    StepResult,
)
from soinspect.model.golang import GoPlugin
from soinspect.model.snapshot import InitFunction

_UNRESOLVED_FUNCTION = 127  # ld.so's exit code when a lazily bound function does not exist
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
_SHOWN_CALLBACKS = 4
_GO_PROVES_NOTHING = (
    "; it is a Go function and was called without a goroutine: that it returned proves nothing, for only functions "
    "that touch neither the stack bound nor the heap get this far"
)
_GO_BEFORE_INIT = "; read before any Go initialiser ran: a Go program sees another value if one sets it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConvention:
    """A calling convention that the worker checks: its name, and the first return registers of each class."""

    name: str
    integer: str
    vector: str


CONVENTIONS_CHECKED = {
    "x86_64": CheckedConvention(name="System V ABI for x86-64", integer="rax", vector="xmm0"),
    "aarch64": CheckedConvention(name="AAPCS64", integer="x0", vector="v0"),
}


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
        crash = None if self._done else self._crash()
        go_failed = self._go_plugin is not None and not all(step.outcome.good for step in steps)
        return CallResult(
            host=HostKind.NATIVE,
            steps=steps,
            summary=self._summary(steps, crash),
            evidence=tuple(self._evidence()),
            stdout=self.watched.stdout,
            stderr=self.watched.stderr,
            truncated=self.watched.truncated,
            crash=crash,
            fix=self._go_command() if go_failed else None,
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
                phase = f"{'reading' if planned.reads else 'calling'} {planned.text}"
            elif event.kind in (protocol.LOADED, protocol.RETURNED, protocol.CONTENTS):
                phase = "after the call"
        return phase

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
        return self._action(step, number, planned)

    def _ended(self, step: Step) -> StepResult:
        return StepResult(step=step, outcome=_OUTCOMES[self.watched.end], detail=f"it {self._end_text}")

    def _action(self, step: Step, number: int, planned: PlannedAction) -> StepResult:
        events = self.journal.about(number)
        if not events:
            return StepResult(step=step, outcome=Outcome.NOT_REACHED, detail="an earlier step ended the process")
        last = events[-1]
        if last.kind == protocol.NO_SYMBOL:
            return StepResult(step=step, outcome=Outcome.REFUSED, detail=f"the loader does not find it: {last.text}")
        if last.kind == protocol.RETURNED:
            return self._returned(step, planned, last, events)
        if last.kind == protocol.ASSIGNED:
            return StepResult(step=step, outcome=Outcome.ASSIGNED, detail="assigned")
        if last.kind == protocol.CONTENTS:
            return self._contents(step, planned, last.payload)
        return self._ended(step)

    def _returned(self, step: Step, planned: PlannedAction, last: Event, events: tuple[Event, ...]) -> StepResult:
        if len(last.payload) < protocol.RETURNED_PAYLOAD.size:
            return StepResult(step=step, outcome=Outcome.RETURNED, detail="returned; the answer was overwritten")
        value, _, vector, _, errno, seconds = protocol.RETURNED_PAYLOAD.unpack_from(last.payload)
        pointed_to = last.payload[protocol.RETURNED_PAYLOAD.size :]
        convention = CONVENTIONS_CHECKED.get(os.uname().machine)
        prototype = planned.prototype
        if prototype:
            shown = result_text(prototype.returns, value, vector, pointed_to)
            detail = f"{prototype.text} (from {prototype.source})"
            if prototype.parameters and not planned.arguments:
                detail += ", called without its arguments"
        else:
            shown, detail = _untyped(value, vector, pointed_to, convention)
        if errno:
            detail += f"; errno = {errno} ({os.strerror(errno)})"
        called_back = [e for e in events if e.kind == protocol.CALLED_BACK]
        if called_back:
            detail += f"; called back {_callback_text(called_back)}"
        if self._go_plugin:
            detail += _GO_PROVES_NOTHING
        check = next((e for e in events if e.kind == protocol.CONVENTION), None)
        abi = None
        if check and convention:
            abi = AbiCheck(convention=convention.name, violations=tuple(check.text.splitlines()))
            detail += f"; {abi.convention} {'kept' if abi.kept else 'violated: ' + '; '.join(abi.violations)}"
        outcome = Outcome.RETURNED if abi is None or abi.kept else Outcome.VIOLATED
        return StepResult(
            step=step,
            outcome=outcome,
            value=shown,
            type=prototype.returns.text if prototype else None,
            detail=detail,
            seconds=seconds,
            abi=abi,
            changed=tuple(_changed_buffers(planned, events)),
        )

    def _contents(self, step: Step, planned: PlannedAction, payload: bytes) -> StepResult:
        data = payload[protocol.CONTENTS_PAYLOAD.size :]
        size = planned.symbol.symbol.size if planned.symbol else 0
        if not data:
            return StepResult(step=step, outcome=Outcome.REFUSED, detail="its memory cannot be read")
        detail = f"type unknown: {len(data)} bytes {hex_text(data)}"
        if not size:
            detail += " (its size is not recorded)"
        elif size > len(data):
            detail += f" (of {size})"
        if self._go_plugin:
            detail += _GO_BEFORE_INIT
        return StepResult(step=step, outcome=Outcome.READ, value=contents_text(data), detail=detail)

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
        if crash:
            where = f" at {self._place(crash)}" if crash.location and self.watched.end is not End.EXITED else ""
            if crash.signal:
                return f"{crash.phase} crashed with {crash.signal}{where}: {crash.why}"
            return f"{crash.phase}: it {self._end_text}{where}"
        bad = next((s for s in steps if not s.outcome.good), None)
        if bad and bad.abi:
            violations = "; ".join(bad.abi.violations)
            return f"{bad.step.text} returned {bad.value or 'nothing'} · {bad.abi.convention} violated: {violations}"
        if bad:
            return f"{bad.step.text}: {bad.detail}"
        return "; ".join(_short(step) for step in steps)

    def _place(self, crash: Crash) -> str:
        """The place of the crash; with the caller in the file that was called into, where that is another place."""
        ours = f" in {os.path.basename(os.path.realpath(self.request.path))}"  # noqa: PTH119
        caller = next((frame for frame in crash.backtrace if ours in frame), None)
        if caller is None or caller == crash.location:
            return str(crash.location)
        return f"{crash.location}, called from {caller}"

    def _evidence(self) -> list[str]:
        watched = self.watched
        lines = [event.text for event in self.journal.events if event.kind == protocol.NOTE]
        loaded = self.journal.first(protocol.LOADED)
        fields = loaded.fields(protocol.LOADED_PAYLOAD) if loaded else None
        if fields:
            lines.insert(0, f"loaded with dlopen at {fields[0]:#x} in {fields[1] * 1000:.1f} ms")
            lines.insert(1, _constructors_text(self.facts.init_functions))
        walls = [event.text for event in self.journal.events if event.kind == protocol.WALL]
        if walls:
            lines.append(f"sandbox: {', '.join(walls)}")
        lines += (f"sandbox without {e.text}" for e in self.journal.events if e.kind == protocol.NO_WALL)
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

    def _go_command(self) -> str:
        steps = " ".join(step.text for step in self.request.steps)
        return f"soinspect call {self.request.path} {steps} --host go"

    def _crash(self) -> Crash:
        watched, last = self.watched, self.watched.last
        stopped = last if isinstance(last, Stopped) else None
        unknown = last if isinstance(last, Absent) else Absent("the kernel reported no signal to the tracer")
        signalled = watched.end is End.SIGNALLED
        scene = Scene(
            signal=watched.status,
            stopped=stopped,
            stderr=watched.stderr.decode("utf-8", "replace"),
            in_go_plugin=self._go_plugin is not None and self._in_file(stopped),
        )
        info = stopped.signal if stopped else None
        frames = self._frames(stopped) if stopped else ()
        return Crash(
            signal=signal_name(watched.status) if signalled else "",
            code=code_text(info.number, info.code) if info else "",
            address=info.address if info and info.code > 0 else unknown if not info else Absent("sent, not a fault"),
            pc=stopped.registers.pc if stopped else unknown,
            location=frames[0] if frames else unknown,
            why=explain(scene) if signalled else self._end_text,
            phase=self._phase,
            registers=_registers(stopped) if stopped else (),
            backtrace=frames,
        )

    def _locator(self, stopped: Stopped) -> Locator:
        plugin = self._go_plugin
        names = GoNames(plugin_path=plugin.path, exports=frozenset(e.name for e in plugin.exports)) if plugin else None
        if names is None and self.facts.go:
            names = GoNames()
        return Locator(stopped, self.request.path, names)

    def _frames(self, stopped: Stopped) -> tuple[str, ...]:
        with self._locator(stopped) as locator:
            return backtrace(stopped, locator)

    def _in_file(self, stopped: Stopped | None) -> bool:
        if stopped is None:
            return self._loaded
        with self._locator(stopped) as locator:
            return locator.is_in_file(stopped.registers.pc)


def _short(result: StepResult) -> str:
    text = result.step.text
    if result.outcome is Outcome.RETURNED:
        kept = f" · {result.abi.convention} kept" if result.abi else ""
        return f"{text} returned{f' {result.value}' if result.value is not None else ''}{kept}"
    if result.outcome is Outcome.READ:
        return f"{text} = {result.value}"
    if result.outcome is Outcome.ASSIGNED:
        return f"{text}: assigned"
    return f"{text}: {result.detail}"


def _untyped(value: int, vector: bytes, pointed_to: bytes, convention: CheckedConvention | None) -> tuple[str, str]:
    """The return registers of a function whose type is not known: the value as shown, and the honest sentence."""
    text = c_string(pointed_to)
    shown = f'{value:#x}, the address of "{text}"' if text else register_text(value)
    name, vector_name = (convention.integer, convention.vector) if convention else ("return register", "")
    detail = f"return type unknown: {name} = {shown}"
    number = floating_text(vector) if convention else None
    if number:
        shown += f", or {vector_name} = {number}"
        detail += f", {vector_name} = {number}"
    return shown, detail


def _changed_buffers(planned: PlannedAction, events: tuple[Event, ...]) -> Iterator[CallValue]:
    """The arguments in memory that the callee wrote to, as they are after the call."""
    for event in events:
        if event.kind != protocol.BUFFER or len(event.payload) < protocol.BUFFER_PAYLOAD.size:
            continue
        (position,) = protocol.BUFFER_PAYLOAD.unpack_from(event.payload)
        after = event.payload[protocol.BUFFER_PAYLOAD.size :]
        if position < len(planned.arguments) and planned.arguments[position].value != after:
            text = c_string(after)
            shown = json.dumps(text) if text else f'"{hex_text(after)}"'
            yield CallValue(
                type=f"{len(after)} bytes", text=shown, argument=position + 1, cut=not text and len(after) > SHOWN_BYTES
            )


def _callback_text(events: list[Event]) -> str:
    """How often callbacks were called, and the registers of the first calls: how many are arguments is not known."""
    calls = []
    for event in events[:_SHOWN_CALLBACKS]:
        fields = event.fields(protocol.CALLED_BACK_PAYLOAD)
        if fields:
            calls.append(f"({', '.join(f'{int(value):#x}' for value in fields[1:])})")
    times = "once" if len(events) == 1 else f"{len(events)} times"
    return f"{times}, with the integer registers {', '.join(calls)}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}es"


def _registers(stopped: Stopped) -> tuple[Register, ...]:
    registers = stopped.registers
    return tuple(Register(name=n, value=v) for n, v in zip(registers.names, registers.values, strict=True))


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
