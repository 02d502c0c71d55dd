"""A call of foreign code, asked for and answered, as values."""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict

from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts
from soinspect.model.image import Anomaly, Header, ObjectKind
from soinspect.model.lateclass import dataclass
from soinspect.model.snapshot import InitFunction, Snapshot
from soinspect.model.symbol import ExplainedSymbol


class HostKind(StrEnum):
    """Which process loads the file."""

    NATIVE = "native"
    GO = "go"


class Outcome(StrEnum):
    """How one step ended; the values are what JSON shows."""

    RETURNED = "returned"
    READ = "read"
    ASSIGNED = "assigned"
    INITIALISED = "initialised"
    NOTHING_TO_RUN = "nothing-to-run"
    CRASHED = "crashed"
    PANICKED = "panicked"
    EXITED = "exited"
    TIMED_OUT = "timed-out"
    OVER_LIMIT = "over-limit"
    REFUSED = "refused"
    UNFIT = "unfit"  # the step does not fit what the file exports, which only the Go host could tell
    VIOLATED = "abi-violated"
    OVERRAN = "wrote-outside"
    DISAGREED = "sources-disagree"  # the call was made; its prototype, or the type of a variable, is told in two ways
    NOT_REACHED = "not-reached"
    NOT_RUN = "not-run"

    @property
    def good(self) -> bool:
        """Whether the step did what was asked."""
        return self in _GOOD


_GOOD = frozenset({Outcome.RETURNED, Outcome.READ, Outcome.ASSIGNED, Outcome.INITIALISED, Outcome.NOTHING_TO_RUN})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What a call may use: wall-clock ``timeout`` in seconds, kept ``output`` per stream and ``memory`` in bytes."""

    timeout: float = 10.0
    output: int = 64 * 1024
    memory: int = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What a call is kept from: the network, other processes, writing files, more privileges.

    ``on`` is whether there are walls at all; ``network`` and ``processes`` leave these open, ``writable`` are
    folders that may be written to besides a private temporary one. Walls that the system does not allow are
    reported, or, with ``strict``, keep the call from happening.
    """

    on: bool = True
    network: bool = False
    processes: bool = False
    writable: tuple[str, ...] = ()
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do after loading: ``init`` (``symbol`` is None), or call or read ``symbol``."""

    symbol: str | None

    @property
    def text(self) -> str:
        """How the user wrote it."""
        return "--init" if self.symbol is None else self.symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVariable:
    """A variable of a process' environment."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """Load ``path`` and carry out ``steps`` in order, in one fresh process.

    ``environment`` are variables that the callee sees, on top of the few that every program expects.

    For native calls: ``signatures`` are C declarations of functions and variables that the steps name, ``headers``
    files with more prototypes; the last step's function is called ``repeat`` times; ``lazy`` has functions of other
    libraries looked up at their first call, not while loading; ``library_paths`` are folders that needed libraries
    are looked for in first; ``namespace`` loads the file apart from all that the host process has loaded.
    :class:`CallOptions` has the same fields but the first two.
    """

    path: str
    steps: tuple[Step, ...]
    limits: CallLimits = CallLimits()
    environment: tuple[EnvironmentVariable, ...] = ()
    sandbox: Sandbox = Sandbox()
    signatures: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    repeat: int = 1
    lazy: bool = False
    library_paths: tuple[str, ...] = ()
    namespace: bool = False


class CallOptions(TypedDict, total=False):
    """What may be said of a call besides its file and its steps: the fields of :class:`CallRequest`."""

    limits: CallLimits
    environment: tuple[EnvironmentVariable, ...]
    sandbox: Sandbox
    signatures: tuple[str, ...]
    headers: tuple[str, ...]
    repeat: int
    lazy: bool
    library_paths: tuple[str, ...]
    namespace: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeFacts:
    """What is known of a file before it is loaded as a C library.

    ``symbols`` are the defined dynamic symbols, ``truncated`` says what lies past the end of the file, if
    anything.
    """

    header: Header
    kind: ObjectKind
    symbols: tuple[ExplainedSymbol, ...]
    init_functions: tuple[InitFunction, ...]
    go: GoFacts | Absent
    truncated: Anomaly | None = None

    @classmethod
    def of(cls, facts: Snapshot) -> NativeFacts:
        """The part of all ``facts`` of a file that a native call needs."""
        return cls(
            header=facts.header,
            kind=facts.kind,
            symbols=tuple(s for s in facts.symbols or () if s.symbol.defined),
            init_functions=facts.init_functions,
            go=facts.go,
            truncated=facts.truncated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A processor register and what it held."""

    name: str
    value: int


