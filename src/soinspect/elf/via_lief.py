"""The door to LIEF: a second reading of a symbol table, and object formats other than ELF, which are only named.

LIEF costs half a second to import, so it is opened only when one of these is asked for.
"""

from __future__ import annotations

import warnings
from collections import Counter

from soinspect.model.absence import Absent


def describe_foreign_object(path: str) -> str | None:
    """Describe the PE or Mach-O file at ``path`` in a few words, or None if LIEF cannot read it either."""
    import lief

    lief.logging.disable()
    with warnings.catch_warnings():
        # LIEF hands out a number and a warning for an enumeration's unknown value.
        warnings.simplefilter("ignore", RuntimeWarning)
        if lief.is_pe(path):
            pe = lief.PE.parse(path)
            if pe is None:
                return None
            kind = "DLL" if pe.header.has_characteristic(lief.PE.Header.CHARACTERISTICS.DLL) else "program"
            return f"a PE file (Windows {kind}, {_name(pe.header.machine)})"
        if lief.is_macho(path):
            fat = lief.MachO.parse(path)
            macho = fat.at(0) if fat else None
            if macho is None:
                return None
            return f"a Mach-O file (macOS {_name(macho.header.file_type).lower()}, {_name(macho.header.cpu_type)})"
    return None


def dynamic_symbols(path: str) -> Counter[tuple[int, int]] | Absent:
    """The dynamic symbols of the ELF file at ``path`` as (value, size), the null symbol left out."""
    import lief

    lief.logging.disable()
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_symtab_symbols = config.parse_notes = config.parse_overlay = False
    parsed = lief.ELF.parse(path, config)
    if parsed is None:
        return Absent("it cannot read the file")
    return Counter((symbol.value, symbol.size) for symbol in list(parsed.dynamic_symbols)[1:])


def _name(value: object) -> str:
    return str(getattr(value, "name", value))
