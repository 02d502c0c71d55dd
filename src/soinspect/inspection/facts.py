"""All that is known of one open file, as one value."""

from __future__ import annotations

from soinspect.elf import describe
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.kind import interpreter, object_kind
from soinspect.elf.symtab import SymbolTable
from soinspect.inspection.gonames import go_side
from soinspect.model.absence import Absent
from soinspect.model.snapshot import Snapshot
from soinspect.symbolquery import explain


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
