"""A fatal signal in plain words: rules from what the kernel and the registers say to what it means.

Signal codes: sigaction(2). A rule looks at one :class:`Scene` and gives a sentence, or None when it does not
apply; the first that applies is the answer, so the particular ones come first.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

from soinspect.calling.stopped import Stopped
from soinspect.calling.worker.thunk import SENTINEL, SENTINEL_STEP, ThunkArm, ThunkX86
from soinspect.model.lateclass import dataclass

_SI_KERNEL = 0x80
_SEGV_MAPERR = 1
_SEGV_ACCERR = 2
_FPE_INTDIV = 1
_BUS_ADRERR = 2
_NULL_REACH = 0x10000  # how far from NULL an access is still taken for a field of a NULL object
_GUARD_REACH = 0x10000  # of a stack, or a buffer
_CANONICAL_HIGH = 1 << 47
_TRAPS = ((signal.SIGILL, b"\x0f\x0b"), (signal.SIGTRAP, b"\x00\x7d\x20\xd4"))  # ud2, and AArch64's brk #1000
_RETURNS = (b"\xc3", b"\xc2", b"\xf3\xc3")  # ret, ret n, rep ret
_PRESERVED = ThunkArm.preserved if os.uname().machine == "aarch64" else ThunkX86.preserved

_CODES: dict[tuple[int, int], str] = {
    (signal.SIGSEGV, 1): "SEGV_MAPERR: nothing is mapped at the address",
    (signal.SIGSEGV, 2): "SEGV_ACCERR: the mapping does not allow the access",
    (signal.SIGBUS, 1): "BUS_ADRALN: misaligned address",
    (signal.SIGBUS, 2): "BUS_ADRERR: no memory behind the address",
    (signal.SIGBUS, 3): "BUS_OBJERR: hardware error",
    (signal.SIGILL, 1): "ILL_ILLOPC: illegal instruction",
    (signal.SIGILL, 2): "ILL_ILLOPN: illegal operand",
    (signal.SIGFPE, 1): "FPE_INTDIV: integer division by zero",
    (signal.SIGFPE, 2): "FPE_INTOVF: integer overflow",
    (signal.SIGFPE, 3): "FPE_FLTDIV: floating-point division by zero",
    (signal.SIGFPE, 7): "FPE_FLTINV: invalid floating-point operation",
    (signal.SIGTRAP, 1): "TRAP_BRKPT: breakpoint",
    (signal.SIGSYS, 1): "SYS_SECCOMP: a system call that the filter kills for",
}
_ANY_CODES = {0: "SI_USER: sent by kill(2)", -1: "SI_QUEUE: sent by sigqueue(3)", -6: "SI_TKILL: sent by tgkill(2)",
              _SI_KERNEL: "SI_KERNEL: sent by the kernel"}  # fmt: skip

_LAST_WORDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"terminate called after throwing an instance of '([^']+)'(?:\s+what\(\):\s+(.*))?"),
     "a C++ exception left the function: {0} {1}"),
    (re.compile(r"terminate called"), "C++ gave up (std::terminate)"),
    (re.compile(r"(double free or corruption[^\n]*|free\(\): [^\n]*|malloc\(\): [^\n]*|corrupted [^\n]*)"),
     "the heap was damaged, and malloc noticed: {0}"),
    (re.compile(r"(stack smashing detected)"), "a local array was overrun: {0}"),
    (re.compile(r"(buffer overflow detected)"), "a checked copy overran its buffer: {0}"),
    (re.compile(r"[Aa]ssertion [`'](.*)' failed"), "an assertion failed: {0}"),
    (re.compile(r"thread '[^']*'(?: \(\d+\))? panicked at ([^\n]*)(?:\n([^\n]*))?"),
     "Rust code panicked at {0} {1}"),
    (re.compile(r"(?:^|\n)panic: ([^\n]*)"), "Go code panicked: {0}"),
    (re.compile(r"(?:^|\n)fatal error: ([^\n]*)"), "the Go runtime gave up: {0}"),
)  # fmt: skip

_SENT_BY_LIMITS: dict[int, str] = {
    signal.SIGXCPU: "the processor time that a call may use was used up",
    signal.SIGXFSZ: "a file grew past the size that a call may write",
    signal.SIGSYS: "a system call was made that the sandbox forbids",
    signal.SIGKILL: "the process was killed outright: by itself, or by the kernel when memory ran out",
    signal.SIGPIPE: "it wrote to a pipe that nobody reads",
    signal.SIGALRM: "an alarm went off that it had set itself and does not handle",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """An argument in memory: what it is for the user, and where."""

    what: str
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the rules look at: the stopped thread, what it had printed, and what sort of code was called.

    ``in_go_plugin`` tells that it stopped in a Go plugin, which is loaded here without a Go runtime. ``buffers`` are
    the arguments of the call that lie in memory.
    """

    signal: int
    stopped: Stopped | None
    stderr: str
    in_go_plugin: bool
    buffers: tuple[Buffer, ...] = ()

    @property
    def code(self) -> int | None:
        """The signal's ``si_code``, or None when it is not known."""
        return self.stopped.signal.code if self.stopped and self.stopped.signal else None

    @property
    def address(self) -> int:
        """The signal's ``si_addr``, 0 when it is not known."""
        return self.stopped.signal.address if self.stopped and self.stopped.signal else 0


