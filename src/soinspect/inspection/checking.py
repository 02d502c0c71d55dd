"""A host and its plugins, read, and judged together."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from soinspect.elf.describe import producers
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.go.elsewhere import packages_to_explain
from soinspect.go.folders import package_folders
from soinspect.go.loading import asserted_types, read_guest, read_host
from soinspect.inspection.barenames import Chosen, chosen_file
from soinspect.inspection.loading import misfits, saved_elf, saved_guest, saved_program
from soinspect.inspection.saved import is_saved, read_saved
from soinspect.inspection.standardinput import name_of, open_elf_file
from soinspect.kinds.recognise import plugin_kinds
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.hints import hidden_names
from soinspect.loader.ignored import may_matter, what_changes
from soinspect.loader.plan import RunningProgram, running_program
from soinspect.model.absence import Absent
from soinspect.model.goloading import GoHost, Guest, Inherited, Program
from soinspect.model.loadplan import DlopenMode, DlopenPlan, LoadPlan
from soinspect.model.requirement import Requirement
from soinspect.model.symbol import SymbolColumns
from soinspect.model.verdict import Policy, Verdict
from soinspect.verdict.check import judge

if TYPE_CHECKING:
    from soinspect.model.prototype import Prototypes

_LAZY_IN_GO = "--lazy has no effect: plugin.Open always passes RTLD_NOW to dlopen"


def check(host: str, plugins: Sequence[str], environment: LoaderEnv, policy: Policy, *, lazy: bool = False) -> Verdict:
    """What becomes of the files ``plugins`` when the program at ``host`` opens them in this order.

    ``lazy``: a program that calls dlopen itself passes RTLD_LAZY to it.

    :raises InputError: the host cannot be read; a plugin is not there, a folder, or damaged in a way that no loader
        sees.
    """
    files = FileSystem(environment.root)
    for path in plugins:
        if files.is_folder(files.given(path)):
            inside = shlex.quote(path.removesuffix("/") + "/")
            raise InputError(path, f"is a folder: name the plugins in it, say {inside}*.so")
    return foresee(host, plugins, environment, policy, lazy=lazy)


def foresee(
    host: str, plugins: Sequence[str], environment: LoaderEnv, policy: Policy, *, lazy: bool = False
) -> Verdict:
    """As :func:`check`; and what dlopen says of a folder, which a program may open by mistake.

    :raises InputError: as :func:`check`, but for a folder.
    """
    files = FileSystem(environment.root)
    with ExitStack() as resources:
        main, program = open_program(host, files, resources)
        known = {files.given(program.path): main}
        by_go = program.opens_by_go
        mode = DlopenMode.NOW if by_go else DlopenMode.LAZY if lazy else DlopenMode.ASSUMED_NOW
        run = partial(running_program, program.path, into_global_scope=by_go, mode=mode, known=known)
        running = resources.enter_context(run(environment))
        chosen: list[Chosen] = []
        opened: list[str] = []
        plans: list[DlopenPlan] = []
        guests: list[Guest | InputError] = []
        for path in plugins:
            it = Chosen(path=path, remark=_LAZY_IN_GO if lazy else None) if by_go else chosen_file(path, running, files)
            # plugin.Open hands the real path to dlopen, which then says it in its messages.
            named = files.real(name_of(path)) if by_go else name_of(it.path)
            try:
                elf, guest, types = _open_guest(it.path, files, resources)
                known[files.given(named)] = elf
                # What is no Go plugin is not looked up in by a Go program: it does not get that far.
                asked = policy.required_of(it.path) if guest.is_go_plugin or not by_go else ()
                guests.append(_with_required(elf, guest, types, asked))
            except InputError as error:
                guests.append(error)
            chosen.append(it)
            opened.append(named)
            plans.append(running.open(named))
        if by_go:
            program = _with_asserted(program, main, policy)
            opened_files = [known.get(files.given(named)) for named in opened]
            program, guests = _with_folders(program, main, guests, opened_files)
        remarks = tuple(_ignored(plans, opened, environment, run))
        read = [
            replace(_read(it.path, guest, plan, files), remarks=(*filter(None, (it.remark, _known(plan))), *remarks))
            for it, guest, plan in zip(chosen, guests, plans, strict=True)
        ]
        read = [
            replace(guest, inherited=tuple(_inherited(guest, plan, policy.required_of(guest.path), files)))
            for guest, plan in zip(read, plans, strict=True)
        ]
    return judge(program, read, plans, policy)


def _with_asserted(program: Program, main: ElfFile, policy: Policy) -> Program:
    """The Go host with its own types that plugins are required to be; most are asked for none."""
    host = program.go
    assert isinstance(host, GoHost)  # noqa: S101
    asserted = {it.type for it in policy.requirements if it.type is not None}
    return replace(program, go=replace(host, asserted=tuple(asserted_types(main, sorted(asserted)))))


def _with_folders(
    program: Program, main: ElfFile, guests: Sequence[Guest | InputError], elves: Sequence[ElfFile | None]
) -> tuple[Program, list[Guest | InputError]]:
    """Host and plugins with the source folders of packages that differ; saved facts have them anyway."""
    host = program.go
    assert isinstance(host, GoHost)  # noqa: S101
    packages = packages_to_explain(host, [it for it in guests if isinstance(it, Guest)])
    if not packages:
        return program, list(guests)
    read: list[Guest | InputError] = [
        replace(it, folders=it.folders or package_folders(elf, packages)) if isinstance(it, Guest) and elf else it
        for it, elf in zip(guests, elves, strict=True)
    ]
    return replace(program, go=replace(host, folders=host.folders or package_folders(main, packages))), read


def _known(plan: DlopenPlan) -> str | None:
    """Since when a plugin has been there that nothing is loaded for."""
    if not plan.already_loaded:
        return None
    of_host = any(it.path == plan.plugin.path for it in plan.host.objects)
    by = f"as {plan.host.path} needs it" if of_host else "by what was opened before"
    return f"{plan.plugin.path} is loaded already, {by}: dlopen returns a handle to it, and loads nothing"


def _ignored(
    plans: Sequence[DlopenPlan],
    opened: Sequence[str],
    environment: LoaderEnv,
    run: Callable[[LoaderEnv], AbstractContextManager[RunningProgram]],
) -> Iterator[str]:
    """Whether LD_LIBRARY_PATH of the one who asks would change what is found."""
    found = _all_of(plans)
    if may_matter(found, environment):
        with run(environment.with_ignored()) as other:
            changed = _all_of([other.open(it) for it in opened])
        yield from what_changes(found, changed, environment)


def _all_of(plans: Sequence[DlopenPlan]) -> list[LoadPlan]:
    return [plan for pair in plans for plan in (pair.host, pair.plugin)]


def open_program(path: str, files: FileSystem, resources: ExitStack) -> tuple[ElfFile, Program]:
    """The program at ``path``, or what its snapshot holds; the file is open until ``resources`` are closed.

    :raises InputError: it cannot be read.
    """
    if is_saved(path):
        facts = read_saved(path)
        return saved_elf(facts), saved_program(facts)
    elf = resources.enter_context(open_elf_file(files.place(path)))
    program = Program(path=name_of(path), go=read_host(elf), producers=producers(elf))
    elf.forget_pointers()
    return elf, program


def _open_guest(
    path: str, files: FileSystem, resources: ExitStack
) -> tuple[ElfFile, Guest, Prototypes | Absent | None]:
    """The plugin, as a file and as facts; and the types of its exports, where it is a snapshot."""
    name = name_of(path)
    identity = files.real(name)
    if is_saved(path):
        facts = read_saved(path)
        return saved_elf(facts), saved_guest(facts, name, identity), facts.types
    elf = resources.enter_context(open_elf_file(files.place(path)))
    guest = read_guest(elf)
    guest = replace(guest, path=name, identity=identity, misfits=misfits(plugin_kinds(elf, guest.go)))
    elf.forget_pointers()
    return elf, guest, None


def _with_required(
    elf: ElfFile, guest: Guest, saved: Prototypes | Absent | None, requirements: Sequence[Requirement]
) -> Guest:
    """The plugin with what explains that it lacks what is required; most are asked for nothing.

    :raises UsageError: a type is required that is no prototype of a C function.
    """
    if not requirements:
        return guest
    if guest.go and guest.go.plugin:
        return replace(guest, hidden=tuple(_not_exported(elf, guest.go.plugin.path)))
    from soinspect.inspection.prototypes import check_prototypes

    return replace(
        guest,
        hidden=guest.hidden or tuple(hidden_names(elf)),
        prototypes=tuple(check_prototypes(elf, saved, requirements)),
    )


def _not_exported(elf: ElfFile, plugin_path: str) -> Iterator[str]:
    """The functions and variables of a Go plugin's package main that begin with a small letter."""
    prefix = f"{plugin_path}."
    for symbol in elf.dynamic_symbols.starting_with(prefix) if elf.dynamic_symbols else ():
        name = symbol.name.removeprefix(prefix)
        if name.isidentifier() and not name[0].isupper():
            yield name


