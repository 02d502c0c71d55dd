"""A host and its plugins, read, and judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from soinspect.elf.describe import producers
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.go.loading import read_guest, read_host
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.plan import dlopen_plans
from soinspect.model.absence import Absent
from soinspect.model.goloading import GoHost, Guest, PluginSupport, Program
from soinspect.model.loadplan import DlopenPlan
from soinspect.model.verdict import Policy, Verdict
from soinspect.verdict.check import judge


def check(host: str, plugins: Sequence[str], environment: LoaderEnv, policy: Policy) -> Verdict:
    """What becomes of the files ``plugins`` when the program at ``host`` opens them in this order.

    :raises InputError: the host cannot be read; a plugin is not there, or damaged in a way that no loader sees.
    """
    files = FileSystem(environment.root)
    program = _program(host, files)
    by_go = isinstance(program.go, GoHost) and program.go.support is not PluginSupport.NONE
    # plugin.Open hands the real path to dlopen, which then says it in its messages.
    opened = [files.real(path) if by_go else path for path in plugins]
    plans = dlopen_plans(host, opened, environment, into_global_scope=by_go)
    guests = [_guest(path, files, plan) for path, plan in zip(plugins, plans, strict=True)]
    return judge(program, guests, plans, policy)


def _program(path: str, files: FileSystem) -> Program:
    with ElfFile.open(files.place(path)) as elf:
        return Program(path=path, go=read_host(elf), producers=producers(elf))


def _guest(path: str, files: FileSystem, plan: DlopenPlan) -> Guest:
    identity = files.real(path)
    try:
        with ElfFile.open(files.place(path)) as elf:
            return replace(read_guest(elf), path=path, identity=identity)
    except InputError as error:
        if plan.plugin.error is None or files.identity(files.given(path)) is None:
            raise
        unread = Absent(error.reason)
        return Guest(path=path, identity=identity, go=unread, shape=unread, needed=(), exports=(), producers=())
