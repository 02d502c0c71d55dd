"""The symbols of an open file that somebody asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.elf.kind import object_kind
from soinspect.inspection.gonames import go_side
from soinspect.model.absence import Absent
from soinspect.model.symbol import SymbolColumns
from soinspect.model.symbolquery import SymbolListing, SymbolQuery
from soinspect.symbolquery import select

if TYPE_CHECKING:
    from soinspect.model.golang import GoFacts


def list_symbols(elf: ElfFile, query: SymbolQuery, *, with_static: bool) -> SymbolListing:
    """The symbols of an open file that ``query`` asks for; ``with_static`` adds what only ``.symtab`` has."""
    go, names = go_side(elf)
    remarks: list[str] = []
    columns = SymbolColumns.none()
    if isinstance(elf.dynamic_symbols, Absent):
        hint = "; --all lists .symtab" if elf.static_symbols and not with_static else ""
        remarks.append(f"no dynamic symbols: {elf.dynamic_symbols.reason}{hint}")
    else:
        columns = elf.dynamic_symbols.columns
    if with_static:
        if isinstance(elf.static_symbols, Absent):
            remarks.append(elf.static_symbols.reason)
        else:
            columns = columns.joined(elf.static_symbols.columns)
    table, order = select(columns, query, names)
    remarks += (f"{anomaly.where}: {anomaly.what}" for anomaly in elf.image.anomalies)
    return SymbolListing(
        path=elf.path,
        what=_what(elf, go),
        plugin_path=names.plugin_path or None if names else None,
        table=table,
        order=order,
        remarks=tuple(remarks),
    )


def _what(elf: ElfFile, go: GoFacts | Absent) -> str:
    """What the file is, in a few words."""
    machine = elf.image.header.machine.name.lower().replace("_", "-")
    if isinstance(go, Absent):
        return f"{object_kind(elf)}, {machine}"
    if go.plugin:
        return f"Go plugin, {go.version.text}, {machine}"
    return f"Go {go.kind}, {go.version.text}, {machine}"
