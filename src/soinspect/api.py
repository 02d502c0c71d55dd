"""The composer: the public Python API. It opens files, asks each layer, and returns values."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import FormatError, InputError, UsageError
from soinspect.model.absence import Absent

# Every command is to start fast, and each class of values costs its share: the imports of one question stand in the
# function that answers it.
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from soinspect.call.toolchain import CallEnvironment
    from soinspect.loader.environment import LoaderEnv
    from soinspect.model.calling import CallRequest, CallResult, HostKind
    from soinspect.model.finding import Comparison, Profile, Suppression
    from soinspect.model.goreport import GoQuery, GoReport
    from soinspect.model.loadplan import DlopenProblem, LoadPlan
    from soinspect.model.prototype import Prototypes
    from soinspect.model.scan import Scanned
    from soinspect.model.snapshot import Snapshot
    from soinspect.model.symbolquery import SymbolListing, SymbolQuery
    from soinspect.scan.query import Query

STANDARD_INPUT = "-"
_MAX_STANDARD_INPUT = 1 << 31


def open_elf(path: str) -> ElfFile:
    """Open the ELF file at ``path``; ``-`` reads standard input, up to 2 GiB.

    :raises InputError: it is missing, empty, a directory, or not ELF (:class:`NotElf` says what it is).
    """
    if path != STANDARD_INPUT:
        return ElfFile.open(path)
    data = sys.stdin.buffer.read(_MAX_STANDARD_INPUT + 1)
    if not data:
        raise InputError("standard input", "is empty (0 bytes)")
    if len(data) > _MAX_STANDARD_INPUT:
        raise InputError("standard input", f"is longer than {_MAX_STANDARD_INPUT} bytes: give the file by its path")
    return ElfFile(Image("standard input", data))


def list_symbols(path: str, query: SymbolQuery, *, with_static: bool = False) -> SymbolListing:
    """The symbols of the file at ``path`` that ``query`` asks for, explained and sorted.

    ``with_static`` adds those of ``.symtab`` that are not dynamic.

    :raises InputError: the file cannot be read.
    """
    from soinspect.inspection.listing import list_symbols as list_open

    with open_elf(path) as elf:
        return list_open(elf, query, with_static=with_static)


def inspect(path: str, *, with_witnesses: bool = False) -> Snapshot:
    """All facts of the file at ``path``; ``with_witnesses`` has pyelftools and LIEF read its symbols too.

    :raises InputError: the file cannot be read.
    """
    from soinspect.inspection.facts import snapshot

    with open_elf(path) as elf:
        facts = snapshot(elf)
        if not with_witnesses:
            return facts
        from soinspect.elf.crosscheck import cross_check

        return replace(facts, witnesses=cross_check(elf))


def inspect_go(path: str, query: GoQuery) -> GoReport:
    """What a Go binary says about itself, with the tables that ``query`` asks for.

    :raises InputError: the file cannot be read, or is no Go binary.
    """
    from soinspect.inspection.golang import inspect_go as inspect_open

    with open_elf(path) as elf:
        return inspect_open(elf, query)


def compare(
    old: str, new: str, *, profile: Profile | None = None, suppressions: tuple[Suppression, ...] = ()
) -> Comparison:
    """What changed from the file at ``old`` to the one at ``new``, and what it breaks.

    ``profile`` None means: a file with a SONAME is linked against, any other is opened with dlopen. Findings that
    ``suppressions`` accept today do not count.

    :raises InputError: one of the files cannot be read.
    """
    from soinspect.compare.suppress import suppress

    return suppress(_compare(old, new, profile), suppressions, date.today())  # noqa: DTZ011  (the user's own day)


def _compare(old: str, new: str, profile: Profile | None) -> Comparison:
    from soinspect.compare.engine import compare as compare_snapshots
    from soinspect.inspection.facts import comparable

    with open_elf(old) as before, open_elf(new) as after:
        identical = before.image.size == after.image.size and before.image.data[:] == after.image.data[:]
        facts = comparable(before), comparable(after)
        if identical:
            return compare_snapshots(*facts, identical=True, profile=profile)
        for elf, it in zip((before, after), facts, strict=True):
            if it.truncated:
                raise elf.image.error(
                    it.header.phoff,
                    "p_filesz",
                    it.header.phnum,
                    f"it is no use comparing it: {it.truncated.where} {it.truncated.what}",
                )
        old_types, new_types = (_types(elf, it) for elf, it in zip((before, after), facts, strict=True))
        return compare_snapshots(*facts, identical=False, old_types=old_types, new_types=new_types, profile=profile)


def _types(elf: ElfFile, facts: Snapshot) -> Prototypes | Absent:
    """The types of what callers of a file bind to by name."""
    from soinspect.compare.contract import contract_symbols
    from soinspect.dwarf.reader import read_prototypes

    names = set(contract_symbols(facts).columns.names)
    if not names:
        return Absent("it exports nothing that callers bind to by name")
    try:
        return read_prototypes(elf, names)
    except FormatError as error:
        return Absent(f"the debug information cannot be read: {error.reason}")


def call(request: CallRequest, environment: CallEnvironment, *, host: HostKind | str | None = None) -> CallResult:
    """Load a file for real, in an isolated process, and carry out the steps of ``request``.

    ``host`` None means: Go plugins in a Go host of their own release, everything else natively. A text is the path
    of the Go program that is to open the plugin.

    :raises InputError: the file cannot be read.
    :raises UsageError: a step names nothing that the file exports.
    :raises CannotRun: this machine cannot do it now; the error says what would help.
    """
    from soinspect.call.gohost import call_in_go_host
    from soinspect.call.gopreload import call_in_own_host
    from soinspect.call.native import call_native
    from soinspect.model.calling import HostKind, NativeFacts
    from soinspect.model.golang import GoBinaryKind, GoFacts

    facts = inspect(request.path)
    is_plugin = isinstance(facts.go, GoFacts) and facts.go.kind is GoBinaryKind.PLUGIN
    if host is HostKind.NATIVE or (host is None and not is_plugin):
        return call_native(request, NativeFacts.of(facts), environment)
    if request.repeat > 1:
        raise UsageError("--repeat works for native calls only, not in a Go host")
    if isinstance(facts.go, Absent):
        raise UsageError(f"{request.path} cannot be opened by a Go host: {facts.go.reason}")
    if host is None or isinstance(host, HostKind):
        return call_in_go_host(request, facts.go, environment)
    return call_in_own_host(request, facts.go, environment, host)


def dependencies(path: str, environment: LoaderEnv) -> LoadPlan:
    """What the dynamic loader would load for the file at ``path``, and what every symbol would bind to.

    :raises InputError: the file cannot be read, or is for a machine whose loader is not known.
    """
    from soinspect.loader.plan import load_plan

    return load_plan(path, environment)


def dlopen_problems(host: str, plugin: str, environment: LoaderEnv) -> tuple[DlopenProblem, ...]:
    """What goes wrong, or may, when the program ``host`` opens ``plugin`` with dlopen: in the loader's own order.

    :raises InputError: the host cannot be read, or is for a machine whose loader is not known.
    """
    from soinspect.loader.plan import dlopen_plan
    from soinspect.verdict.dlopen import dlopen_problems as judge

    return judge(dlopen_plan(host, plugin, environment))


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