def _inherited(
    guest: Guest, plan: DlopenPlan, requirements: Sequence[Requirement], files: FileSystem
) -> Iterator[Inherited]:
    """Which required symbols dlsym finds in the libraries of a plugin: it goes through them as they are needed."""
    wanted = {it.symbol for it in requirements}.difference(guest.exports.names)
    if guest.is_go_plugin or not wanted or not plan.plugin.objects:
        return
    known = {it.path: it for it in (*plan.host.objects, *plan.plugin.objects)}
    order = [plan.plugin.objects[0].path]
    for path in order:  # which grows meanwhile
        order += (it.path for it in known[path].needs if it.path in known and it.path not in order)
    for path in order[1:]:
        elf = files.open(path)
        table = elf.dynamic_symbols
        found = {name for name in wanted if table and (symbol := table.get(name)) and symbol.exported}
        yield from (Inherited(symbol=name, provider=path) for name in sorted(found))
        wanted -= found
        files.close(elf)


def _read(path: str, guest: Guest | InputError, plan: DlopenPlan, files: FileSystem) -> Guest:
    """The plugin; one that cannot be read is nothing but a file, if dlopen refuses it before anything in it matters.

    :raises InputError: it is not there, or dlopen does not see what is wrong with it.
    """
    if isinstance(guest, Guest):
        return guest
    if plan.plugin.error is None or files.identity(files.given(path)) is None or is_saved(path):
        raise guest
    unread = Absent(guest.reason)
    return Guest(
        path=path,
        identity=files.real(path),
        go=unread,
        shape=unread,
        needed=(),
        exports=SymbolColumns.none(),
        producers=(),
    )