NO_FAULT = Absent("no fault stopped it at one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """A machine instruction: its ``text`` (``"mov eax, dword ptr [rax + 8]"``).

    ``effect`` is what it wanted of memory (``"reads 4 bytes at 0x8"``), empty where it has no operand there;
    ``registers`` are those that make up the address, or else those that it took for input.
    """

    text: str
    effect: str
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """Where a process was and why, when a signal, an exit or a limit ended it; ``signal`` is empty for the last two.

    ``address`` is the faulting address, ``pc`` where the program was; both are Absent when the process could
    not be observed. ``location`` names that place (``"sync.runtime_procPin+0x4 in plugin1.so"``), ``why``
    says in plain words what happened, ``backtrace`` the callers, innermost first, as far as they are known.
    ``phase`` says what was going on (``"loading"``, ``"calling Run"``), ``called_as`` which prototype a call was made
    with and from where, ``registers`` are those of the moment, ``instruction`` is what a fault stopped at.
    """

    signal: str
    code: str
    address: int | Absent
    pc: int | Absent
    location: str | Absent
    why: str
    backtrace: tuple[str, ...] = ()
    phase: str = ""
    called_as: str = ""
    registers: tuple[Register, ...] = ()
    instruction: Instruction | Absent = NO_FAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class CallValue:
    """A value that came back from the callee: ``text`` is compact JSON (a structure of C is
    ``{x=3, y=1.5}``), ``type`` as the callee's language writes it.

    ``dynamic`` is the type inside of an interface, else ``""``; ``cut`` tells that the value was too large to
    be shown whole; ``argument`` is the position (from 1) of an argument that the call changed, 0 for a
    result.
    """

    type: str
    text: str
    dynamic: str = ""
    cut: bool = False
    argument: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AbiCheck:
    """Whether a call kept the calling ``convention`` (``"System V ABI for x86-64"``).

    Each of ``violations`` says what was broken (``"rbx is not preserved: ..."``).
    """

    convention: str
    violations: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether nothing was broken."""
        return not self.violations


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long each of several ``calls`` of one function took, in seconds, from its first instruction to its return."""

    calls: int
    median: float
    minimum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step did.

    ``value`` is shown text (``"7"``), ``type`` its type in the callee's language; both None where there is
    none. ``detail`` is one sentence for the user: what ran, what came back, why it did not work.
    ``backtrace`` are the callee's frames when it panicked or hung, innermost first. ``values`` are the single
    results, or the variable; ``changed`` the arguments that the callee wrote through. ``abi`` is the check of
    the calling convention, for native calls that came back. Of a call that was repeated, all this is about
    the last time, and ``timing`` about all of them.
    """

    step: Step
    outcome: Outcome
    value: str | None = None
    type: str | None = None
    detail: str = ""
    seconds: float | None = None
    backtrace: tuple[str, ...] = ()
    values: tuple[CallValue, ...] = ()
    changed: tuple[CallValue, ...] = ()
    abi: AbiCheck | None = None
    timing: Timing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """The whole answer of a call.

    ``summary`` is the one line that answers the user. ``evidence`` is how it was reached: phases, toolchain,
    host, hashes compared. ``fix`` is a line to copy where something helps. Output is cut at the limit;
    ``truncated`` says so.
    """

    host: HostKind
    steps: tuple[StepResult, ...]
    summary: str
    evidence: tuple[str, ...]
    stdout: bytes
    stderr: bytes
    truncated: bool
    crash: Crash | None = None
    fix: str | None = None

    @property
    def good(self) -> bool:
        """Whether every step did what was asked, and nothing crashed afterwards, while unloading."""
        return self.crash is None and all(step.outcome.good for step in self.steps)