def explain(scene: Scene) -> str:
    """Why the process died, in one or two sentences."""
    for rule in _RULES:
        why = rule(scene)
        if why:
            return why
    return f"the process died of {signal_name(scene.signal)}"


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11; numbers without a name stay numbers."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def code_text(number: int, code: int) -> str:
    """What ``si_code`` says."""
    return _CODES.get((number, code)) or _ANY_CODES.get(code) or f"si_code {code}"


def _go_without_goroutine(scene: Scene) -> str | None:
    if not scene.in_go_plugin or scene.signal not in (
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGTRAP,
    ):
        return None
    return (
        "a Go function was called as if it were a C function. Go code needs the Go runtime, which dlopen does not "
        f"start, and a goroutine, which it looks for {_goroutine_place(scene)}. Use the Go host"
    )


def _goroutine_place(scene: Scene) -> str:
    arm = scene.stopped is not None and "x28" in scene.stopped.registers.names
    return "in register x28" if arm else "in register r14 (before Go 1.17: in thread-local storage)"


def _planted_register(scene: Scene) -> str | None:
    """A fault at a sentinel of the thunk: the function took input from a register that no C caller fills."""
    distance = scene.address - SENTINEL
    if scene.signal != signal.SIGSEGV or not SENTINEL_STEP <= distance < SENTINEL_STEP * (1 + len(_PRESERVED)):
        return None
    name = _PRESERVED[distance // SENTINEL_STEP - 1]
    return (
        f"it took {name} for input (the access is at {name}+{distance % SENTINEL_STEP:#x}), a register that C callers "
        "do not pass anything in: this is not a C function"
    )


def _jump(scene: Scene) -> str | None:
    stopped = scene.stopped
    if scene.signal != signal.SIGSEGV or stopped is None or stopped.registers.pc != scene.address:
        return None
    if scene.code == _SI_KERNEL:
        return None
    if scene.address < _NULL_REACH:
        return f"a NULL function pointer was called (the program counter is {scene.address:#x})"
    mapping = stopped.mapping_of(scene.address)
    if mapping is None:
        return (
            f"the program jumped to {scene.address:#x}, where nothing is mapped: a bad function pointer or an "
            "overwritten return address"
        )
    return f"the program jumped into memory that is not executable ({mapping.path or 'anonymous memory'})"


def _stack_overflow(scene: Scene) -> str | None:
    stopped = scene.stopped
    if scene.signal != signal.SIGSEGV or stopped is None or scene.code not in (_SEGV_MAPERR, _SEGV_ACCERR):
        return None
    sp = stopped.registers.sp
    if abs(scene.address - sp) > _GUARD_REACH:
        return None
    above = next((m for m in stopped.mappings if m.start > scene.address), None)
    mapping = stopped.mapping_of(scene.address)
    if above is None or above.start - scene.address > _GUARD_REACH or "w" not in above.permissions:
        return None
    if mapping is not None and mapping.permissions != "---p":
        return None
    return (
        f"the stack overflowed: the access is {above.start - scene.address:,} bytes below its end. Endless "
        "recursion, or a huge local array"
    )


def _null(scene: Scene) -> str | None:
    if scene.signal != signal.SIGSEGV or scene.code != _SEGV_MAPERR or scene.address >= _NULL_REACH:
        return None
    if not scene.address:
        return "a NULL pointer was used"
    return f"a NULL pointer was used: the access is {scene.address:#x} bytes after it, as of a field or an element"


def _bad_return(scene: Scene) -> str | None:
    """x86-64: a return to an address that no code can have faults at the return itself."""
    stopped = scene.stopped
    if scene.code != _SI_KERNEL or stopped is None or not stopped.code.startswith(_RETURNS):
        return None
    target = stopped.word(stopped.registers.sp)
    if target is None or not _is_wild(target):
        return None
    raw = target.to_bytes(8, "little")
    text = f', the text "{raw.decode()}"' if raw.isascii() and raw.decode().isprintable() else ""
    return f"the return address on the stack was overwritten (it is {target:#x}{text}): a local array was overrun"


def _is_wild(value: int) -> bool:
    return _CANONICAL_HIGH <= value < (1 << 64) - _CANONICAL_HIGH


def _not_canonical(scene: Scene) -> str | None:
    stopped = scene.stopped
    if scene.signal not in (signal.SIGSEGV, signal.SIGBUS) or stopped is None or scene.code != _SI_KERNEL:
        return None
    names = stopped.registers.names
    general = [n for n in names if n not in ("orig_rax", "eflags", "fs_base", "gs_base")]
    wild = [f"{n} = {stopped.registers[n]:#x}" for n in general if _is_wild(stopped.registers[n])]
    held = f" ({', '.join(wild)})" if wild else ""
    return f"an address was used that no pointer can have{held}: an uninitialised or overwritten pointer"


def _past_a_buffer(scene: Scene) -> str | None:
    """A fault in the guard page behind an argument."""
    if scene.signal != signal.SIGSEGV or scene.code != _SEGV_ACCERR:
        return None
    for buffer in scene.buffers:
        beyond = scene.address - buffer.start - buffer.size
        if 0 <= beyond < _GUARD_REACH:
            return f"it went past the end of {buffer.what}: the access is {beyond:,} bytes behind it"
    return None


def _protected(scene: Scene) -> str | None:
    stopped = scene.stopped
    if scene.signal != signal.SIGSEGV or stopped is None or scene.code != _SEGV_ACCERR:
        return None
    mapping = stopped.mapping_of(scene.address)
    if mapping is None:
        return None
    where = mapping.path or "anonymous memory"
    if "w" not in mapping.permissions and "r" in mapping.permissions:
        return f"read-only memory was written to ({scene.address:#x} in {where}): a constant, a string or code"
    return f"memory was used that allows no access ({scene.address:#x} in {where}, {mapping.permissions})"


def _unmapped(scene: Scene) -> str | None:
    if scene.signal != signal.SIGSEGV or scene.code != _SEGV_MAPERR:
        return None
    return f"memory at {scene.address:#x} was used, where nothing is mapped: a dangling or uninitialised pointer"


def _bus(scene: Scene) -> str | None:
    if scene.signal != signal.SIGBUS:
        return None
    if scene.code == _BUS_ADRERR:
        return "a mapped file is shorter than its mapping: it was truncated"
    return "misaligned memory was used"


def _arithmetic(scene: Scene) -> str | None:
    if scene.signal != signal.SIGFPE:
        return None
    if scene.code == _FPE_INTDIV:
        return "an integer was divided by zero (or the smallest integer by -1)"
    return "a floating-point exception was enabled, and happened"


def _trap(scene: Scene) -> str | None:
    code = scene.stopped.code if scene.stopped else b""
    if any(scene.signal == number and code.startswith(trap) for number, trap in _TRAPS):
        return "the compiler's trap for code that must not be reached was (__builtin_trap, unreachable, UBSan)"
    if scene.signal == signal.SIGILL:
        return "the processor does not know this instruction: code for another processor, or a jump into data"
    if scene.signal == signal.SIGTRAP:
        return "a breakpoint instruction was executed, with no debugger there"
    return None


def _abort(scene: Scene) -> str | None:
    if scene.signal != signal.SIGABRT:
        return None
    for pattern, text in _LAST_WORDS:
        match = pattern.search(scene.stderr)
        if match:
            return text.format(*(group or "" for group in (*match.groups(), "", ""))).strip()
    return "the program gave up by itself: abort() was called"


def _limits(scene: Scene) -> str | None:
    return _SENT_BY_LIMITS.get(scene.signal)


def _sent(scene: Scene) -> str | None:
    stopped = scene.stopped
    if stopped is None or stopped.signal is None or stopped.signal.code > 0:
        return None
    by = "by itself" if stopped.signal.sender == stopped.thread else f"by process {stopped.signal.sender}"
    return f"{signal_name(scene.signal)} was sent {by}"


_RULES: tuple[Callable[[Scene], str | None], ...] = (
    _abort,
    _limits,
    _sent,
    _go_without_goroutine,
    _planted_register,
    _jump,
    _past_a_buffer,
    _stack_overflow,
    _null,
    _bad_return,
    _not_canonical,
    _protected,
    _unmapped,
    _bus,
    _arithmetic,
    _trap,
)
