"""All that is known of one open file, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soinspect.elf import describe
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.kind import interpreter, object_kind
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError
from soinspect.inspection.gonames import go_side
from soinspect.model.absence import Absent
from soinspect.model.snapshot import Snapshot
from soinspect.symbolquery import explain

if TYPE_CHECKING:
    from soinspect.model.facts import Facts
    from soinspect.model.prototype import Prototypes


def snapshot(elf: ElfFile) -> Snapshot:
    """All facts of an open file."""
    go, names = go_side(elf)
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
        symbols=table if isinstance(table, Absent) else explain(table.columns, names),
        static_symbols=len(elf.static_symbols) if isinstance(elf.static_symbols, SymbolTable) else elf.static_symbols,
        hardening=read_hardening(elf, is_go=not isinstance(go, Absent)),
        tls=describe.thread_local_storage(elf),
        init_functions=describe.init_functions(elf),
        go=go,
        anomalies=elf.image.anomalies,
    )


def facts_of(elf: ElfFile, *, with_types: bool) -> Facts:
    """All facts of an open file, and the types of its exports where they are wanted."""
    from soinspect.model.facts import Facts

    facts = snapshot(elf)
    types = types_of(elf, facts) if with_types else Absent("debug information was not read")
    return Facts(snapshot=facts, types=types)


def types_of(elf: ElfFile, facts: Snapshot) -> Prototypes | Absent:
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
