"""The door to LIEF: object formats other than ELF, which soinspect names and does not read.

LIEF costs half a second to import, so it is opened only once a file turned out to be PE or Mach-O.
"""

from __future__ import annotations

import warnings


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


def _name(value: object) -> str:
    return str(getattr(value, "name", value))
