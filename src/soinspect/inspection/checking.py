"""A host and its plugins, read, and judged together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from soinspect.elf.describe import producers
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.go.loading import read_guest, read_host
from soinspect.inspection.loading import misfits, saved_elf, saved_guest, saved_program
from soinspect.inspection.saved import is_saved, read_saved
from soinspect.inspection.standardinput import name_of, open_elf_file
from soinspect.kinds.recognise import plugin_kinds
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
    with ExitStack() as resources:
        main, program = _open_program(host, files, resources)
        known = {files.given(program.path): main}
        by_go = isinstance(program.go, GoHost) and program.go.support is not PluginSupport.NONE
        # plugin.Open hands the real path to dlopen, which then says it in its messages.
        opened = [files.real(name_of(path)) if by_go else name_of(path) for path in plugins]
        guests: list[Guest | InputError] = []
        for path, named in zip(plugins, opened, strict=True):
            try:
                known[files.given(named)], guest = _open_guest(path, files, resources)
                guests.append(guest)
            except InputError as error:
                guests.append(error)
        plans = dlopen_plans(program.path, opened, environment, into_global_scope=by_go, known=known)
    read = [_read(*it, files) for it in zip(plugins, guests, plans, strict=True)]
    return judge(program, read, plans, policy)


def _open_program(path: str, files: FileSystem, resources: ExitStack) -> tuple[ElfFile, Program]:
    if is_saved(path):
        facts = read_saved(path)
        return saved_elf(facts), saved_program(facts)
    elf = resources.enter_context(open_elf_file(files.place(path)))
    program = Program(path=name_of(path), go=read_host(elf), producers=producers(elf))
    elf.forget_pointers()
    return elf, program


def _open_guest(path: str, files: FileSystem, resources: ExitStack) -> tuple[ElfFile, Guest]:
    name = name_of(path)
    identity = files.real(name)
    if is_saved(path):
        facts = read_saved(path)
        return saved_elf(facts), saved_guest(facts, name, identity)
    elf = resources.enter_context(open_elf_file(files.place(path)))
    guest = read_guest(elf)
    guest = replace(guest, path=name, identity=identity, misfits=misfits(plugin_kinds(elf, guest.go)))
    elf.forget_pointers()
    return elf, guest


def _read(path: str, guest: Guest | InputError, plan: DlopenPlan, files: FileSystem) -> Guest:
    """The plugin; one that cannot be read is nothing but a file, if dlopen refuses it before anything in it matters.

    :raises InputError: it is not there, or dlopen does not see what is wrong with it.
    """
    if isinstance(guest, Guest):
        return guest
    if plan.plugin.error is None or files.identity(files.given(path)) is None or is_saved(path):
        raise guest
    unread = Absent(guest.reason)
    return Guest(path=path, identity=files.real(path), go=unread, shape=unread, needed=(), exports=(), producers=())
