"""Load a file as a C program would, call into it, and say what happened."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from soinspect.calling.elsewhere import describe_natively, is_for_this_machine
from soinspect.calling.journal import read_journal
from soinspect.calling.monitor import started_worker
from soinspect.calling.plan import Described, Plan, is_variable, make_plan
from soinspect.calling.report import Report
from soinspect.calling.toolchain import CallEnvironment
from soinspect.calling.worker import protocol
from soinspect.demangle.cxxname import read_function
from soinspect.dwarf.callsignature import Descriptions, read_descriptions
from soinspect.elf.file import ElfFile
from soinspect.errors import CannotRun, FormatError, UsageError
from soinspect.kinds.catalogue import convention_of
from soinspect.model.calling import CallRequest, CallResult, HostKind, NativeFacts, Outcome, StepResult
from soinspect.model.image import ObjectKind
from soinspect.model.signature import Signature, VariableType
from soinspect.model.symbol import ExplainedSymbol

if TYPE_CHECKING:
    from soinspect.calling.header import Header

_PLAIN = re.compile(r"[<(\[]")  # what ends a plain name
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def call_native(request: CallRequest, facts: NativeFacts, environment: CallEnvironment) -> CallResult:
    """Load ``request.path`` with dlopen in a fresh process, carry out the steps, and report.

    A file for another machine is not run, only described.

    :raises InputError: a header cannot be read.
    :raises UsageError: a step names a symbol that the file does not export, or a header is refused.
    :raises FormatError: the file is cut short: loading it would only raise SIGBUS.
    :raises CannotRun: no worker could be started, or headers cannot be read here.
    """
    if facts.kind is not ObjectKind.SHARED_LIBRARY:
        return _refused(request, f"not a library but a {facts.kind}: dlopen loads only shared libraries")
    if facts.truncated:
        raise FormatError(
            request.path,
            offset=facts.header.phoff,
            field="p_filesz",
            value=facts.header.phnum,
            why=f"{facts.truncated.where} {facts.truncated.what}",
        )

    def describe(symbols: Sequence[ExplainedSymbol]) -> Iterator[Described]:
        return _descriptions(request, symbols, environment)

    is_here = is_for_this_machine(facts.header)
    # What a Go library returns decides on the environment of the worker; any other's is planned while it starts.
    plan = make_plan(request, facts, describe) if facts.go or not is_here else None
    if plan and not is_here:
        return describe_natively(request, facts, plan)
    with (
        tempfile.TemporaryDirectory(prefix="soinspect-") as folder,
        started_worker(
            timeout=request.limits.timeout,
            kept_output=request.limits.output,
            environment=_variables(request, folder, returns_go_memory=bool(plan and plan.returns_go_memory)),
        ) as run,
    ):
        plan = plan or make_plan(request, facts, describe)
        watched = run(_wire(request, plan, folder))
    journal = read_journal(watched.log)
    gap = journal.first(protocol.NO_WALL)
    if request.sandbox.strict and gap:
        raise CannotRun(f"the sandbox would have a gap: {gap.text}", "leave out --strict, or use --no-sandbox")
    if journal.first(protocol.READY) is None and not journal.damaged:
        said = watched.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotRun(
            f"the worker {watched.end.value} before it was ready: {said[-1] if said else 'it said nothing'}",
            "check this Python: python3 -I -S -E -c 'import ctypes'",
        )
    return Report(request=request, facts=facts, plan=plan, watched=watched, journal=journal).result()


def _descriptions(
    request: CallRequest, symbols: Sequence[ExplainedSymbol], environment: CallEnvironment
) -> Iterator[Described]:
    """What is known of functions and variables: what the user declared, debug information, headers, and names say."""
    # Most calls need no reader of declarations.
    declared: dict[str, Signature | VariableType] = {}
    headers: list[Header] = []
    if request.signatures:
        from soinspect.calling.signature import parse_declarations

        named = {(name, is_variable(symbol)) for symbol in symbols for name in _names(symbol)}
        for declarations in map(parse_declarations, request.signatures):
            declared |= {it.name: it for it in declarations}
            last = declarations[-1]
            if not any((it.name, isinstance(it, VariableType)) in named for it in declarations):
                kind = "variable" if isinstance(last, VariableType) else "function"
                raise UsageError(f"--sig declares {last.name}, which is the {kind} of no step")
    if request.headers:
        from soinspect.calling.header import read_header

        headers = [read_header(path, environment) for path in request.headers]
    damage: tuple[str, ...] = ()
    recorded = Descriptions(functions={}, variables={})
    with ElfFile.open(request.path) as elf:
        try:
            if symbols:
                recorded = read_descriptions(elf, {symbol.symbol.name for symbol in symbols})
        except FormatError as error:
            damage = (f"the debug information cannot be used: {error.reason}",)
    for symbol in symbols:
        name, key = symbol.symbol.name, (symbol.symbol.name, symbol.symbol.version)
        own = next((declared[n] for n in _names(symbol) if n in declared), None)
        if is_variable(symbol):
            found = recorded.variables.get(key)
            in_dwarf = VariableType(name=name, type=found, source="DWARF") if found else None
            yield _variable(symbol, own if isinstance(own, VariableType) else None, in_dwarf, damage)
            continue
        sources = (
            own if isinstance(own, Signature) else None,
            recorded.functions.get(key),
            *(header.functions.get(name) for header in headers),
            _told_by_name(name),
        )
        known = [signature for signature in sources if signature]
        differing = _differing(known) if len(known) > 1 else []
        lacking = [f"{header.name} {header.why_without(name)}" for header in headers if name not in header.functions]
        yield Described(
            prototype=known[0] if known else None,
            variable=None,
            notes=(*damage, *lacking),
            disagreement=f"the prototypes disagree: {'; '.join(differing)}" if differing else "",
        )


def _variable(
    symbol: ExplainedSymbol, declared: VariableType | None, recorded: VariableType | None, notes: tuple[str, ...]
) -> Described:
    """What is known of a variable."""
    size = symbol.symbol.size
    if declared and size and declared.type.size > size:
        raise UsageError(f"--sig: {declared.type.text} has {declared.type.size} bytes, {declared.name} only {size}")
    disagreement = ""
    if declared and recorded:
        from soinspect.calling.signature import variable_differences

        disagreement = "; ".join(f"the types disagree: {it}" for it in variable_differences(declared, recorded))
    elif declared and declared.type.size < size:
        notes += (f"the variable has {size} bytes, of which {declared.type.text} is the first {declared.type.size}",)
    return Described(prototype=None, variable=declared or recorded, notes=notes, disagreement=disagreement)


def _told_by_name(name: str) -> Signature | None:
    """The prototype that a mangled name tells, or the name of an entry point promises."""
    if name.startswith("_Z"):
        from soinspect.calling.mangled import prototype_of

        return prototype_of(name)
    if convention_of(name) is None:
        return None
    from soinspect.calling.promised import promised_prototype

    return promised_prototype(name)


def _differing(known: Sequence[Signature]) -> list[str]:
    """What other sources say of a function that the first does not."""
    from soinspect.calling.signature import differences

    return [difference for other in known[1:] for difference in differences(known[0], other)]


def _names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    """What a declaration may call it: its raw name, or its readable one without scopes, template arguments and tags."""
    readable = symbol.explained.text
    function = read_function(readable) if symbol.symbol.name.startswith("_Z") else None
    return symbol.symbol.name, _PLAIN.split(function.name if function else readable.rpartition("::")[2], 1)[0]


def _search_path(request: CallRequest) -> dict[str, str]:
    """The variable that the dynamic linker reads when the process starts; it separates folders by colons."""
    if not request.library_paths:
        return {}
    return {"LD_LIBRARY_PATH": ":".join(os.path.realpath(path) for path in request.library_paths)}


def _variables(request: CallRequest, folder: str, *, returns_go_memory: bool) -> dict[str, str]:
    """The environment that the worker starts in; ``folder`` is its own."""
    variables = {**_ENVIRONMENT, "HOME": folder, "TMPDIR": folder, **_search_path(request)}
    variables |= {variable.name: variable.value for variable in request.environment}
    settings = variables.get("GODEBUG", "")
    if returns_go_memory and "cgocheck=" not in settings:
        variables["GODEBUG"] = f"{settings},cgocheck=0".lstrip(",")
    return variables


def _refused(request: CallRequest, reason: str) -> CallResult:
    return CallResult(
        host=HostKind.NATIVE,
        steps=tuple(StepResult(step=step, outcome=Outcome.REFUSED, detail=reason) for step in request.steps),
        summary=f"{request.path} is {reason}",
        evidence=("nothing was run",),
        stdout=b"",
        stderr=b"",
        truncated=False,
    )


def _wire(request: CallRequest, plan: Plan, folder: str) -> protocol.Request:
    sandbox = request.sandbox
    return protocol.Request(
        parent=os.getpid(),
        folder=os.fsencode(folder),
        path=os.fsencode(os.path.realpath(request.path)),
        actions=tuple(planned.action for planned in plan.actions),
        cpu_seconds=math.ceil(request.limits.timeout) + 1,
        memory=request.limits.memory,
        lazy=request.lazy,
        namespace=request.namespace,
        sandbox=sandbox.on,
        strict=sandbox.strict,
        network=sandbox.network,
        processes=sandbox.processes,
        writable=tuple(os.fsencode(os.path.realpath(path)) for path in (folder, *sandbox.writable)),
    )
