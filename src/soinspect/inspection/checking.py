"""A host and its plugins, read, and judged together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
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
from soinspect.model.verdict import Policy, Verdict
from soinspect.verdict.check import judge


def check(host: str, plugins: Sequence[str], environment: LoaderEnv, policy: Policy) -> Verdict:
    """What becomes of the files ``plugins`` when the program at ``host`` opens them in this order.

    :raises InputError: the host cannot be read; a plugin is not there, or damaged in a way that no loader sees.
    """
    files = FileSystem(environment.root)
    with ExitStack() as resources:
        main = resources.enter_context(ElfFile.open(files.place(host)))
        program = Program(path=host, go=read_host(main), producers=producers(main))
        known = {files.given(host): main}
        by_go = isinstance(program.go, GoHost) and program.go.support is not PluginSupport.NONE
        guests: list[Guest | InputError] = []
        for path in plugins:
            try:
                elf = resources.enter_context(ElfFile.open(files.place(path)))
                guests.append(replace(read_guest(elf), path=path, identity=files.real(path)))
            except InputError as error:
                guests.append(error)
            else:
                known[files.real(path) if by_go else files.given(path)] = elf
        # plugin.Open hands the real path to dlopen, which then says it in its messages.
        opened = [files.real(path) if by_go else path for path in plugins]
        plans = dlopen_plans(host, opened, environment, into_global_scope=by_go, known=known)
    for path, guest, plan in zip(plugins, guests, plans, strict=True):
        if isinstance(guest, InputError) and (plan.plugin.error is None or files.identity(files.given(path)) is None):
            raise guest
    read = [
        _unread(path, files, guest) if isinstance(guest, InputError) else guest
        for path, guest in zip(plugins, guests, strict=True)
    ]
    return judge(program, read, plans, policy)


def _unread(path: str, files: FileSystem, error: InputError) -> Guest:
    """A file that dlopen refuses before anything in it matters."""
    unread = Absent(error.reason)
    return Guest(path=path, identity=files.real(path), go=unread, shape=unread, needed=(), exports=(), producers=())
