"""All that is known of one open file, as one value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from soinspect.elf import describe
from soinspect.elf.classtables import class_tables
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.kind import interpreter, object_kind
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError
from soinspect.inspection.gonames import go_facts, go_side
from soinspect.model.absence import Absent
from soinspect.model.snapshot import Snapshot
from soinspect.symbolquery import explain

if TYPE_CHECKING:
    from collections.abc import Collection

    from soinspect.model.facts import Facts
    from soinspect.model.golang import GoFacts
    from soinspect.model.prototype import Prototypes


def snapshot(elf: ElfFile, *, explained: bool = True) -> Snapshot:
    """All facts of an open file; what its symbols' names mean only if they are to be ``explained``."""
    go, names = go_side(elf) if explained else (go_facts(elf), None)
    table = elf.dynamic_symbols
    return Snapshot(
        path=elf.path,
        size=elf.image.size,
        header=elf.image.header,
        kind=object_kind(elf),
        interpreter=interpreter(elf),
        producers=describe.producers(elf),
        build_id=describe.gnu_build_id(elf),
        dynamic=describe.dynamic_linking(elf),
        symbols=table if isinstance(table, Absent) else explain(table.columns, names, with_demangling=explained),
        static_symbols=len(elf.static_symbols) if isinstance(elf.static_symbols, SymbolTable) else elf.static_symbols,
        hardening=read_hardening(elf, is_go=not isinstance(go, Absent)),
        tls=describe.thread_local_storage(elf),
        init_functions=describe.init_functions(elf),
        go=go,
        read_only_sections=describe.read_only_sections(elf),
        anomalies=elf.image.anomalies,
    )


def facts_of(elf: ElfFile, *, with_types: bool) -> Facts:
    """All facts of an open file, and the types of its exports where they are wanted."""
    from soinspect.model.facts import Facts

    if not with_types:
        return Facts(snapshot=snapshot(elf), types=Absent("debug information was not read"))
    from soinspect.kinds.recognise import plugin_kinds

    facts = comparable(elf)
    facts = replace(facts, plugin_kinds=plugin_kinds(elf, facts.go))
    return Facts(snapshot=facts, types=types_of(elf, facts))


def types_of(elf: ElfFile, facts: Snapshot) -> Prototypes | Absent:
    """The types of what callers of a file bind to by name."""
    from soinspect.comparing.contract import contract_symbols
    from soinspect.dwarf.reader import read_prototypes

    names: Collection[str] = ()
    if facts.go:
        names = contract_symbols(facts).by_name
    elif facts.symbols and facts.symbols.symbols.exported:
        names = frozenset(facts.symbols.symbols.names)
    if not names:
        return Absent("it exports nothing that callers bind to by name")
    try:
        return read_prototypes(elf, names)
    except FormatError as error:
        return Absent(f"the debug information cannot be read: {error.reason}")


def comparable(elf: ElfFile) -> Snapshot:
    """All facts of an open file, with those that only comparisons need."""
    facts = snapshot(elf)
    if facts.go:
        facts = _comparable_go(elf, facts, facts.go)
    return replace(facts, class_tables=class_tables(elf))


def _comparable_go(elf: ElfFile, facts: Snapshot, go: GoFacts) -> Snapshot:
    """The facts with what a Go plugin's exports reach, and with what a Go program offers to plugins."""
    # Most files are not Go's.
    from soinspect.go.binary import GoBinary
    from soinspect.go.loading import read_hosting

    binary = GoBinary(elf)
    if go.plugin:
        return replace(facts, go=replace(go, reached_types=binary.reached_types()))
    if not go.kind.is_program:
        return facts
    try:
        return replace(facts, go_host=read_hosting(elf, binary))
    except FormatError as error:
        return replace(facts, go_host=Absent(f"damaged: {error.reason}"))
