"""The plan of loading a file, and of opening a plugin in a program: the closure, bound, as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from soinspect.elf.file import ElfFile
from soinspect.errors import InputError, Unsupported
from soinspect.loader.binding import Binder, bindings_of, interpositions_of, reaches_static_tls
from soinspect.loader.candidate import Refusal, open_candidate, refusal_to_map
from soinspect.loader.closure import Process, relocation_order
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.hints import hints_for
from soinspect.loader.ignored import may_matter, what_changes
from soinspect.loader.loaded import Loaded
from soinspect.model.constants import DynamicFlags, ObjectType, SectionIndex, SegmentFlags, SegmentType
from soinspect.model.loadplan import (
    Copies,
    Dependency,
    DlopenMode,
    DlopenPlan,
    FoundBy,
    GlobalLookup,
    Libc,
    LoadedObject,
    LoadPlan,
    VersionUse,
)

_NEVER_LOADED = {
    ObjectType.REL: "an object file, which is not linked yet",
    ObjectType.CORE: "a core file: what a program left that died",
}


def load_plan(path: str, env: LoaderEnv, known: Mapping[str, ElfFile] | None = None) -> LoadPlan:
    """What is loaded when the program, or the library, at ``path`` is; ``known`` as for :func:`dlopen_plans`.

    :raises InputError: it cannot be read, or is for a machine whose loader is not known.
    """
    with _start(path, env, known) as process:
        plan = _plan(process, process.load_dependencies(process.main), process.objects)
    if may_matter([plan], env):
        other = load_plan(path, env.with_ignored(), known)
        return replace(plan, remarks=(*plan.remarks, *what_changes([plan], [other], env)))
    return plan


def dlopen_plans(
    host: str,
    plugins: Sequence[str],
    env: LoaderEnv,
    *,
    into_global_scope: bool = False,
    mode: DlopenMode = DlopenMode.ASSUMED_NOW,
    known: Mapping[str, ElfFile] | None = None,
) -> tuple[DlopenPlan, ...]:
    """What happens when the running program ``host`` opens ``plugins`` one after the other.

    Each is opened in ``mode`` and with RTLD_LOCAL; those that load stay, and answer to their SONAMEs.
    ``into_global_scope`` stands for RTLD_GLOBAL: later plugins bind to the symbols of earlier ones. ``known`` are
    files that are open already, by their paths as the program names them; they stay open.

    :raises InputError: the host cannot be read, or is for a machine whose loader is not known.
    """
    with running_program(host, env, into_global_scope=into_global_scope, mode=mode, known=known) as program:
        return tuple(map(program.open, plugins))


@contextmanager
def running_program(
    host: str,
    env: LoaderEnv,
    *,
    into_global_scope: bool = False,
    mode: DlopenMode = DlopenMode.ASSUMED_NOW,
    known: Mapping[str, ElfFile] | None = None,
) -> Iterator[RunningProgram]:
    """The program ``host`` once it runs, to open plugins in; parameters and errors as of :func:`dlopen_plans`.

    What is added to ``known`` meanwhile counts from then on.
    """
    with _start(host, env, known) as process:
        yield RunningProgram(process, into_global_scope=into_global_scope, mode=mode)


class RunningProgram:
    """A program that calls dlopen; what it opened and keeps is there for what it opens next."""

    def __init__(self, process: Process, *, into_global_scope: bool, mode: DlopenMode) -> None:
        self._process = process
        self._into_global_scope = into_global_scope
        self._mode = mode
        self._scope = process.load_dependencies(process.main)
        self._host = _plan(process, self._scope, process.objects)
        self._static_tls_taken = 0
        process.dlopened = True

    def find(self, name: str) -> Dependency:
        """What dlopen finds for ``name``, which it searches for unless there is a slash in it; nothing is opened."""
        return self._process.find(name)[0]

    def look_up(self, name: str, version: str | None) -> GlobalLookup:
        """What ``dlsym(RTLD_DEFAULT, name)`` finds, or dlvsym in a ``version``."""
        scope = list(dict.fromkeys(self._scope))
        local = [it for it in self._process.objects if it not in scope]
        (hint,) = hints_for([name], scope, self._process.find)
        return GlobalLookup(
            provider=next((it.path for it in scope if it.exports(name, version)), None),
            local=tuple(it.path for it in local if it.exports(name, version)),
            hint=hint,
            needed=any((it.symbol, it.version) == (name, version) for it in self._host.unresolved),
            complete=not self._host.missing,
        )

    def open(self, plugin: str) -> DlopenPlan:
        """What becomes of opening the file ``plugin``."""
        before = len(self._process.objects)
        plan = _plugin_plan(self._process, plugin, self._scope)
        opened = DlopenPlan(
            host=self._host,
            plugin=plan,
            already_loaded=plan.error is None and len(self._process.objects) == before,
            static_tls_taken=self._static_tls_taken,
            mode=self._mode,
            root=self._process.files.root,
        )
        if not _is_kept(plan, self._mode):
            self._process.unload(before)
        elif not opened.already_loaded:
            self._static_tls_taken += plan.static_tls
            if self._into_global_scope:
                self._scope += self._process.objects[before:]
        return opened


def _is_kept(plan: LoadPlan, mode: DlopenMode) -> bool:
    """Whether dlopen succeeds, so that the plugin stays."""
    if mode is DlopenMode.LAZY:
        now = {it.path for it in plan.objects if it.binds_now}
        plan = replace(plan, bindings=tuple(it for it in plan.bindings if it.user in now or not it.calls_only))
    return plan.complete


def _plugin_plan(process: Process, plugin: str, main_scope: Sequence[Loaded]) -> LoadPlan:
    before = len(process.objects)
    opened = _open_plugin(process, plugin)
    if isinstance(opened, Refusal):
        return _refused(process, plugin, opened)
    own_scope = process.load_dependencies(opened)
    # A plugin that is loaded already is opened once more, and nothing happens.
    return _plan(process, [*main_scope, *own_scope], process.objects[before:] or [opened])


def _start(path: str, env: LoaderEnv, known: Mapping[str, ElfFile] | None) -> Process:
    files = FileSystem(env.root, known)
    named = files.given(path)
    elf = files.open(named) if named in files.known else ElfFile.open(files.place(path))
    try:
        unloadable = _NEVER_LOADED.get(elf.image.header.type)
        if unloadable is not None:
            raise Unsupported(path, unloadable, "loaders take programs and libraries")
        return Process(env, files, elf, named)
    except InputError:
        files.close(elf)
        raise


def _open_plugin(process: Process, plugin: str) -> Loaded | Refusal:
    """The plugin as an object of the process, or what the loader says instead."""
    path = process.files.given(plugin)
    # A plugin that is not in the image yet is read from where the user has it.
    files = process.files if process.files.identity(path) else FileSystem(known=process.files.known)
    opened = open_candidate(files, path, process.header, process.libc)
    if isinstance(opened, Refusal):
        return opened
    identity = files.identity(path)
    # The kernel mapped the program: the loader does not know which file that is.
    same = next((it for it in process.objects[1:] if it.identity == identity is not None), None)
    if same is not None:
        files.close(opened)
        return same
    said = refusal_to_map(opened, process.libc, process.libc_version, dlopened=True)
    if said is not None:
        files.close(opened)
        return Refusal(said=said, detail="")
    return process.add(opened, path, path, FoundBy.GIVEN, None)


def _refused(process: Process, plugin: str, refusal: Refusal) -> LoadPlan:
    return LoadPlan(
        path=plugin,
        libc=process.libc,
        libc_version=process.libc_version,
        loader=None,
        error=refusal.said,
        objects=(),
        bindings=(),
        versions=(),
        interpositions=(),
        copies=(),
        hints=(),
        unknown=(),
        remarks=(refusal.detail,) if refusal.detail not in ("", refusal.said) else (),
    )


def _plan(process: Process, scope: Sequence[Loaded], users: Sequence[Loaded]) -> LoadPlan:
    """The plan of ``users``, which were loaded last, and bind in ``scope``."""
    order = list(relocation_order(users))
    binder = Binder(scope, order, process.machine, process.libc)
    bound = [it for user in order for it in binder.bind(user)]
    bindings = tuple(bindings_of(bound, process.libc))
    unresolved = [it for it in bindings if it.unresolved]
    static = {it.provider for it in bound if it.reference.static_tls}
    searched = list(dict.fromkeys(scope))
    local = [it for it in process.objects if it not in searched]
    return LoadPlan(
        path=users[0].path,
        libc=process.libc,
        libc_version=process.libc_version,
        loader=process.program_loader() if users[0] is process.main else None,
        error=None,
        objects=tuple(_object(process, user, static_tls=user in static) for user in users),
        bindings=bindings,
        versions=tuple(_versions(process, users)) if process.libc is Libc.GLIBC else (),
        interpositions=tuple(interpositions_of(bound)),
        copies=tuple(_copies(process.objects)),
        hints=tuple(hints_for([it.symbol for it in unresolved], searched, process.find, local)),
        unknown=tuple(
            f"{user.path}: {anomaly.where} {anomaly.what}"
            for user in users
            for anomaly in user.elf.image.anomalies
            if anomaly.where != "section headers"  # which no loader looks at
        ),
        remarks=tuple(process.remarks),
    )


def _object(process: Process, loaded: Loaded, *, static_tls: bool) -> LoadedObject:
    """The object; ``static_tls`` says that others expect its thread-local storage in the static block."""
    image = loaded.elf.image
    segments = {segment.type: segment for segment in image.segments}
    stack, storage = segments.get(SegmentType.GNU_STACK), segments.get(SegmentType.TLS)
    cut = next((it for it in image.anomalies if it.where.startswith("segment LOAD")), None)
    return LoadedObject(
        path=loaded.path,
        soname=loaded.soname,
        found_by=loaded.found_by,
        needed_by=loaded.loader.path if loaded.loader else None,
        elf_class=image.header.elf_class,
        machine=image.header.machine,
        needs=tuple(loaded.needs),
        executable_stack=SegmentFlags.X in stack.flags if stack else process.machine.stack_is_executable,
        tls_size=storage.memsz if storage else 0,
        static_tls=static_tls or reaches_static_tls(loaded, process.machine),
        text_relocations=DynamicFlags.TEXTREL in loaded.flags,
        dynamic=loaded.dynamic is not None,
        binds_now=loaded.binds_now,
        truncated=f"{cut.where} {cut.what}" if cut else None,
    )


def _versions(process: Process, users: Sequence[Loaded]) -> Iterator[VersionUse]:
    """The versions that each object needs, in the order in which glibc checks them."""
    for user in users:
        table = user.symbols
        if table is None:
            continue
        forced: dict[tuple[str, str], list[str]] = {}
        for row, section in enumerate(table.section_indexes):
            if section == SectionIndex.UNDEF and (need := table.versions.need_of(row + 1)):
                forced.setdefault(need, []).append(table.names[row])
        for wanted in table.versions.needed:
            provider = process.named(wanted.library)
            defined = provider.symbols.versions.defined if provider and provider.symbols else ()
            yield VersionUse(
                user=user.path,
                library=wanted.library,
                version=wanted.version,
                weak=wanted.weak,
                provider=provider.path if provider else None,
                provided=wanted.version in defined if defined else None,
                symbols=tuple(forced.get((wanted.library, wanted.version), ())),
            )


def _copies(objects: Sequence[Loaded]) -> Iterator[Copies]:
    """Objects whose SONAMEs differ in the version only."""
    by_stem: dict[str, list[str]] = {}
    for loaded in objects:
        stem, so, _version = (loaded.soname or "").partition(".so")
        if so:
            by_stem.setdefault(stem, []).append(loaded.path)
    for stem, paths in by_stem.items():
        if len(paths) > 1:
            yield Copies(library=stem, paths=tuple(paths))
