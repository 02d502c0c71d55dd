"""What a dying Go program writes to its stderr, made into facts.

Sources: src/runtime/panic.go, traceback.go, signal_unix.go. The plugin can write the same texts: they explain an
exit status, they never decide alone.
"""

from __future__ import annotations

import re

from soinspect.model.lateclass import dataclass

_HEADLINE = re.compile(
    r"^(?:panic: (?P<panic>.*)|fatal error: (?P<fatal>.*)|(?P<signal>SIG[A-Z]+): (?P<plain>[a-z ]+)$"
    r"|unexpected fault address (?P<fault>0x[0-9a-f]+)|runtime: goroutine stack exceeds (?P<stack>\d+)-byte limit)",
    re.MULTILINE,
)
_SIGNAL = re.compile(
    r"\[signal (?P<name>SIG[A-Z]+): [^\n=\[]*code=(?P<code>[^\s=]+)"
    r" addr=(?P<address>0x[0-9a-f]+) pc=(?P<pc>0x[0-9a-f]+)\]"
    r"|^(?P<c_name>SIG[A-Z]+): [^\n]*\nPC=(?P<c_pc>0x[0-9a-f]+) m=\S+ sigcode=(?P<c_code>\d+)"
    r"(?: addr=(?P<c_address>0x[0-9a-f]+))?",
    re.MULTILINE,
)
_IN_C = ("signal arrived during cgo execution", "signal arrived during external code execution")
_IN_C_UP_TO_GO_1_19 = "fatal error: unexpected signal during runtime execution"
_GOROUTINE = re.compile(r"^(?:goroutine \d+ [^\[]*\[(?P<state>[^\]]*)\]|runtime stack):$")
_PLACE = re.compile(r"^\t(?P<file>.*?):(?P<line>\d+)(?: .*)?$")
_ARGUMENTS = re.compile(r"\((?:[^()]|\(\))*\)$")
_STARTER = re.compile(r"^created by (?P<name>\S+)", re.MULTILINE)

