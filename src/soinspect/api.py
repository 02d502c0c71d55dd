"""The composer: the public Python API. It opens files, asks each layer, and returns values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from soinspect.demangle.golink import GoNames
from soinspect.elf import describe
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.image import Image
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError, InputError, UsageError
from soinspect.go.facts import read_go
from soinspect.go.report import report
from soinspect.model.absence import Absent
from soinspect.model.golang import GoBinaryKind, GoFacts
from soinspect.model.goreport import GoQuery, GoReport
from soinspect.model.snapshot import ExplainedSymbol, Snapshot, SymbolListing
from soinspect.model.symbolquery import SymbolQuery
from soinspect.symbolquery import explain, select

# Listing symbols is to start fast: what only one command needs is imported when that command runs.
if TYPE_CHECKING:
    from soinspect.call.toolchain import CallEnvironment
    from soinspect.model.calling import CallRequest, CallResult, HostKind
    from soinspect.model.finding import Comparison
    from soinspect.model.prototype import Prototypes

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
    with open_elf(path) as elf:
        go = read_go(elf)
        names = go_names(go)
        remarks: list[str] = []
        rows: list[ExplainedSymbol] = []
        if isinstance(elf.dynamic_symbols, Absent):
            hint = "; --all lists .symtab" if elf.static_symbols and not with_static else ""
            remarks.append(f"no dynamic symbols: {elf.dynamic_symbols.reason}{hint}")
        else:
            rows = select(elf.dynamic_symbols, query, names)
        if with_static:
            if isinstance(elf.static_symbols, Absent):
                remarks.append(elf.static_symbols.reason)
            else:
                known = {(row.symbol.name, row.symbol.value, row.symbol.section) for row in rows}
                rows += (
                    row
                    for row in select(elf.static_symbols, query, names)
                    if (row.symbol.name, row.symbol.value, row.symbol.section) not in known
                )
        remarks += (f"{anomaly.where}: {anomaly.what}" for anomaly in elf.image.anomalies)
        return SymbolListing(
            path=path,
            what=_what(elf, go),
            plugin_path=names.plugin_path or None if names else None,
            rows=tuple(rows),
            remarks=tuple(remarks),
        )


def inspect(path: str) -> Snapshot:
    """All facts of the file at ``path``.

    :raises InputError: the file cannot be read.
    """
    with open_elf(path) as elf:
        return snapshot(elf)


def inspect_go(path: str, query: GoQuery) -> GoReport:
    """What a Go binary says about itself, with the tables that ``query`` asks for.

    :raises InputError: the file cannot be read, or is no Go binary.
    """
    with open_elf(path) as elf:
        return report(elf, query)


def compare(old: str, new: str) -> Comparison:
    """What changed from the file at ``old`` to the one at ``new``, and what it breaks.

    :raises InputError: one of the files cannot be read.
    """
    from soinspect.compare.engine import compare as compare_snapshots

    with open_elf(old) as before, open_elf(new) as after:
        identical = before.image.size == after.image.size and before.image.data[:] == after.image.data[:]
        facts = snapshot(before), snapshot(after)
        if identical:
            return compare_snapshots(*facts, identical=True)
        old_types, new_types = (_types(elf, it) for elf, it in zip((before, after), facts, strict=True))
        return compare_snapshots(*facts, identical=False, old_types=old_types, new_types=new_types)


def _types(elf: ElfFile, facts: Snapshot) -> Prototypes | Absent:
    """The types of what callers of a file bind to by name."""
    from soinspect.compare.pair import contract_symbols
    from soinspect.dwarf.reader import read_prototypes

    names = {symbol.name for symbol in contract_symbols(facts).values()}
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

    facts = inspect(request.path)
    is_plugin = isinstance(facts.go, GoFacts) and facts.go.kind is GoBinaryKind.PLUGIN
    if host is HostKind.NATIVE or (host is None and not is_plugin):
        return call_native(request, NativeFacts.of(facts))
    if isinstance(facts.go, Absent):
        raise UsageError(f"{request.path} cannot be opened by a Go host: {facts.go.reason}")
    if host is None or isinstance(host, HostKind):
        return call_in_go_host(request, facts.go, environment)
    return call_in_own_host(request, facts.go, environment, host)


def snapshot(elf: ElfFile) -> Snapshot:
    """All facts of an open file."""
    go = read_go(elf)
    names = go_names(go)
    symbols: tuple[ExplainedSymbol, ...] | Absent = (
        elf.dynamic_symbols
        if isinstance(elf.dynamic_symbols, Absent)
        else tuple(ExplainedSymbol(symbol=s, explained=explain(s, names)) for s in elf.dynamic_symbols)
    )
    return Snapshot(
        path=elf.path,
        size=elf.image.size,
        header=elf.image.header,
        kind=describe.object_kind(elf),
        interpreter=describe.interpreter(elf),
        producers=describe.producers(elf),
        build_id=describe.gnu_build_id(elf),
        dynamic=describe.dynamic_linking(elf),
        symbols=symbols,
        static_symbols=len(elf.static_symbols) if isinstance(elf.static_symbols, SymbolTable) else elf.static_symbols,
        hardening=read_hardening(elf, is_go=isinstance(go, GoFacts)),
        tls=describe.thread_local_storage(elf),
        init_functions=describe.init_functions(elf),
        go=go,
        anomalies=elf.image.anomalies,
    )


def go_names(go: GoFacts | Absent) -> GoNames | None:
    """What a Go file knows about its own names; None for files that are not Go's."""
    if isinstance(go, Absent):
        return None
    if isinstance(go.plugin, Absent):
        return GoNames()
    return GoNames(plugin_path=go.plugin.path, exports=frozenset(export.name for export in go.plugin.exports))


def _what(elf: ElfFile, go: GoFacts | Absent) -> str:
    """What the file is, in a few words."""
    machine = elf.image.header.machine.name.lower().replace("_", "-")
    if isinstance(go, Absent):
        return f"{describe.object_kind(elf)}, {machine}"
    if go.kind is GoBinaryKind.PLUGIN:
        return f"Go plugin, {go.version.text}, {machine}"
    return f"Go {go.kind}, {go.version.text}, {machine}"
