"""A plugin that the loader refuses as a file: what it says, what the file is, and what makes a plugin of it."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath

from soinspect.model.loadplan import DlopenPlan, DlopenProblem, Effect, Libc, ProblemKind

_NOT_FOUND = "No such file or directory"
# By what the loader says, or by what the file is instead (``what_is`` of soinspect.elf.identify, in its words).
# {file} and {host} are words of the shell, {name} is what the plugin should be called.
_FIXES = {
    "cannot dynamically load position-independent executable": "link {file} with -shared instead of -pie",
    "cannot dynamically load executable": "link {file} with -shared -fPIC",
    "a file of type ET_REL": "gcc -shared -o {name}.so {file}",
    "a file of type ET_CORE": "gdb {host} {file}  (a core file is what a program left that died, no plugin)",
    "only ET_DYN and ET_EXEC can be loaded": "link {file} with -shared",
    "shared object cannot be dlopen()ed": "link {file} without -Wl,-z,nodlopen",
    "object file has no dynamic section": "link {file} with -shared",
    "cannot read file data: Is a directory": "ls {file}  (and name one of its files)",
    "is empty": "copy or build {file} again",
    "damaged ELF file": "copy or build {file} again",
    "a static library": "gcc -shared -o {name}.so -Wl,--whole-archive {file} -Wl,--no-whole-archive",
    "gzip data": "gzip -dc {file} > {name}.unpacked.so",
    "bzip2 data": "bzip2 -dc {file} > {name}.unpacked.so",
    "xz data": "xz -dc {file} > {name}.unpacked.so",
    "zstd data": "zstd -dc {file} > {name}.unpacked.so",
    "a zip archive": "unzip {file}",
    "LLVM bitcode": "clang -shared -o {name}.so {file}",
    "a Git LFS pointer": "git lfs pull --include {file}",
}
_IN_SCRIPT = re.compile(r"[^\s()]*/[^\s()]+|-l[^\s()]+")


def refused_file(plan: DlopenPlan, said: str) -> DlopenProblem:
    """The problem with a plugin of which the loader says ``said``, in glibc's words."""
    plugin = plan.plugin
    summary = message = f"{plugin.path}: {said}"
    effect = Effect.REFUSED
    if plan.host.libc is Libc.MUSL:
        summary = message = f"Error loading shared library {plugin.path}: {musl_reason(said)}"
        if any("built for" in remark for remark in plugin.remarks):
            effect = Effect.ABORTS
            summary = f"musl maps {plugin.path} without a look at the machine that it is for: it cannot run"
    return DlopenProblem(
        kind=ProblemKind.FILE,
        effect=effect,
        subject=plugin.path,
        summary=summary,
        message=message if effect is Effect.REFUSED else None,
        evidence=(),
        fix=_fix(plan, said),
        cause="; ".join(it for it in plugin.remarks if it not in summary.casefold()) or None,
    )


def _fix(plan: DlopenPlan, said: str) -> str | None:
    path, remarks = plan.plugin.path, plan.plugin.remarks
    file = shlex.quote(path)
    for what, fix in _FIXES.items():
        if said == what or any(remark.startswith(what) for remark in remarks):
            return fix.format(file=file, host=shlex.quote(plan.host.path), name=shlex.quote(PurePath(path).stem))
    for remark in remarks:
        if remark.startswith("a linker script") and (named := _IN_SCRIPT.search(remark.partition(": ")[2])):
            return f"soinspect check {shlex.quote(plan.host.path)} {shlex.quote(named[0])}"
        if remark.startswith("built for"):
            return f"build {file} for {plan.host.objects[0].machine.name.lower().replace('_', '-')}"
    return f"file {file}" if said in ("invalid ELF header", "file too short") else None


def musl_reason(said: str) -> str:
    """What musl prints for a refusal that glibc words differently: an error of the system calls."""
    return _NOT_FOUND if said.endswith(_NOT_FOUND) else "Exec format error"
