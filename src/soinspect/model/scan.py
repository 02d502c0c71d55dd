"""What a scan of many files finds: a row a file, and the symbols of a file as columns.

The fields are the columns of every table that is written of them (CSV, JSON, Parquet, SQL), in this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

from soinspect.model.hardening import Relro
from soinspect.model.image import ObjectKind
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """One ELF object, or one file that could not be read (then ``error`` says why).

    Columns have one type, so what a file does not hold is None here, not Absent; ``soinspect info`` says why.

    ``path``: a member of an archive is ``archive!member``. ``same_as``: the path of an earlier row that is the same
    file. ``bits``: 32 or 64. ``plugin_kinds``: what could open it as a plugin. ``glibc``, ``glibcxx``: the newest
    version needed (``"2.34"``, ``"3.4.30"``). ``executable_stack``: None if the file does not say, and the loader
    assumes the worst. ``stack_protector``, ``fortified`` (the number of checked functions it imports): None for Go
    code, which uses neither. ``exports``, ``imports``: numbers of dynamic symbols. ``size``: in bytes. ``stripped``:
    it has no ``.symtab``.
    """

    path: str
    same_as: str | None = None
    kind: ObjectKind | None = None
    machine: str | None = None
    bits: int | None = None
    byte_order: str | None = None
    plugin_kinds: tuple[str, ...] = ()
    go_version: str | None = None
    glibc: str | None = None
    glibcxx: str | None = None
    relro: Relro | None = None
    executable_stack: bool | None = None
    text_relocations: bool | None = None
    stack_protector: bool | None = None
    fortified: int | None = None
    control_flow: tuple[str, ...] = ()
    soname: str | None = None
    needed: tuple[str, ...] = ()
    exports: int | None = None
    imports: int | None = None
    build_id: str | None = None
    size: int | None = None
    stripped: bool | None = None
    anomalies: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRows:
    """The dynamic symbols of one file: each field but ``path`` is a column, all of the same length."""

    path: str
    name: Sequence[str]
    version: Sequence[str | None]
    type: Sequence[str]
    binding: Sequence[str]
    defined: Sequence[bool]
    size: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What one file gave: no row if it is nothing to scan, several for an archive; symbols only if asked for."""

    rows: tuple[ScanRow, ...] = ()
    symbols: tuple[SymbolRows, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file to look into: where it lies, and how it is called in the rows.

    ``named`` files were asked for, so each is answered by a row, whatever it is. ``inode`` and ``device`` tell
    hard links of one file.
    """

    path: str
    shown: str
    device: int
    inode: int
    named: bool = False


def column_types(record: type[ScanRow | SymbolRows]) -> dict[str, type]:
    """The columns of a table, and what a cell holds where it holds something: str, int, bool, or tuple (of texts)."""
    columns: dict[str, type] = {}
    for name, hint in get_type_hints(record).items():
        cell = get_args(hint)[0] if get_origin(hint) is Sequence else hint
        parts = [part for part in get_args(cell) if part is not NoneType] if isinstance(cell, UnionType) else [cell]
        kind = get_origin(parts[0]) or parts[0]
        columns[name] = str if issubclass(kind, StrEnum) else kind
    return columns


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTotals:
    """What a scan found: numbers of rows, by kind of object and of plugin; copies of others; errors."""

    kinds: Mapping[ObjectKind, int]
    plugin_kinds: Mapping[str, int]
    copies: int
    errors: int
