"""The answer of ``soinspect call``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soinspect.model.absence import Absent
from soinspect.model.calling import CallResult, Crash, Instruction, Outcome, StepResult
from soinspect.render.line import FIX, Line
from soinspect.render.text import printable

_LABEL = 10
_FEW_FRAMES = 12
_GO_DUMP = b"SIGQUIT: quit\n"  # its first line, since Go 1.0 (src/runtime/signal_unix.go)


def call_lines(result: CallResult, *, verbose: bool) -> Iterator[Line]:
    """The outcome, each step, what the callee printed, the crash if there was one, and the fix."""
    yield Line.of((printable(result.summary), "bold green" if result.good else "bold red"))
    for step in result.steps:
        if len(result.steps) > 1:
            yield _row(step.step.text, _step_text(step))
        elif step.detail and step.detail not in result.summary and result.crash is None:
            yield _row("note", step.detail)
    for step in result.steps:
        label = "stopped at" if step.outcome is Outcome.TIMED_OUT else "panic at"
        yield from (_row(label if n == 0 else "", frame) for n, frame in enumerate(step.backtrace))
    for name, data in (("stdout", result.stdout), ("stderr", result.stderr if verbose else _without_dump(result))):
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines()):
            yield _row(name if number == 0 else "", line)
    if result.truncated:
        yield _row("", "(more was printed than is kept)")
    if result.crash is not None:
        yield from _crash(result.crash, result.summary, verbose=verbose)
    for number, line in enumerate(result.evidence if verbose else ()):
        yield _row("how" if number == 0 else "", line)
    if result.fix:
        yield _row(FIX, result.fix)


def _without_dump(result: CallResult) -> bytes:
    """What was written to stderr, without the goroutine dump that we had the Go runtime write at the time limit."""
    if not any(step.outcome is Outcome.TIMED_OUT for step in result.steps):
        return result.stderr
    printed, quit_, _ = result.stderr.partition(_GO_DUMP)
    return printed + b"(all goroutines: -v)" if quit_ else printed


def _row(label: str, text: str) -> Line:
    return Line.of("  ", (label.ljust(_LABEL), "cyan"), "  ", printable(text), copied=label == FIX)


def _step_text(step: StepResult) -> str:
    answer = f"{step.outcome} {step.value}" if step.value else str(step.outcome)
    if not step.detail:
        return answer
    told = step.value is None or re.search(rf"(?<!\w){re.escape(step.value)}(?!\w)", step.detail)
    return step.detail if told else f"{answer}; {step.detail}"


def _crash(crash: Crash, summary: str, *, verbose: bool) -> Iterator[Line]:
    if crash.signal:
        code = f" ({crash.code})" if crash.code else ""
        yield _row("signal", f"{crash.signal}{code}{f', while {crash.phase}' if crash.phase else ''}")
        address = crash.address
        yield _row("address", address.reason if isinstance(address, Absent) else f"{address:#x}")
    if crash.called_as:
        yield _row("called as", crash.called_as)
    yield _row("where", crash.location.reason if isinstance(crash.location, Absent) else crash.location)
    if not isinstance(crash.instruction, Absent):
        yield _row("code", _instruction_text(crash.instruction))
    if crash.why not in summary:
        yield _row("why", crash.why)
    frames = crash.backtrace if verbose else crash.backtrace[:_FEW_FRAMES]
    for number, frame in enumerate(frames):
        yield _row("called by" if number == 0 else "", frame)
    if len(crash.backtrace) > len(frames):
        yield _row("", f"and {len(crash.backtrace) - len(frames)} more (all of them with -v)")
    if verbose:
        yield from (_row(r.name, f"{r.value:#018x}") for r in crash.registers)


def _instruction_text(instruction: Instruction) -> str:
    """``mov eax, dword ptr [rax + 8] reads 4 bytes at 0x8: rax is 0x0``."""
    effect = f" {instruction.effect}" if instruction.effect else ""
    held = ", ".join(f"{register.name} is {register.value:#x}" for register in instruction.registers)
    return f"{instruction.text}{effect}{f': {held}' if held else ''}"


def call_document(result: CallResult) -> dict[str, object]:
    """The parts of the JSON document of a call."""
    return {
        "outcome": "good" if result.good else "bad",
        "summary": result.summary,
        "host": result.host,
        "steps": [_step_object(step) for step in result.steps],
        "stdout": result.stdout,
        "stderr": result.stderr,
        "truncated": result.truncated,
        "crash": result.crash,
        "evidence": result.evidence,
        "fix": result.fix,
    }


def _step_object(step: StepResult) -> dict[str, object]:
    return {
        "step": step.step.text,
        "outcome": step.outcome,
        "value": step.value,
        "type": step.type,
        "detail": step.detail,
        "seconds": step.seconds,
        "abi": step.abi,
        "backtrace": step.backtrace,
        "values": step.values,
        "changed": step.changed,
        "timing": step.timing,
    }
