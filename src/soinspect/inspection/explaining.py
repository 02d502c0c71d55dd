"""A loader's message held against the files that it may be about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import PurePath

from soinspect.elf.describe import dynamic_linking
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.go.facts import read_go
from soinspect.inspection.checking import foresee, open_program
from soinspect.inspection.loading import saved_elf
from soinspect.inspection.saved import is_saved, read_saved
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.plan import RunningProgram, running_program
from soinspect.model.absence import Absent
from soinspect.model.explanation import Explanation, PluginNames
from soinspect.model.golang import GoFacts
from soinspect.model.snapshot import DynamicLinking
from soinspect.model.symbol import SymbolColumns
from soinspect.model.verdict import Policy
from soinspect.verdict.explain import Recognised, asked_by, hold_against
from soinspect.verdict.explainloader import (
    hold_against_plans,
    hold_against_scope,
    hold_against_search,
    is_of_program,
    only_if_lazy,
)


def explain_by_files(found: Recognised, host: str, plugins: Sequence[str], environment: LoaderEnv) -> Explanation:
    """Whether the program at ``host`` opening the files ``plugins`` explains a message.

    :raises InputError: the host cannot be read; a plugin is not there, or damaged in a way that no loader sees.
    """
    files = FileSystem(environment.root)
    if is_of_program(found, host):
        with _running(host, plugins, environment) as program:
            for path in plugins:
                program.open(path)
            looked_up = program.look_up(found.words["name"], found.version)
        return hold_against_scope(found, foresee(host, plugins, environment, Policy()), looked_up)
    named = [_names(path, files) for path in plugins]
    said = PurePath(found.words.get("path", "")).name
    # A message that names one of the files asks nothing of the others.
    meant = [it for it in named if PurePath(it.path).name == said] or named
    asked = tuple(requirement for it in meant for requirement in asked_by(found, it))
    policy = Policy(requirements=asked)
    explained = hold_against(found, foresee(host, plugins, environment, policy), named)
    if explained.foreseen:
        return explained
    match found.known.id:
        case "ld.undefined-symbol":
            with _running(host, plugins, environment) as program:
                unbound = hold_against_plans(found, explained, [program.open(path) for path in plugins])
            lazily = hold_against(found, foresee(host, plugins, environment, policy, lazy=True), named)
            return unbound or (only_if_lazy(explained) if lazily.foreseen else explained)
        case "ld.missing-library" if found.words["file"] in (PurePath(path).name for path in plugins):
            with _running(host, plugins, environment) as program:
                return hold_against_search(explained, program.find(found.words["file"]))
    return explained


@contextmanager
def _running(host: str, plugins: Sequence[str], environment: LoaderEnv) -> Iterator[RunningProgram]:
    """The program once it runs; it has opened none of the ``plugins``, of which some may be snapshots."""
    files = FileSystem(environment.root)
    with ExitStack() as resources:
        main, program = open_program(host, files, resources)
        saved = {files.given(path): saved_elf(read_saved(path)) for path in plugins if is_saved(path)}
        known = {files.given(program.path): main, **saved}
        path, by_go = program.path, program.opens_by_go
        yield resources.enter_context(running_program(path, environment, into_global_scope=by_go, known=known))


def _names(path: str, files: FileSystem) -> PluginNames:
    """The names in a plugin; none where it cannot be read, which is for the verdict to judge."""
    try:
        if is_saved(path):
            facts = read_saved(path).snapshot
            columns = SymbolColumns.none() if isinstance(facts.symbols, Absent) else facts.symbols.symbols
            return _of(path, facts.go, columns, facts.dynamic)
        with ElfFile.open(files.place(path)) as elf:
            table = elf.dynamic_symbols
            columns = SymbolColumns.none() if isinstance(table, Absent) else table.columns
            return _of(path, read_go(elf), columns, dynamic_linking(elf))
    except InputError:
        return PluginNames(path=path, go=None, exported=frozenset(), undefined=frozenset(), needed=())


def _of(path: str, go: GoFacts | Absent, columns: SymbolColumns, dynamic: DynamicLinking | Absent) -> PluginNames:
    return PluginNames(
        path=path,
        go=(go.plugin or None) if go else None,
        exported=frozenset(columns.names[row] for row in columns.exported),
        undefined=frozenset(columns.names[row] for row in columns.undefined),
        needed=dynamic.needed if dynamic else (),
    )
