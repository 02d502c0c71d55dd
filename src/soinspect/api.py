"""The composer: the public Python API. It opens files, asks each layer, and returns values."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Unpack

from soinspect.elf.file import ElfFile
from soinspect.errors import InputError, UsageError
from soinspect.inspection.saved import is_saved, read_saved, read_saved_snapshot, read_snapshot_facts
from soinspect.inspection.standardinput import STANDARD_INPUT, kept_standard_input, name_of, open_elf_file
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag

# Every command is to start fast, and each class of values costs its share: the imports of one question stand in the
# function that answers it.
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    FilePath = str | os.PathLike[str]

    from soinspect.calling.toolchain import CallEnvironment
    from soinspect.loader.environment import LoaderEnv
    from soinspect.model.calling import CallOptions, CallResult, HostKind
    from soinspect.model.explanation import Explanation
    from soinspect.model.facts import Facts
    from soinspect.model.finding import Comparison, Profile, Suppression
    from soinspect.model.goreport import GoQuery, GoReport
    from soinspect.model.loadplan import DlopenProblem, LoadPlan
    from soinspect.model.pluginkind import GoHostProfile, PluginKind
    from soinspect.model.scan import Scanned
    from soinspect.model.series import FolderComparison, Timeline
    from soinspect.model.snapshot import Snapshot
    from soinspect.model.symbolquery import SymbolListing, SymbolQuery
    from soinspect.model.verdict import Policy, Verdict
    from soinspect.scan.query import Query


def open_elf(path: FilePath) -> ElfFile:
    """Open the ELF file at ``path``; ``-`` reads standard input, up to 2 GiB.

    :raises InputError: it is missing, empty, a directory, or not ELF (:class:`NotElf` says what it is).
    :raises UsageError: it is a snapshot or a baseline: what is asked for stands in the file itself only.
    """
    path = os.fspath(path)
    if is_saved(path):
        raise UsageError(f"{path}: a snapshot or baseline, which holds facts only: this needs the file itself")
    return open_elf_file(path)


def facts_of(path: FilePath, *, with_types: bool = True, with_loading: bool = False) -> Facts:
    """All facts of the file at ``path``, or those in a snapshot or baseline of it.

    ``with_types`` False leaves the debug information of a file unread, ``with_loading`` reads what its loader looks at
    as well; what a snapshot holds, it holds.

    :raises InputError: the file cannot be read, or the snapshot is damaged.
    """
    path = os.fspath(path)
    if is_saved(path):
        return read_saved(path)
    from soinspect.inspection.facts import facts_of as facts_of_open

    with open_elf(path) as elf:
        facts = facts_of_open(elf, with_types=with_types)
        if not with_loading:
            return facts
        from soinspect.inspection.loading import loading_facts

        return replace(facts, loading=loading_facts(elf))


def snapshot(path: FilePath) -> str:
    """All facts of the file at ``path`` as the text of a snapshot, which stands in for the file (docs/snapshots.md).

    :raises InputError: the file cannot be read.
    """
    from soinspect.saved.snapshotfile import write_snapshot

    return write_snapshot(facts_of(path, with_loading=True))


def freeze(path: FilePath) -> str:
    """What others rely on in the file at ``path``, a fact a line: the text of a baseline, to be compared with later.

    :raises InputError: the file cannot be read.
    """
    from soinspect.saved.baseline import freeze as freeze_facts

    return freeze_facts(facts_of(path))


def list_symbols(path: FilePath, query: SymbolQuery | None = None, *, with_static: bool = False) -> SymbolListing:
    """The symbols of the file at ``path`` that ``query`` asks for (None: all), explained and sorted.

    ``with_static`` adds those of ``.symtab`` that are not dynamic.

    :raises InputError: the file cannot be read.
    """
    from soinspect.inspection.listing import list_saved_symbols
    from soinspect.inspection.listing import list_symbols as list_open
    from soinspect.model.symbolquery import SymbolQuery

    path, query = os.fspath(path), query or SymbolQuery()
    if is_saved(path):
        return list_saved_symbols(read_saved_snapshot(path), query, with_static=with_static)
    with open_elf(path) as elf:
        return list_open(elf, query, with_static=with_static)


def inspect(
    path: FilePath, *, with_witnesses: bool = False, profile: GoHostProfile | None = None, explained: bool = True
) -> Snapshot:
    """All facts of the file at ``path``; ``with_witnesses`` has pyelftools and LIEF read its symbols too.

    ``profile`` is the host that a Go plugin is for. Those who need not know what the symbols' names mean leave out
    ``explained``, and are spared most of the time that a large Go plugin takes.

    :raises InputError: the file cannot be read, or is no Go plugin where there is a ``profile``.
    """
    from soinspect.inspection.facts import snapshot
    from soinspect.kinds.recognise import plugin_kinds as kinds_of
    from soinspect.kinds.recognise import saved_plugin_kinds

    path = os.fspath(path)
    if is_saved(path) and not with_witnesses:
        facts = read_saved_snapshot(path)
        return replace(facts, plugin_kinds=saved_plugin_kinds(facts, profile))
    with open_elf(path) as elf:
        facts = snapshot(elf, explained=explained)
        facts = replace(facts, plugin_kinds=kinds_of(elf, facts.go, profile))
        if not with_witnesses:
            return facts
        from soinspect.elf.crosscheck import cross_check

        return replace(facts, witnesses=cross_check(elf))


def plugin_kinds(path: FilePath, *, profile: GoHostProfile | None = None) -> tuple[PluginKind, ...]:
    """What the file at ``path`` is a plugin for, and what of that does not fit; most files are one kind, or none.

    ``profile`` is the host that a Go plugin is for.

    :raises InputError: the file cannot be read, or is no Go plugin where there is a ``profile``.
    """
    from soinspect.go.facts import read_go
    from soinspect.kinds.recognise import plugin_kinds as kinds_of
    from soinspect.kinds.recognise import saved_plugin_kinds

    path = os.fspath(path)
    if is_saved(path):
        return saved_plugin_kinds(read_saved_snapshot(path), profile)
    with open_elf(path) as elf:
        return kinds_of(elf, read_go(elf), profile)


def inspect_go(path: FilePath, query: GoQuery | None = None) -> GoReport:
    """What a Go binary says about itself, with the tables that ``query`` asks for (None: no table).

    :raises InputError: the file cannot be read, or is no Go binary.
    :raises UsageError: a snapshot does not hold what is asked.
    """
    from soinspect.inspection.golang import inspect_go as inspect_open
    from soinspect.inspection.golang import inspect_saved_go
    from soinspect.model.goreport import GoQuery

    path, query = os.fspath(path), query or GoQuery()
    if is_saved(path):
        return inspect_saved_go(read_snapshot_facts(path), query)
    with open_elf(path) as elf:
        return inspect_open(elf, query)


def compare(
    old: FilePath,
    new: FilePath,
    *,
    profile: Profile | None = None,
    suppressions: tuple[Suppression, ...] = (),
    host: FilePath | None = None,
) -> Comparison:
    """What changed from the file at ``old`` to the one at ``new``, and what it breaks.

    ``profile`` None means: a file with a SONAME is linked against, any other is opened with dlopen. Findings that
    ``suppressions`` accept today do not count. With a ``host``, it is judged what changes for that program alone, and
    how it uses the file is seen in it.

    :raises InputError: one of the files cannot be read.
    """
    from soinspect.comparing.suppress import suppress

    old, new = os.fspath(old), os.fspath(new)
    found = _compare_for_host(old, new, os.fspath(host)) if host else _compare(old, new, profile)
    return suppress(found, suppressions, date.today())  # noqa: DTZ011  (the user's own day)


def _compare_for_host(old: str, new: str, host: str) -> Comparison:
    from soinspect.inspection.comparing import compare_for_host, unresolved_in

    return compare_for_host(facts_of(old), facts_of(new), inspect(host), unresolved_in(host, new))


def _compare(old: str, new: str, profile: Profile | None) -> Comparison:
    if is_saved(old) or is_saved(new):
        from soinspect.inspection.comparing import compare_facts

        return compare_facts(facts_of(old), facts_of(new), profile)
    with open_elf(old) as before, open_elf(new) as after:
        if before.image.same_bytes(after.image):
            from soinspect.model.finding import Comparison, Profile

            linked = before.dynamic and before.dynamic.strings_of(DynamicTag.SONAME)
            chosen = profile or (Profile.LINKED if linked else Profile.DLOPEN)
            return Comparison.of_identical(before.path, after.path, chosen)
        from soinspect.comparing.engine import compare as compare_snapshots
        from soinspect.inspection.facts import comparable, types_of

        facts = comparable(before), comparable(after)
        for elf, it in zip((before, after), facts, strict=True):
            if it.truncated:
                raise elf.image.error(
                    it.header.phoff,
                    "p_filesz",
                    it.header.phnum,
                    f"it is no use comparing it: {it.truncated.where} {it.truncated.what}",
                )
        old_types, new_types = (types_of(elf, it) for elf, it in zip((before, after), facts, strict=True))
        return compare_snapshots(*facts, old_types=old_types, new_types=new_types, profile=profile)


def compare_folders(
    old: FilePath,
    new: FilePath,
    *,
    profile: Profile | None = None,
    suppressions: tuple[Suppression, ...] = (),
    host: FilePath | None = None,
) -> FolderComparison:
    """Compare the files of two folders that belong together: by SONAME, Go plugin path, place or name.

    The other arguments are those of :func:`compare`. What cannot be read is part of the answer.
    """
    from soinspect.comparing.pairing import pair_up
    from soinspect.inspection.folder import candidates
    from soinspect.model.series import FolderComparison

    unreadable: list[str] = []
    sides = []
    old, new = os.fspath(old), os.fspath(new)
    for folder in (old, new):
        found = list(candidates(folder))
        unreadable += (str(it) for it in found if isinstance(it, InputError))
        sides.append([it for it in found if not isinstance(it, InputError)])
    pairs, gone, added = pair_up(*sides)
    compared = []
    for one, other in pairs:
        try:
            compared.append(compare(one.path, other.path, profile=profile, suppressions=suppressions, host=host))
        except InputError as error:
            unreadable.append(str(error))
    return FolderComparison(
        old=str(old),
        new=str(new),
        pairs=tuple(compared),
        gone=tuple(it.relative for it in gone),
        added=tuple(it.relative for it in added),
        unreadable=tuple(unreadable),
    )


def timeline(
    paths: Sequence[FilePath],
    *,
    profile: Profile | None = None,
    suppressions: tuple[Suppression, ...] = (),
    host: FilePath | None = None,
) -> Timeline:
    """Compare each of several versions of a file with the one before it; the arguments are those of :func:`compare`.

    :raises InputError: one of them cannot be read.
    """
    from soinspect.comparing.timeline import step
    from soinspect.model.series import Timeline

    facts = [inspect(str(path)) for path in paths]
    return Timeline(
        steps=tuple(
            step(compare(old.path, new.path, profile=profile, suppressions=suppressions, host=host), old, new)
            for old, new in pairwise(facts)
        )
    )


def check(
    host: FilePath,
    *plugins: FilePath,
    environment: LoaderEnv | None = None,
    policy: Policy | None = None,
    lazy: bool = False,
) -> Verdict:
    """What becomes of ``plugins`` when the program at ``host`` opens them in this order; nothing is run.

    ``environment`` says where libraries are sought; None: on this machine. ``policy`` is what is asked of each plugin
    besides. ``lazy``: the host passes RTLD_LAZY to dlopen (RTLD_NOW is assumed).

    :raises InputError: the host cannot be read, or a plugin is not there.
    """
    from soinspect.inspection.checking import check as check_files
    from soinspect.loader.environment import LoaderEnv
    from soinspect.model.verdict import Policy

    paths = [os.fspath(plugin) for plugin in plugins]
    return check_files(os.fspath(host), paths, environment or LoaderEnv(), policy or Policy(), lazy=lazy)


def explain(
    text: str, host: FilePath | None = None, *plugins: FilePath, environment: LoaderEnv | None = None
) -> Explanation | Absent:
    """What the words of a loader in ``text`` mean, and whether ``host`` opening ``plugins`` explains them.

    :raises InputError: one of the files cannot be read.
    """
    from soinspect.loader.environment import LoaderEnv
    from soinspect.verdict.explain import recognise

    found = recognise(text)
    if isinstance(found, Absent):
        return found
    if host is None:
        return found.explanation()
    from soinspect.inspection.explaining import explain_by_files

    paths = [os.fspath(plugin) for plugin in plugins]
    return explain_by_files(found, os.fspath(host), paths, environment or LoaderEnv())


def call(
    path: FilePath,
    *steps: str,
    init: bool = False,
    host: HostKind | FilePath | None = None,
    surroundings: CallEnvironment | None = None,
    **options: Unpack[CallOptions],
) -> CallResult:
    """Load the file at ``path`` for real, in an isolated process, and carry out ``steps`` in order.

    A step is written as on the command line: ``"Run"``, ``"add(40, 2)"``, ``"I=8"``. ``init`` asks which initialisers
    ran. ``host`` None means: Go plugins in a Go host of their own release, everything else natively; a path is that of
    the Go program that is to open the plugin. ``surroundings`` None means those of this process. ``options`` are the
    fields of :class:`~soinspect.model.calling.CallOptions`: ``limits``, ``sandbox``, ``environment``, ``signatures``,
    ``headers``, ``repeat``, ``lazy``, ``library_paths``, ``namespace``.

    :raises InputError: the file cannot be read.
    :raises UsageError: there is nothing to do, or a step names nothing that the file exports.
    :raises CannotRun: this machine cannot do it now; the error says what would help.
    :raises TypeError: there is no such option.
    """
    from soinspect.calling.toolchain import CallEnvironment
    from soinspect.model.calling import CallOptions, CallRequest, HostKind, NativeFacts, Step
    from soinspect.model.golang import GoBinaryKind, GoFacts

    path = os.fspath(path)
    for name in options.keys() - CallOptions.__annotations__:
        raise TypeError(f"call() has no option {name!r}; it has {', '.join(CallOptions.__annotations__)}")
    if not steps and not init:
        raise UsageError("nothing to do: name a symbol, or say --init to run the initialisers")
    if is_saved(path):
        raise UsageError(
            f"{path}: a snapshot or baseline holds no code to call: this needs the file itself; "
            "info, symbols and go show what it exports"
        )
    if path == STANDARD_INPUT:
        with kept_standard_input() as kept:
            return call(kept, *steps, init=init, host=host, surroundings=surroundings, **options)
    asked = (None, *steps) if init else steps
    request = CallRequest(path=path, steps=tuple(Step(symbol=step) for step in asked), **options)
    environment = surroundings or CallEnvironment.of_this_process()
    facts = inspect(request.path)
    is_plugin = isinstance(facts.go, GoFacts) and facts.go.kind is GoBinaryKind.PLUGIN
    if host is HostKind.NATIVE or (host is None and not is_plugin):
        from soinspect.calling.native import call_native

        return call_native(request, NativeFacts.of(facts), environment)
    if request.repeat > 1:
        raise UsageError("--repeat works for native calls only, not in a Go host")
    if isinstance(facts.go, Absent):
        raise UsageError(f"{request.path} cannot be opened by a Go host: {facts.go.reason}")
    from soinspect.calling.elsewhere import describe_plugin, is_for_this_machine

    if facts.go.plugin and not is_for_this_machine(facts.header):
        return describe_plugin(request, facts.header, facts.go.plugin)
    if host is None or isinstance(host, HostKind):
        from soinspect.calling.gohost import call_in_go_host

        return call_in_go_host(request, facts.go, environment)
    from soinspect.calling.gopreload import call_in_own_host

    return call_in_own_host(request, facts.go, environment, os.fspath(host), lambda: check(host, path).plugins[0])


def dependencies(path: FilePath, environment: LoaderEnv | None = None) -> LoadPlan:
    """What the dynamic loader would load for the file at ``path``, and what every symbol would bind to.

    ``environment`` says where libraries are sought; None: on this machine.

    :raises InputError: the file cannot be read, or is for a machine whose loader is not known.
    """
    from soinspect.loader.environment import LoaderEnv
    from soinspect.loader.plan import load_plan

    path, environment = os.fspath(path), environment or LoaderEnv()
    name = name_of(path)
    if is_saved(path):
        from soinspect.inspection.loading import saved_elf

        return load_plan(name, environment, {name: saved_elf(read_saved(path))})
    return load_plan(name, environment, {name: open_elf_file(path)} if name != path else None)


def dlopen_problems(host: str, plugins: Sequence[str], environment: LoaderEnv) -> tuple[tuple[DlopenProblem, ...], ...]:
    """What goes wrong, or may, when the program ``host`` opens ``plugins`` with dlopen, for each in the loader's order.

    :raises InputError: the host cannot be read, or is for a machine whose loader is not known.
    """
    from soinspect.loader.plan import dlopen_plans
    from soinspect.verdict.dlopen import dlopen_problems as judge

    return tuple(map(judge, dlopen_plans(host, plugins, environment)))


@contextmanager
def scanning(
    paths: Sequence[str],
    *,
    root: str = "/",
    jobs: int = 0,
    dask: str | None = None,
    cache: str | None = None,
    with_symbols: bool = False,
) -> Iterator[Iterator[Scanned]]:
    """Look into all files at and below ``paths``: one answer a file, in a fixed order, as they are read.

    ``jobs`` processes share the work (0: it is done in this one), or the Dask cluster whose scheduler is at the
    address ``dask``. ``root`` is the folder that is ``/`` for the paths. What is read is kept in the file ``cache``,
    and not read again until it changes.

    :raises UsageError: the cache is of no use, or symbols are asked for, which it does not keep.
    :raises CannotRun: there is no Dask, or no scheduler answers.
    """
    from soinspect.scan import pool
    from soinspect.scan.cache import Cache
    from soinspect.scan.find import find
    from soinspect.scan.read import read_batch
    from soinspect.scan.run import run

    if cache is not None and with_symbols:
        raise UsageError("--cache keeps no symbols: leave out one of --cache and --symbols")
    with ExitStack() as stack:
        if dask is not None:
            where = stack.enter_context(pool.dask_cluster(dask))
        else:
            where = pool.processes(jobs) if jobs else pool.in_process()
        known = stack.enter_context(Cache(cache)) if cache is not None else None
        read = partial(read_batch, with_symbols=with_symbols)
        yield stack.enter_context(closing(run(find(paths, root), read, where, known)))


def count_candidates(paths: Sequence[str], root: str = "/") -> int:
    """How many files :func:`scanning` would look into, for those who show how far it is."""
    from soinspect.scan.find import find

    return sum(1 for _ in find(paths, root))


def scan_query(sql: str) -> Query:
    """A checked SQL statement about the tables ``files`` and ``symbols``, which are to be filled.

    :raises UsageError: the statement is wrong.
    :raises CannotRun: DuckDB is not installed.
    """
    from soinspect.scan.query import Query

    return Query(sql)
