"""The door to pyelftools: a second reading of a symbol table, to be held against ours."""

from __future__ import annotations

import struct
from collections import Counter

from soinspect.model.absence import Absent


def dynamic_symbols(path: str) -> Counter[tuple[int, int]] | Absent:
    """The dynamic symbols of the file at ``path`` as (value, size), the null symbol left out."""
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    # What pyelftools was seen to raise on damaged files, besides its own errors.
    trouble = (ELFError, ConstructError, AssertionError, AttributeError, KeyError, IndexError, OverflowError,
               StopIteration, UnicodeDecodeError, ValueError, ZeroDivisionError, struct.error)  # fmt: skip
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            section = ELFFile(file).get_section_by_name(".dynsym")
            if not isinstance(section, SymbolTableSection):
                return Absent("it finds no section .dynsym")
            symbols = list(section.iter_symbols())[1:]
            return Counter((symbol["st_value"], symbol["st_size"]) for symbol in symbols)
    except trouble as error:
        return Absent(f"it cannot read the file: {type(error).__name__}")
