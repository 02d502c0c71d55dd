"""Open a Go plugin in the user's own host program: the truest confirmation, and no Go toolchain is needed.

The program is started with a small library preloaded (preload_src/preload.c) that parks its main function and calls
``plugin.Open`` and the plugin's functions in that process, once the program's own initialisers have run. The library
is compiled at first use and kept in the cache: a wheel with it inside would be tied to one machine and one libc.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from soinspect.calling.gochild import HostEvent, run_child
from soinspect.calling.gohost import plain_variables
from soinspect.calling.goreport import Report
from soinspect.calling.gostep import GoStep, find_export, parse_step
from soinspect.calling.gowords import Signature, Unfit, decode, encode_argument, encode_memory, memory_size, signature
from soinspect.calling.toolchain import CallEnvironment, find_c_compiler
from soinspect.elf.file import ElfFile
from soinspect.errors import CannotRun, UsageError
from soinspect.go.detect import why_not_go
from soinspect.go.loading import package_hashes
from soinspect.model.absence import Absent
from soinspect.model.calling import CallRequest, CallResult, CallValue, HostKind, Outcome, StepResult
from soinspect.model.golang import GoExport, GoExportKind, GoFacts, GoPlugin
from soinspect.model.verdict import PluginVerdict

_SOURCE = Path(__file__).parent / "preload_src" / "preload.c"
_COMPILE_TIMEOUT = 120.0
_MACHINE = "x86_64"
# The last one is missing in programs that use no reflection at all (not even fmt): nothing else calls functions.
_NEEDED = ("main.main", "plugin.open", "crosscall2", "runtime.gopark", "runtime.reflectcall")


def call_in_own_host(
    request: CallRequest,
    facts: GoFacts,
    environment: CallEnvironment,
    program: str,
    judge: Callable[[], PluginVerdict],
) -> CallResult:
    """Open the plugin at ``request.path`` in the Go program at ``program``, and carry out the steps.

    The program's package initialisers run first; its main function does not. When the package hashes say that it
    would refuse the plugin, nothing is started and that is the answer, with what ``judge`` finds to be the cause.

    :raises InputError: the program cannot be read.
    :raises UsageError: the file is no plugin, or a step makes no sense, or names nothing that it exports.
    :raises CannotRun: the program cannot serve as host, a step needs what only the generic host can do, or there is
        no C compiler for the first use.
    """
    plugin = facts.plugin
    if isinstance(plugin, Absent):
        raise UsageError(f"{request.path} cannot be opened by a Go host: {plugin.reason}")
    steps = [parse_step(step.symbol) for step in request.steps if step.symbol is not None]
    exports = [find_export(step, plugin, request.path) for step in steps]
    lines = [_line(i, step, export, plugin) for i, (step, export) in enumerate(zip(steps, exports, strict=True))]
    name = Path(program).name
    shared, differing = _compare(program, plugin)
    if differing:
        return _refused(request, name, judge())
    library = _library(environment)
    path, task = _hex(os.path.realpath(request.path)), _hex(f"{plugin.path}..inittask")
    opening = f"open {path} {task} {request.limits.memory}"
    variables = plain_variables(request, environment) | {"LD_PRELOAD": str(library)}
    try:
        run = run_child(
            Path(program).resolve(), "\n".join((opening, *lines)).encode(), variables, request.limits, request.sandbox
        )
    except OSError as error:
        raise CannotRun(f"{program} cannot be started: {error.strerror}", f"chmod +x {program}") from None
    evidence = (
        f"host: {program}, its own initialisers run, its main function parked",
        f"package hashes: all {shared} that host and plugin share are equal",
    )
    understood = replace(run, events=tuple(_understood(event, exports) for event in run.events))
    return Report(request=request, plugin=plugin, host=f"the host {name}", evidence=evidence, run=understood).result()


# -- before anything is started ------------------------------------------------------------------------------------


def _compare(program: str, plugin: GoPlugin) -> tuple[int, tuple[str, ...]]:
    """How many packages program and plugin share, and which of them differ, in the order plugin.Open compares.

    :raises CannotRun: the program cannot open plugins, or not on this machine.
    """
    if platform.machine() != _MACHINE:
        raise CannotRun(f"own host programs are served on {_MACHINE} only", "leave --host out")
    with ElfFile.open(program) as elf:
        not_go = why_not_go(elf)
        if not_go is not None:
            raise CannotRun(
                f"{program} cannot open Go plugins: {not_go}",
                "leave --host out: a small Go program opens the plugin then",
            )
        symbols = elf.dynamic_symbols
        hashes = package_hashes(elf)
        defined = {name for name in _NEEDED if symbols and (found := symbols.get(name)) and found.defined}
    missing = [name for name in _NEEDED if name not in defined]
    if missing or not hashes:
        what = f"it does not export {missing[0]}" if missing else "it exports no package hashes"
        raise CannotRun(
            f"{program} cannot open plugins: {what} (a Go program does that when it imports package plugin and is"
            " linked dynamically, with cgo)",
            "name the program that opens the plugin",
        )
    shared = [entry for entry in plugin.package_hashes if entry.package in hashes]
    return len(shared), tuple(entry.package for entry in shared if hashes[entry.package] != entry.hash)


def _refused(request: CallRequest, name: str, verdict: PluginVerdict) -> CallResult:
    """The answer when the hashes say that plugin.Open would fail."""
    reason = next(it for it in verdict.reasons if it.outcome is verdict.outcome)
    detail = f"the host {name} would not accept it: {reason.summary}; nothing was started"
    rest = "an earlier step ended the run"
    first, *others = request.steps
    return CallResult(
        host=HostKind.GO,
        steps=(
            StepResult(step=first, outcome=Outcome.REFUSED, detail=detail),
            *(StepResult(step=step, outcome=Outcome.NOT_REACHED, detail=rest) for step in others),
        ),
        summary=f"{Path(request.path).name}: {detail}",
        evidence=(*filter(None, (reason.message,)), *reason.evidence),
        stdout=b"",
        stderr=b"",
        truncated=False,
        fix=reason.fix,
    )


def _library(environment: CallEnvironment) -> Path:
    """The compiled library, from the cache or compiled now.

    :raises CannotRun: there is no C compiler, or it failed.
    """
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    library = environment.cache / "preload" / f"{digest}.so"
    if library.exists():
        return library
    compiler = find_c_compiler(environment)
    if compiler is None:
        raise CannotRun("the first call in an own host needs a C compiler: there is none",
                        "apt install gcc, or: pip install ziglang")  # fmt: skip
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        _compile(compiler, library, environment)
    except OSError as error:
        raise CannotRun(
            f"the cache {environment.cache} cannot be used: {error.strerror}",
            "set XDG_CACHE_HOME to a folder that can be written",
        ) from None
    return library


def _compile(compiler: str, library: Path, environment: CallEnvironment) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".build-") as temporary:
        fresh = Path(temporary, "preload.so")
        command = [*compiler.split(), "-O2", "-fPIC", "-shared", "-o", str(fresh), str(_SOURCE), "-ldl", "-lpthread"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                timeout=_COMPILE_TIMEOUT,
                env={"PATH": environment.variables.get("PATH", ""), "HOME": str(environment.cache)},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CannotRun(f"{compiler} did not end within {_COMPILE_TIMEOUT:.0f} s", "try again") from None
        if done.returncode != 0:
            complaint = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise CannotRun(f"{compiler} cannot compile the preloaded library: {complaint}", "check the C compiler")
        fresh.rename(library)


# -- steps as lines, events as values ------------------------------------------------------------------------------


def _line(index: int, step: GoStep, export: GoExport, plugin: GoPlugin) -> str:
    """A step as the preloaded library reads it."""
    symbol = _hex(f"{plugin.path}.{export.name}")
    function = export.kind is GoExportKind.FUNCTION
    if function and step.value is not None:
        raise UsageError(f"{export.name} is a func: only variables can be assigned")
    if not function and step.arguments is not None:
        raise UsageError(f"{export.name} is a variable of type {export.type} and cannot be called")
    try:
        if step.symbol != export.name:
            raise Unfit("fields and methods")  # noqa: TRY301
        if function:
            return _call_line(index, symbol, step, export)
        size = memory_size(export.type)
        if step.value is None:
            return f"read {index} {symbol} {size}"
        return f"write {index} {symbol} {size} x{encode_memory(export.type, step.value).hex()}"
    except Unfit as unfit:
        raise CannotRun(
            f"{step.symbol} needs {unfit}, which a call in an own host cannot serve: numbers, bool and string only",
            "leave --host out: the generic Go host takes values of every kind",
        ) from None


def _call_line(index: int, symbol: str, step: GoStep, export: GoExport) -> str:
    shape: Signature = signature(export.type)
    texts = step.arguments or ()
    if len(texts) != len(shape.parameters):
        raise UsageError(
            f"{export.name} takes {len(shape.parameters)} argument(s), {len(texts)} given; its type is {export.type}"
        )
    words = [encode_argument(kind, text) for kind, text in zip(shape.parameters, texts, strict=True)]
    return " ".join(("call", str(index), symbol, f"x{shape.result_letters}", *words))


def _understood(event: HostEvent, exports: list[GoExport]) -> HostEvent:
    """An event with its raw values given their types."""
    if event.name == "refused":
        reason = (event.raw[0] or b"").decode("utf-8", "replace") if event.raw else ""
        return replace(event, reason=reason)
    if not event.raw or not 0 <= event.step < len(exports):
        return event
    export = exports[event.step]
    types = signature(export.type).results if export.kind is GoExportKind.FUNCTION else (export.type,)
    values = (CallValue(type=kind, text=decode(kind, raw)) for kind, raw in zip(types, event.raw, strict=False))
    return replace(event, values=tuple(values))


def _hex(text: str) -> str:
    return os.fsencode(text).hex()
