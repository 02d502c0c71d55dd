"""The answer for a file of another machine: nothing is run, and what is known without running it is told."""

from __future__ import annotations

import os

from soinspect.calling.gostep import find_export, parse_step
from soinspect.calling.plan import Plan
from soinspect.model.calling import CallRequest, CallResult, HostKind, NativeFacts, Outcome, Step, StepResult
from soinspect.model.constants import ElfClass, Machine
from soinspect.model.golang import GoExportKind, GoPlugin
from soinspect.model.image import Header

# Machine names of uname(2) to e_machine; all of them are 64-bit and, as Linux runs them, of one byte order.
_MACHINES = {
    "x86_64": (Machine.X86_64, "little"),
    "aarch64": (Machine.AARCH64, "little"),
    "riscv64": (Machine.RISCV, "little"),
    "ppc64le": (Machine.PPC64, "little"),
    "s390x": (Machine.S390, "big"),
    "loongarch64": (Machine.LOONGARCH, "little"),
}
_DOCKER_PLATFORMS = {Machine.X86_64: "linux/amd64", Machine.AARCH64: "linux/arm64", Machine.I386: "linux/386"}


def is_for_this_machine(header: Header) -> bool:
    """Whether a file can be loaded here."""
    machine, byteorder = _MACHINES.get(os.uname().machine, (Machine.NONE, "little"))
    return (header.machine, header.byteorder, header.elf_class) == (machine, byteorder, ElfClass.ELF64)


def describe_natively(request: CallRequest, facts: NativeFacts, plan: Plan) -> CallResult:
    """What the steps would call in a C library: the prototypes, as far as they are known."""
    details = {}
    for planned in plan.actions:
        variable = planned.variable.type if planned.variable else None
        known = planned.prototype or variable
        details[planned.step] = f"{known.text} (from {planned.source})" if known else f"{planned.text}: type unknown"
    names = [function.name or f"function at {function.address:#x}" for function in facts.init_functions]
    constructors = f"loading it would run {', '.join(names) or 'no constructors'}"
    return _answer(request, facts.header, HostKind.NATIVE, details, constructors)


def describe_plugin(request: CallRequest, header: Header, plugin: GoPlugin) -> CallResult:
    """What the steps would use of a Go plugin: the types of its exports."""
    details = {}
    for index, step in enumerate(request.steps):
        if step.symbol is not None:
            export = find_export(parse_step(step.symbol), plugin, request.path)
            is_function = export.kind is GoExportKind.FUNCTION
            kind = export.type.removeprefix("func") if is_function else f" {export.type}"
            details[index] = f"{export.kind} {export.name}{kind}"
    return _answer(request, header, HostKind.GO, details, "opening it would run its initialisers")


def _answer(
    request: CallRequest, header: Header, host: HostKind, details: dict[int, str], initialisation: str
) -> CallResult:
    here = os.uname().machine.replace("_", "-")
    there = header.machine.name.lower().replace("x86_64", "x86-64")
    bits = "" if header.elf_class is ElfClass.ELF64 else " (32-bit)"
    platform = _DOCKER_PLATFORMS.get(header.machine)
    docker = f", for example with: docker run --platform {platform} ..." if platform else ""

    def described(index: int, step: Step) -> StepResult:
        detail = details.get(index, initialisation)
        return StepResult(step=step, outcome=Outcome.NOT_RUN, detail=detail)

    return CallResult(
        host=host,
        steps=tuple(described(index, step) for index, step in enumerate(request.steps)),
        summary=f"{request.path} is built for {there}{bits}, this machine is {here}: nothing was run",
        evidence=(initialisation,),
        stdout=b"",
        stderr=b"",
        truncated=False,
        fix=f"run soinspect on a machine of that kind ({there}){docker}",
    )
