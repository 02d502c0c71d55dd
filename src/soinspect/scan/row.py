"""From one ELF object to its row: only what the row needs is read, and no name but those that count."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from mmap import mmap
from typing import TypeVar

from soinspect.elf import describe
from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.elf.hardening import read_hardening
from soinspect.elf.image import Image
from soinspect.elf.kind import object_kind
from soinspect.errors import InputError
from soinspect.go.binary import GoBinary
from soinspect.go.detect import why_not_go
from soinspect.kinds.recognise import kind_titles
from soinspect.model.absence import Absent
from soinspect.model.constants import DynamicTag, SectionIndex, SectionType, SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.golang import GoBinaryKind
from soinspect.model.scan import Scanned, ScanRow, SymbolRows

_EXPORTABLE = (SymbolVisibility.DEFAULT, SymbolVisibility.PROTECTED)
_VISIBILITY = 0x3
_Fact = TypeVar("_Fact")
_TYPES = tuple(SymbolType(number).name for number in range(16))
_BINDINGS = tuple(SymbolBinding(number).name for number in range(16))


def read_object(path: str, data: bytes | mmap, *, with_symbols: bool) -> Scanned:
    """The row of the ELF object with these bytes, and its dynamic symbols; damage is told in the row."""
    row = ScanRow(path=path, size=len(data))
    try:
        elf = ElfFile(Image(path, data))
        row = _with_header(row, elf)
        row = _with_linking(_with_code(row, elf), elf)
        anomalies = tuple(f"{anomaly.where}: {anomaly.what}" for anomaly in elf.image.anomalies)
        symbols = _symbols(elf) if with_symbols else ()
    except InputError as error:
        return Scanned(rows=(replace(row, error=error.reason),))
    return Scanned(rows=(replace(row, anomalies=anomalies),), symbols=symbols)


def _with_header(row: ScanRow, elf: ElfFile) -> ScanRow:
    header = elf.image.header
    return replace(
        row,
        machine=header.machine.name.lower().replace("_", "-"),
        bits=8 * header.word_size,
        byte_order=header.byteorder,
    )


def _with_code(row: ScanRow, elf: ElfFile) -> ScanRow:
    """What the file is for, how it is protected, and its Go side."""
    go = GoBinary(elf) if why_not_go(elf) is None else None
    hardening = read_hardening(elf, is_go=go is not None)
    sections = elf.image.sections
    return replace(
        row,
        kind=object_kind(elf),
        plugin_kinds=_plugin_kinds(elf, go),
        go_version=go.version.text if go else None,
        relro=hardening.relro,
        executable_stack=_or_none(hardening.executable_stack),
        text_relocations=hardening.text_relocations,
        stack_protector=_or_none(hardening.stack_protector),
        fortified=None if isinstance(hardening.fortified, Absent) else len(hardening.fortified),
        control_flow=hardening.control_flow,
        build_id=_or_none(describe.gnu_build_id(elf)),
        stripped=all(s.type is not SectionType.SYMTAB for s in sections) if sections else None,
    )


def _plugin_kinds(elf: ElfFile, go: GoBinary | None) -> tuple[str, ...]:
    """What could open the file as a plugin."""
    if go is None:
        return kind_titles(elf)
    names = {GoBinaryKind.PLUGIN: ("Go plugin",), GoBinaryKind.C_SHARED: ("Go c-shared library",)}
    return names.get(go.kind[0], ())


def _or_none(fact: _Fact | Absent) -> _Fact | None:
    return None if isinstance(fact, Absent) else fact


def _with_linking(row: ScanRow, elf: ElfFile) -> ScanRow:
    """What the file asks of others, and what it offers."""
    dynamic, table = elf.dynamic, elf.dynamic_symbols
    if isinstance(dynamic, DynamicSection):
        row = replace(
            row,
            soname=next(iter(dynamic.strings_of(DynamicTag.SONAME)), None),
            needed=dynamic.strings_of(DynamicTag.NEEDED),
        )
    if isinstance(table, Absent):
        return row
    floors = describe.version_floors(table.versions.needed)
    newest = {floor.family: ".".join(map(str, floor.number)) for floor in floors}
    # Few combinations: they are counted, and judged once each.
    kinds = Counter(zip(table.infos, table.others, map(bool, table.section_indexes), strict=True))
    return replace(
        row,
        glibc=newest.get("GLIBC"),
        glibcxx=newest.get("GLIBCXX"),
        exports=sum(number for (info, other, defined), number in kinds.items() if defined and _exportable(info, other)),
        imports=sum(number for (_, _, defined), number in kinds.items() if not defined),
    )


def _exportable(info: int, other: int) -> bool:
    return info >> 4 != SymbolBinding.LOCAL and other & _VISIBILITY in _EXPORTABLE


def _symbols(elf: ElfFile) -> tuple[SymbolRows, ...]:
    table = elf.dynamic_symbols
    if isinstance(table, Absent):
        return ()
    columns = table.columns
    rows = SymbolRows(
        path=elf.path,
        name=columns.names,
        version=columns.versions,
        type=[_TYPES[info & 0xF] for info in columns.infos],
        binding=[_BINDINGS[info >> 4] for info in columns.infos],
        defined=[index != SectionIndex.UNDEF for index in table.section_indexes],
        size=columns.sizes,
    )
    return (rows,)
