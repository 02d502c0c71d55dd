"""Exports and types of plugins equal what ``reflect`` says in a live Go host, however the file was stripped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gobinaries import STRIPPED, Variant
from soinspect.go.binary import GoBinary
from soinspect.model.golang import GoExportKind, GoKind, GoType

_REFLECT_NAMES = {GoKind.POINTER: "ptr", GoKind.UNSAFE_POINTER: "unsafe.Pointer"}


@pytest.mark.parametrize("stripping", STRIPPED)
def test_exports_and_types_equal_reflect(
    go_version: str,
    stripping: str,
    variant: Variant,
    open_go: Callable[[Path], GoBinary],
    reflected: Callable[[str, Path, list[str]], Any],
) -> None:
    path = variant(go_version, "plugin", stripping)
    binary = open_go(path)
    plugin = binary.plugin
    assert plugin
    exports = {export.name: export for export in plugin.exports}
    assert len(exports) > 50
    answer = reflected(go_version, path, list(exports))
    assert {name: export.type for name, export in exports.items()} == answer["Exports"]
    assert {name for name, export in exports.items() if export.kind is GoExportKind.FUNCTION} == {
        "Run", "Add", "Variadic", "Take", "Both", "Generic",
    }  # fmt: skip
    types: dict[str, GoType] = {}
    for found in binary.list_types():
        types.setdefault(found.text, found)
    assert binary.problems == ()
    for text, expected in answer["Types"].items():
        assert _as_reflect(types[text]) == expected, text


def _as_reflect(described: GoType) -> dict[str, Any]:
    all_methods = described.kind is GoKind.INTERFACE
    return {
        "Kind": _REFLECT_NAMES.get(described.kind, described.kind.name.lower()),
        "Size": described.size,
        "Package": described.package if described.named else "",
        "Fields": [
            {"Name": f.name, "Type": f.type, "Offset": f.offset, "Tag": f.tag, "Embedded": f.embedded}
            for f in described.fields
        ] or None,
        "Methods": [
            {"Name": m.name, "Type": m.signature} for m in described.methods if all_methods or m.name[0].isupper()
        ] or None,
    }  # fmt: skip


def test_all_types_are_found_alike_however_stripped(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    plain, stripped, headless = (
        [described.text for described in open_go(variant(go_version, "plugin", stripping)).list_types()]
        for stripping in ("plain", "stripped", "headless")
    )
    assert len(plain) > 1000
    assert plain == stripped == headless


def test_every_type_symbol_has_the_size_of_its_descriptor(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    binary = open_go(variant(go_version, "plugin", "stripped"))
    assert binary.types
    assert binary.module
    symbols = binary.module.memory.elf.dynamic_symbols
    assert symbols
    checked = 0
    for symbol in symbols:
        if symbol.name.startswith("type:") and symbol.name[5] != "." and symbol.size and symbol.type.name == "OBJECT":
            descriptor = binary.types.descriptor(symbol.value)
            if descriptor.kind is GoKind.MAP and not descriptor.has_uncommon:
                continue  # only its beginning is read, where all releases agree
            assert binary.types.extent(symbol.value) == symbol.size, symbol.name
            checked += 1
    assert checked > 500


def test_itabs_name_types_that_are_listed(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    binary = open_go(variant(go_version, "plugin", "stripped"))
    itabs = {(itab.type, itab.interface) for itab in binary.list_itabs()}
    assert ("*errors.errorString", "error") in itabs
    assert ("main.inner", "main.Shape") in itabs
    assert binary.problems == ()


def test_types_written_out_equal_their_text(
    go_version: str, variant: Variant, open_go: Callable[[Path], GoBinary]
) -> None:
    unnamed = [t for t in open_go(variant(go_version, "plugin", "stripped")).list_types() if not t.named]
    assert len(unnamed) > 500
    different = [t.text for t in unnamed if t.underlying != t.text]
    assert all(text.startswith("map.") or text == "interface { main.m(int) }" for text in different), different
