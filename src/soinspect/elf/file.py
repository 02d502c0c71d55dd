"""One ELF file read lazily: each table is decoded the first time somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Self

from soinspect.elf.dynamic import DynamicSection, read_dynamic
from soinspect.elf.image import Image
from soinspect.elf.notes import read_notes
from soinspect.elf.relocs import Pointers
from soinspect.elf.symtab import SymbolTable, read_dynamic_symbols, read_static_symbols
from soinspect.model.absence import Absent
from soinspect.model.note import Note


class ElfFile:
    """The tables of an :class:`Image`; the way into an ELF file for every layer above.

    Use it as a context manager: nothing can be read once it is closed.
    """

    def __init__(self, image: Image) -> None:
        self.image = image

    @classmethod
    def open(cls, path: str) -> Self:
        """Open the ELF file at ``path``.

        :raises InputError: as :meth:`Image.open` and :class:`Image` do.
        """
        return cls(Image.open(path))

    @property
    def path(self) -> str:
        """The path as the user gave it."""
        return self.image.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.image.close()

    @cached_property
    def dynamic(self) -> DynamicSection | Absent:
        """The dynamic section."""
        return read_dynamic(self.image)

    @cached_property
    def dynamic_symbols(self) -> SymbolTable | Absent:
        """The dynamic symbols (``.dynsym``)."""
        return read_dynamic_symbols(self.image, self.dynamic)

    @cached_property
    def static_symbols(self) -> SymbolTable | Absent:
        """The full symbol table (``.symtab``), which strip removes."""
        return read_static_symbols(self.image)

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """All notes."""
        return read_notes(self.image)

    @cached_property
    def pointers(self) -> Pointers | None:
        """The words that relocation gives a value; None for what is not linked dynamically."""
        if isinstance(self.dynamic, Absent):
            return None
        return Pointers(self.image, self.dynamic, self.dynamic_symbols or None)

    def forget_pointers(self) -> None:
        """Drop the largest table of all; it is read again if somebody asks for it."""
        self.__dict__.pop("pointers", None)

    def pointer(self, vaddr: int) -> int:
        """The word at ``vaddr`` as the loaded program sees it, before the load address is added.

        :raises FormatError: the word is not inside of a loaded segment.
        """
        value = self.pointers.get(vaddr) if self.pointers else None
        return self.image.unpack(self.image.layout.word, vaddr)[0] if value is None else value

    def pointers_at(self, vaddrs: Sequence[int]) -> list[int]:
        """The words at several addresses, each as :meth:`pointer` gives it.

        :raises FormatError: one of them is not inside of a loaded segment.
        """
        known = self.pointers.several(frozenset(vaddrs)) if self.pointers else {}
        word = self.image.layout.word
        return [known[at] if at in known else self.image.unpack(word, at)[0] for at in vaddrs]
