"""Where a worker was when it ended before its time, and why."""

from __future__ import annotations

import os

from soinspect.calling.disassemble import disassemble
from soinspect.calling.explain import Buffer, Scene, code_text, explain, signal_name
from soinspect.calling.locate import Locator
from soinspect.calling.monitor import End, Watched
from soinspect.calling.stopped import Stopped
from soinspect.calling.unwind import backtrace
from soinspect.demangle.golink import GoNames
from soinspect.model.absence import Absent
from soinspect.model.calling import NO_FAULT, CallRequest, Crash, Instruction, NativeFacts, Register


def report_end(
    request: CallRequest,
    facts: NativeFacts,
    watched: Watched,
    *,
    phase: str,
    end_text: str,
    loaded: bool,
    buffers: tuple[Buffer, ...],
) -> Crash:
    """What was going on (``phase``), where, and why it ended; ``buffers`` are arguments of that in memory.

    ``end_text`` says how it ended, for ends that are no signal; ``loaded`` tells that code of the file could run.
    """
    last = watched.last
    stopped = last if isinstance(last, Stopped) else None
    info = stopped.signal if stopped else None
    frames, in_file = ((), loaded) if stopped is None else _locate(stopped, request.path, _go_names(facts))
    scene = Scene(
        signal=watched.status,
        stopped=stopped,
        stderr=watched.stderr.decode("utf-8", "replace"),
        in_go_plugin=bool(facts.go and facts.go.plugin) and in_file,
        buffers=buffers,
    )
    unknown = last if isinstance(last, Absent) else Absent("no fault: no signal ended it")
    signalled = watched.end is End.SIGNALLED
    return Crash(
        signal=signal_name(watched.status) if signalled else "",
        code=code_text(info.number, info.code) if info else "",
        address=info.address if info and info.code > 0 else unknown if not info else Absent("sent, not a fault"),
        pc=stopped.registers.pc if stopped else unknown,
        location=frames[0] if frames else unknown,
        why=explain(scene) if signalled else end_text,
        phase=phase,
        registers=_registers(stopped) if stopped else (),
        backtrace=frames[1:],
        instruction=_instruction(stopped) if stopped and signalled else NO_FAULT,
    )


def place_of(crash: Crash, path: str) -> str:
    """The place of the crash; with the caller in the file that was called into, where that is another place."""
    ours = f" in {os.path.basename(os.path.realpath(path))}"  # noqa: PTH119
    caller = next((frame for frame in crash.backtrace if ours in frame), None)
    if caller is None or ours in str(crash.location):
        return str(crash.location)
    return f"{crash.location}, called from {caller}"


def _instruction(stopped: Stopped) -> Instruction | Absent:
    if stopped.signal is None or stopped.signal.code <= 0:
        return NO_FAULT
    return disassemble(stopped.code, stopped.registers)


def _go_names(facts: NativeFacts) -> GoNames | None:
    if not facts.go:
        return None
    plugin = facts.go.plugin
    if not plugin:
        return GoNames()
    return GoNames(plugin_path=plugin.path, exports=frozenset(export.name for export in plugin.exports))


def _locate(stopped: Stopped, path: str, names: GoNames | None) -> tuple[tuple[str, ...], bool]:
    """The frames, innermost first, and whether the innermost is in the file that was called into."""
    with Locator(stopped, path, names) as locator:
        return backtrace(stopped, locator), locator.is_in_file(stopped.registers.pc)


def _registers(stopped: Stopped) -> tuple[Register, ...]:
    registers = stopped.registers
    return tuple(Register(name=n, value=v) for n, v in zip(registers.names, registers.values, strict=True))
