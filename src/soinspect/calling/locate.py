"""Addresses of a stopped process to names: which symbol of which file."""

from __future__ import annotations

import os
from bisect import bisect_right
from contextlib import ExitStack
from pathlib import PurePath
from typing import Self

from soinspect.calling.stopped import Mapping, Stopped
from soinspect.demangle.golink import GoNames, explain_go_symbol
from soinspect.demangle.scheme import demangle
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.errors import InputError
from soinspect.go.binary import GoBinary
from soinspect.model.constants import SectionIndex, SegmentType, SymbolBinding, SymbolType

_NAMED = (SymbolType.FUNC, SymbolType.IFUNC, SymbolType.OBJECT, SymbolType.NOTYPE)
_FUNCTIONS = (SymbolType.FUNC, SymbolType.IFUNC)
_LOCAL = SymbolBinding.LOCAL


class MappedFile:
    """A file that was mapped into the process."""

    def __init__(self, elf: ElfFile, go: GoNames | None) -> None:
        self.elf = elf
        self._go = go
        self._functions = GoBinary.of(elf) if go else None
        self._rows = sorted(self._symbols())
        self._starts = [row[0] for row in self._rows]

    def _symbols(self) -> list[tuple[int, tuple[bool, int, bool, bool], int, str, int]]:
        """All named places: address, rank, size, raw name, type; sorted so that the best name of an address is last.

        That is one of a function, of the largest, one that other files see, and one without a suffix that compilers
        give (``f.localalias``).
        """
        return [
            (value, (info & 0xF in _FUNCTIONS, size, info >> 4 != _LOCAL, "." not in name), size, name, info & 0xF)
            for table in (self.elf.static_symbols, self.elf.dynamic_symbols)
            if isinstance(table, SymbolTable)
            for value, size, info, index, name in zip(
                table.values, table.sizes, table.infos, table.section_indexes, table.names, strict=True
            )
            # Absolute symbols are no places: those of versions have the value 0.
            if 0 < index < SectionIndex.LORESERVE and name and info & 0xF in _NAMED
        ]

    def vaddr(self, offset: int) -> int | None:
        """The address in the file's own terms of the byte at a file offset, or None where none is loaded."""
        for segment in self.elf.image.segments:
            if segment.type is SegmentType.LOAD and segment.offset <= offset < segment.offset + segment.filesz:
                return segment.vaddr + offset - segment.offset
        return None

    def name(self, vaddr: int, before: int = 0) -> str | None:
        """The symbol that the byte ``before`` ``vaddr`` is in, with the distance of ``vaddr`` to its start, or None.

        The source line of Go code is told as well.
        """
        found = self._found_at(vaddr - before)
        if found is None:
            return None
        start, raw, kind = found
        text = explain_go_symbol(raw, kind, self._go).text if self._go else demangle(raw)
        return f"{text}+{vaddr - start:#x}{self._go_line(vaddr - before)}"

    def is_start(self, vaddr: int) -> bool:
        """Whether a function or another named place begins at ``vaddr``."""
        found = self._found_at(vaddr)
        return found is not None and found[0] == vaddr

    def _found_at(self, vaddr: int) -> tuple[int, str, SymbolType] | None:
        return self._symbol_at(vaddr) or self._go_function_at(vaddr)

    def _go_line(self, vaddr: int) -> str:
        """The source line of a Go instruction, in brackets after a blank; nothing where there is none."""
        function = self._functions.function_at(vaddr) if self._functions else None
        return f" ({PurePath(function.file).name}:{function.line})" if function and function.line else ""

    def _symbol_at(self, vaddr: int) -> tuple[int, str, SymbolType] | None:
        index = bisect_right(self._starts, vaddr) - 1
        if index < 0:
            return None
        start, _, size, raw, kind = self._rows[index]
        # Hand-written code often has no size; then the nearest symbol below is the best answer there is, but for Go
        # code, whose own table knows every function.
        if vaddr >= start + size and (size or self._go):
            return None
        return start, raw, SymbolType(kind)

    def _go_function_at(self, vaddr: int) -> tuple[int, str, SymbolType] | None:
        """The function by Go's own table, which the runtime needs: strip cannot take it away."""
        function = self._functions.function_at(vaddr) if self._functions else None
        return (function.entry, function.name, SymbolType.FUNC) if function else None


class Locator:
    """Names for the addresses of one stopped process; use it as a context manager, for it keeps files open.

    ``path`` is the file that was called into, ``go`` the Go names it has, if it is a Go binary.
    """

    def __init__(self, stopped: Stopped, path: str, go: GoNames | None) -> None:
        self._stopped = stopped
        self._path = os.path.realpath(path)
        self._go = go
        self._files: dict[str, MappedFile | None] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def is_in_file(self, address: int) -> bool:
        """Whether ``address`` lies in the file that was called into."""
        mapping = self._stopped.mapping_of(address)
        return mapping is not None and mapping.path == self._path

    def locate(self, address: int, *, called_from: bool = False) -> str:
        """Where ``address`` is, in words: ``symbol+0x4 in libx.so``, ``0x1234 in libx.so``, ``0x7f00 in [heap]``.

        ``called_from`` tells that it is a return address: it belongs to the function of the call just before it, though
        it may be the first address after that.
        """
        mapping = self._stopped.mapping_of(address)
        if mapping is None:
            return f"{address:#x}, where nothing is mapped"
        if not mapping.path.startswith("/"):
            return f"{address:#x} in {mapping.path or 'anonymous memory'}"
        base = os.path.basename(mapping.path)  # noqa: PTH119  (a name in the kernel's list, not a file to open)
        file, vaddr = self.file_at(address)
        if file is None or vaddr is None:
            return f"{base} at file offset {address - mapping.start + mapping.offset:#x}"
        name = file.name(vaddr, before=1 if called_from else 0)
        return f"{name} in {base}" if name else f"{vaddr:#x} in {base}"

    def file_at(self, address: int) -> tuple[MappedFile | None, int | None]:
        """The file mapped at ``address``, and the address in the file's own terms."""
        mapping = self._stopped.mapping_of(address)
        if mapping is None or not mapping.path.startswith("/"):
            return None, None
        file = self._file(mapping)
        return file, file.vaddr(address - mapping.start + mapping.offset) if file else None

    def _file(self, mapping: Mapping) -> MappedFile | None:
        if mapping.path not in self._files:
            try:
                elf = self._open.enter_context(ElfFile.open(mapping.path))
                self._files[mapping.path] = MappedFile(elf, self._go if mapping.path == self._path else None)
            except InputError:  # deleted since, or not ELF
                self._files[mapping.path] = None
        return self._files[mapping.path]
