"""The Go side of a file, and what it knows of its own names."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import FormatError
from soinspect.go.detect import why_not_go
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType

# Most files are not Go's: they are not to pay for what they do not use.
if TYPE_CHECKING:
    from soinspect.demangle.golink import GoNames
    from soinspect.go.binary import GoBinary
    from soinspect.model.golang import GoFacts


def go_facts(elf: ElfFile) -> GoFacts | Absent:
    """The Go side of a file."""
    binary = _binary(elf)
    return binary if isinstance(binary, Absent) else binary.facts


def go_side(elf: ElfFile) -> tuple[GoFacts | Absent, GoNames | None]:
    """The Go side of a file, and what it knows about its own names; None for files that are not Go's."""
    binary = _binary(elf)
    if isinstance(binary, Absent):
        return binary, None
    from soinspect.demangle.golink import GoNames

    facts, plugin = binary.facts, binary.plugin
    return facts, GoNames(
        plugin_path=plugin.path if plugin else "",
        exports=frozenset(export.name for export in plugin.exports) if plugin else frozenset(),
        types=_type_names(binary, elf.dynamic_symbols),
    )


def _binary(elf: ElfFile) -> GoBinary | Absent:
    reason = why_not_go(elf)
    if reason is not None:
        return Absent(reason)
    from soinspect.go.binary import GoBinary

    return GoBinary(elf)


def _type_names(binary: GoBinary, symbols: SymbolTable | Absent) -> dict[str, str]:
    """The types behind the hashed names of type descriptors, as the descriptors themselves name them."""
    from soinspect.demangle.golink import has_hashed_type_name

    names: dict[str, str] = {}
    types = binary.types
    if not types or isinstance(symbols, Absent):
        return names
    for name, address, info in zip(symbols.names, symbols.values, symbols.infos, strict=True):
        if info & 0xF != SymbolType.OBJECT or not has_hashed_type_name(name):
            continue
        with suppress(FormatError):
            names[name] = types.text(address)
    return names