# The machinery above the place where something went wrong, and what is below the plugin's part of a stack.
_MACHINERY = ("runtime.", "internal/runtime/", "panic")
_BELOW = re.compile(
    r"_cgoexp_|runtime\.(?:call\d+|reflectcall|doInit|goexit|main\b)|reflect\.Value\.[cC]all|plugin\.[oO]pen|host\."
)
# Who carries out a step: the generic host, or (in the user's own host) a call from C.
_STEP_BELOW = ("host.(*host).guarded.func", "runtime.cgocallbackg1")
_MAX_FRAMES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A call in a stack: ``function`` as the programmer knows it, and where in the source it is."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} at {self.file}:{self.line}"

    @property
    def short(self) -> str:
        """For a sentence: the file without its folders."""
        return f"{self.function} ({self.file.rpartition('/')[2]}:{self.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goroutine:
    """One goroutine of a dump: what it does (``"running"``, ``"chan receive"``), its frames, innermost first."""

    state: str
    frames: tuple[Frame, ...]

    @property
    def of_the_step(self) -> bool:
        """Whether this goroutine carries out a step for the host."""
        return any(frame.function.startswith(_STEP_BELOW) for frame in self.frames)

    @property
    def plugin_frames(self) -> tuple[Frame, ...]:
        """What the plugin is responsible for: without the runtime's machinery above, and the host below."""
        panics = [i for i, frame in enumerate(self.frames) if frame.function == "panic"]
        start = panics[-1] + 1 if panics else 0
        while start < len(self.frames) and self.frames[start].function.startswith(_MACHINERY):
            start += 1
        rest = self.frames[start:]
        end = next((i for i, frame in enumerate(rest) if _BELOW.match(frame.function)), len(rest))
        return rest[:end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Why the Go runtime ended the process.

    ``is_panic`` tells a panic that nobody recovered from other fatal errors; ``message`` is what the runtime said.
    ``signal``, ``address`` and ``pc`` are None where no signal was involved; ``in_c`` tells that C code ran.
    """

    is_panic: bool
    message: str
    signal: str | None
    code: str
    address: int | None
    pc: int | None
    in_c: bool
    goroutines: tuple[Goroutine, ...]

    @property
    def in_step(self) -> bool:
        """Whether it was the step itself that died, and no other goroutine.

        The runtime's own frames are left out of the report of a panic; a call from C is locked to its thread.
        """
        first = self.goroutines[0] if self.goroutines else None
        return first is not None and (first.of_the_step or first.state.endswith("locked to thread"))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The plugin's part of the stack that died: the first one that has any."""
        running = (g for g in self.goroutines if g.state.startswith(("running", "syscall", "runtime")))
        return next((frames for goroutine in running if (frames := goroutine.plugin_frames)), ())


def read_death(stderr: bytes, plugin_path: str) -> Death | None:
    """The report of the Go runtime in a program's stderr, or None; ``plugin_path`` is empty for other files."""
    text = stderr.decode("utf-8", "replace")
    headline = _HEADLINE.search(text)
    if headline is None:
        return None
    text = text[headline.start() :]
    found = _SIGNAL.search(text)
    signal = found.groupdict() if found else {}
    address, pc = signal.get("address") or signal.get("c_address"), signal.get("pc") or signal.get("c_pc")
    name = signal.get("name") or signal.get("c_name")
    return Death(
        is_panic=headline["panic"] is not None,
        message=_message(headline),
        signal=name,
        code=signal.get("code") or signal.get("c_code") or "",
        address=int(address, 16) if address else None,
        pc=int(pc, 16) if pc else None,
        in_c=any(phrase in text for phrase in _IN_C) or (name is not None and text.startswith(_IN_C_UP_TO_GO_1_19)),
        goroutines=read_goroutines(text, plugin_path),
    )


def _message(headline: re.Match[str]) -> str:
    found = headline.groupdict()
    if found["panic"] is not None:
        return str(found["panic"]).partition(" [recovered")[0]
    if found["stack"] is not None:
        return f"stack overflow, its stack grew beyond {int(found['stack']) >> 20} MB (endless recursion)"
    if found["fault"] is not None:
        return f"it accessed the address {found['fault']}, where it must not"
    return str(found["fatal"] or found["plain"])


def read_goroutines(dump: str, plugin_path: str) -> tuple[Goroutine, ...]:
    """The goroutines of a stack dump."""
    goroutines: list[Goroutine] = []
    frames: list[Frame] = []
    state: str | None = None
    function = ""
    for line in [*dump.splitlines(), "goroutine 0 [end]:"]:
        header, place = _GOROUTINE.match(line), _PLACE.match(line)
        if header is not None:
            if state is not None:
                goroutines.append(Goroutine(state=state, frames=tuple(frames)))
            frames, function, state = [], "", header["state"] or "runtime stack"
        elif place is not None and function:
            if len(frames) < _MAX_FRAMES:
                frames.append(Frame(function=function, file=place["file"], line=int(place["line"][:9])))
            function = ""
        elif line.startswith("created by "):
            function = ""
        elif line and not line.startswith("\t"):
            function = shorten(_ARGUMENTS.sub("", line), plugin_path)
    return tuple(goroutines)


def starters(dump: str, plugin_path: str) -> tuple[str, ...]:
    """The functions that started the goroutines of a dump, without the host's and the runtime's, each once."""
    names = (shorten(match["name"], plugin_path) for match in _STARTER.finditer(dump))
    return tuple(dict.fromkeys(name for name in names if not name.startswith(("host.", "runtime."))))


def shorten(name: str, plugin_path: str) -> str:
    """A linker name as the programmer knows it: the plugin's own package is ``main``, the host's is ``host``."""
    if not plugin_path:
        return name
    if name.startswith("main."):
        return f"host.{name.removeprefix('main.')}"
    return name.replace(f"{plugin_path}.", "main.").replace(f"{plugin_path.replace('.', '%2e')}.", "main.")
