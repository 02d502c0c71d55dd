"""The records of ELF as :mod:`struct` layouts, by class and byte order (System V gABI, chapter 4)."""

from __future__ import annotations

from functools import cache
from struct import Struct
from typing import Literal

from soinspect.model.constants import ElfClass
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How each fixed-size record is laid out in one kind of file; field orders are those of ``elf.h``."""

    word: Struct
    half: Struct
    long: Struct
    header: Struct
    segment: Struct
    section: Struct
    symbol: Struct
    dynamic: Struct
    rela: Struct
    rel: Struct
    relocation_symbol_shift: int


@cache
def layout_for(elf_class: ElfClass, byteorder: Literal["little", "big"]) -> Layout:
    """The layout of files of this class and byte order."""
    order = "<" if byteorder == "little" else ">"
    if elf_class is ElfClass.ELF64:
        word, header, segment, section = "Q", "HHIQQQIHHHHHH", "IIQQQQQQ", "IIQQQQIIQQ"
        symbol, dynamic, rela, rel, shift = "IBBHQQ", "QQ", "QQq", "QQ", 32
    else:
        word, header, segment, section = "I", "HHIIIIIHHHHHH", "IIIIIIII", "IIIIIIIIII"
        symbol, dynamic, rela, rel, shift = "IIIBBH", "II", "IIi", "II", 8
    return Layout(
        word=Struct(order + word),
        half=Struct(order + "H"),
        long=Struct(order + "I"),
        header=Struct(order + header),
        segment=Struct(order + segment),
        section=Struct(order + section),
        symbol=Struct(order + symbol),
        dynamic=Struct(order + dynamic),
        rela=Struct(order + rela),
        rel=Struct(order + rel),
        relocation_symbol_shift=shift,
    )
