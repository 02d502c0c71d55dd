"""Baselines: what others rely on, one fact a line, to be kept beside the sources and reviewed when it changes.

A file is compared with a baseline through a baseline of its own: both sides know the same kinds of facts. Lines are
sorted by name, so that a change of one fact is a change of one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from soinspect.demangle.scheme import Demangled
from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType
from soinspect.model.facts import Facts, FactsOrigin
from soinspect.model.prototype import VOID, ExportedFunction, ExportedVariable, Prototypes
from soinspect.model.snapshot import Snapshot
from soinspect.model.symbol import ExplainedSymbols, Symbol, SymbolColumns, SymbolKind
from soinspect.saved.contract import contract_of, types_contract
from soinspect.saved.factlines import (
    Json,
    LineError,
    fields_text,
    flat,
    leaf_of,
    name_text,
    plant,
    read_fields,
    read_name,
    value_text,
)
from soinspect.saved.forms import Mismatch, form_of
from soinspect.saved.soundness import sound
from soinspect.saved.typeblocks import TypeBlockReader, type_blocks
from soinspect.saved.typelabels import labels_of
from soinspect.saved.typenotation import function_text, starts_function, type_text

VERSION = 1
_ABSENT = {"absent": "a baseline does not keep it"}
# What every baseline says; it is not written.
_IMPLIED: dict[str, Json] = {
    "size": 0, "header.entry": 0, "header.phoff": 0, "header.shoff": 0, "header.phnum": 0, "header.shnum": 0,
    "header.shstrndx": 0, "producers": [], "build_id": _ABSENT, "static_symbols": _ABSENT, "anomalies": [],
}  # fmt: skip
_IMPLIED_OF_GO: dict[str, Json] = {
    "go.kind_evidence": "", "go.version.evidence": [], "go.build_id": _ABSENT, "go.module_data": _ABSENT,
    "go.problems": [],
}  # fmt: skip
_IMPLIED_OF_TYPES: dict[str, Json] = {"types.source": "a baseline", "types.producers": [], "types.remarks": []}
_CALLABLE = (SymbolType.FUNC.name, SymbolType.IFUNC.name)
_EXPORT = {"binding": "GLOBAL", "visibility": "DEFAULT", "section": ".text", "value": 0,
           "version": None, "size": 0}  # fmt: skip
_IMPORT = {"type": "NOTYPE", "binding": "GLOBAL", "visibility": "DEFAULT", "section": "UND", "default_version": False,
           "value": 0, "version": None, "size": 0}  # fmt: skip
_DESCRIBED = {"evidence": "a definition of the symbol's name", "unit": ""}


def freeze(facts: Facts) -> str:
    """The baseline of a file."""
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Facts) -> Iterator[str]:
    contract = contract_of(facts.snapshot)
    types = types_contract(facts.types)
    yield f"soinspect baseline {VERSION}"
    yield f"# What others rely on in {PurePath(facts.snapshot.path).name!r}, compared by: soinspect diff THIS-FILE NEW"
    implied = _IMPLIED | _IMPLIED_OF_GO | _IMPLIED_OF_TYPES
    tree: dict[str, Json] = form_of(Snapshot).encode(contract)
    del tree["path"]
    if not isinstance(contract.symbols, Absent):
        del tree["symbols"]
    tree["types"] = form_of(Absent).encode(types) if isinstance(types, Absent) else _types_tree(types)
    for path, operator, value in flat(tree):
        if path not in implied or implied[path] != value:
            yield f"{path} {operator} {value_text(value)}"
    labels = {} if isinstance(types, Absent) else labels_of(types)
    described = {} if isinstance(types, Absent) else _described(types)
    for row in contract.symbols or ():
        if row.symbol.defined:
            export = described.get((row.symbol.name, row.symbol.version))
            yield _export(row.symbol) + (_description(export, types, labels) if export and types else "")
    for row in contract.symbols or ():
        if not row.symbol.defined:
            yield f"import {name_text(row.symbol.name)}{fields_text(_differing(row.symbol, _IMPORT))}"
    if not isinstance(types, Absent):
        yield from type_blocks(types, labels)


def _types_tree(types: Prototypes) -> dict[str, Json]:
    """What a baseline says of the types as a whole."""
    tree: dict[str, Json] = form_of(Prototypes).encode(types)
    return {key: value for key, value in tree.items() if key not in ("functions", "variables", "types")}


def _described(types: Prototypes) -> dict[tuple[str, str | None], ExportedFunction | ExportedVariable]:
    exports: list[ExportedFunction | ExportedVariable] = [*types.functions, *types.variables]
    return {(export.symbol, export.version): export for export in exports}


def _export(symbol: Symbol) -> str:
    fields = _differing(symbol, _usual_export(symbol.version))
    if fields["type"] in _CALLABLE:
        fields.pop("size", None)  # how long the code is
    fields.pop("value", None)
    return f"export {name_text(symbol.name)}{fields_text(fields)}"


def _usual_export(version: object) -> dict[str, Json]:
    """The fields of an export that are not written: a version is most often the default one."""
    return {**_EXPORT, "default_version": version is not None}


def _differing(symbol: Symbol, usual: dict[str, Json]) -> dict[str, Json]:
    fields: dict[str, Json] = form_of(Symbol).encode(symbol)
    return {key: value for key, value in fields.items() if key != "name" and (key not in usual or usual[key] != value)}


def _description(export: ExportedFunction | ExportedVariable, types: Prototypes, labels: dict[int, str]) -> str:
    """The name in the source where it is another one, and the type."""
    fields = {"named": export.name} if export.name != export.symbol else {}
    if not export.language.is_c:
        fields["language"] = export.language.name
    if isinstance(export, ExportedVariable):
        text = type_text(types.types, labels, export.type)
    else:
        text = function_text(export.signature, lambda index: type_text(types.types, labels, index))
    return f"{fields_text(fields)}: {text}"


def as_baseline(facts: Facts) -> Facts:
    """What a baseline of the file would hold."""
    return facts if facts.origin is FactsOrigin.BASELINE else thaw(freeze(facts), facts.snapshot.path)


def thaw(text: str, path: str) -> Facts:
    """The facts that a baseline holds.

    :raises InputError: it is of another version, cut short or altered; the error names the line.
    """
    lines = text.split("\n")
    if lines[0] != f"soinspect baseline {VERSION}":
        raise InputError(path, f"a baseline of another version ({lines[0][:40]!r}); this soinspect reads {VERSION}")
    reader = _Reader()
    for number, line in enumerate(lines[1:], 2):
        try:
            reader.take(number, line)
        except (LineError, Mismatch) as error:
            raise InputError(path, f"damaged baseline: line {number}: {error}") from None
    if lines[-1]:
        raise InputError(path, f"damaged baseline: it ends inside of line {len(lines)}")
    try:
        return sound(reader.facts(path), path, "baseline")
    except (LineError, Mismatch) as error:
        raise InputError(path, f"damaged baseline: {error}") from None


class _Reader:
    """The lines of a baseline, put together."""

    def __init__(self) -> None:
        self._tree: dict[str, Json] = {}
        self._paths: set[str] = set()
        self._symbols: list[Symbol] = []
        self._kinds: list[SymbolKind] = []
        self._described: list[tuple[int, dict[str, Json], str]] = []
        self._blocks = TypeBlockReader()

    def take(self, number: int, line: str) -> None:
        """Read one more line.

        :raises LineError: it says nothing.
        :raises Mismatch: it says something that cannot be.
        """
        if not line or line.startswith("#"):
            return
        if line.startswith("export "):
            self._export(number, line)
        elif line.startswith("import "):
            name, end = read_name(line, len("import "))
            fields, end = read_fields(line, end)
            if end != len(line):
                raise LineError("something follows the import")
            self._add_symbol(name, _IMPORT | fields, SymbolKind.IMPORT)
        elif leaf := leaf_of(line):
            self._paths.add(leaf[0])
            plant(self._tree, *leaf)
        else:
            self._blocks.take(number, line)

    def _export(self, number: int, line: str) -> None:
        name, end = read_name(line, len("export "))
        fields, end = read_fields(line, end)
        source = {"name": fields.pop("named", name), "language": fields.pop("language", "C")}
        if line.startswith(": ", end):
            described = {"symbol": name, "version": fields.get("version"), **source, **_DESCRIBED}
            self._described.append((number, described, line[end + 2 :]))
        elif end != len(line):
            raise LineError("something follows the export")
        self._add_symbol(name, _usual_export(fields.get("version")) | fields, SymbolKind.C)

    def _add_symbol(self, name: str, fields: dict[str, Json], kind: SymbolKind) -> None:
        symbol = form_of(Symbol).decode({"name": name, **fields})
        assert isinstance(symbol, Symbol)  # noqa: S101
        self._symbols.append(symbol)
        self._kinds.append(kind)

    def facts(self, path: str) -> Facts:
        """What all lines say together."""
        implied = dict(_IMPLIED)
        implied |= {} if "go" in self._paths else _IMPLIED_OF_GO
        implied |= {} if "types" in self._paths else _IMPLIED_OF_TYPES
        for leaf, value in implied.items():
            if leaf not in self._paths:
                plant(self._tree, leaf, "=", value)
        types = self._tree.pop("types", None)
        symbols = {"symbols": _ABSENT} | self._tree
        snapshot = form_of(Snapshot).decode({**symbols, "path": path})
        assert isinstance(snapshot, Snapshot)  # noqa: S101
        if "symbols" not in self._paths:
            table = SymbolColumns.of(self._symbols)
            texts, packages = Demangled(table.names), [None] * len(table)
            rows = ExplainedSymbols(symbols=table, texts=texts, kinds=self._kinds, packages=packages)
            snapshot = replace(snapshot, symbols=rows)
        whole = form_of(Absent).decode(types) if "types" in self._paths else self._types(types)
        assert isinstance(whole, Absent | Prototypes)  # noqa: S101
        return Facts(snapshot=snapshot, types=whole, origin=FactsOrigin.BASELINE)

    def _types(self, whole: dict[str, Json]) -> object:
        exports: dict[str, list[Json]] = {"functions": [], "variables": []}
        signatures = []
        for number, fields, text in self._described:
            if starts_function(text):
                signatures.append(self._blocks.function_at(number, text))
                exports["functions"].append(fields | {"signature": {"result": VOID, "parameters": []}})
            else:
                exports["variables"].append(fields | {"type": self._blocks.type_at(number, text)})
        types = form_of(Prototypes).decode({**whole, **exports, "types": []})
        assert isinstance(types, Prototypes)  # noqa: S101
        functions = (replace(one, signature=it) for one, it in zip(types.functions, signatures, strict=True))
        return replace(types, functions=tuple(functions), types=self._blocks.types())
