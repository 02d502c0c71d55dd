"""An open file as the rules see it: its exports by pattern, and C structures in its memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import PurePath
from struct import Struct
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.model.absence import Absent
from soinspect.model.symbol import Symbol

# Most files are not Go's.
if TYPE_CHECKING:
    from soinspect.model.golang import GoFacts, GoPlugin
    from soinspect.model.pluginkind import GoHostProfile

# More exports of one pattern than any real plugin has are made to waste time.
_MAX_MATCHES = 10_000
_MAX_TEXT = 4096


class PluginFile:
    """An :class:`ElfFile` with what the rules ask of it: its Go facts, and the ``profile`` of the Go host it is for."""

    def __init__(self, elf: ElfFile, go: GoFacts | Absent, profile: GoHostProfile | None) -> None:
        self.elf = elf
        self.go = go
        self.profile = profile
        self._matches: dict[str, tuple[Symbol, ...]] = {}

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return PurePath(self.elf.path).name

    @property
    def go_plugin(self) -> GoPlugin | Absent:
        """What is known of it as a Go plugin."""
        return self.go if isinstance(self.go, Absent) else self.go.plugin

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The libraries it is linked with."""
        from soinspect.model.constants import DynamicTag

        return self.elf.dynamic.strings_of(DynamicTag.NEEDED) if self.elf.dynamic else ()

    def exported(self, pattern: str) -> tuple[Symbol, ...]:
        """The exported symbols of a name, in which one ``*`` stands for anything."""
        if pattern not in self._matches:
            self._matches[pattern] = tuple(islice(self._exported(pattern), _MAX_MATCHES))
        return self._matches[pattern]

    def _exported(self, pattern: str) -> Iterator[Symbol]:
        table = self.elf.dynamic_symbols
        if isinstance(table, Absent):
            return
        prefix, star, suffix = pattern.partition("*")
        if not star:
            symbol = table.get(pattern)
            found = iter([symbol] if symbol else [])
        elif prefix:
            found = (s for s in table.starting_with(prefix) if s.name.endswith(suffix))
        else:
            found = table.ending_with(suffix)
        yield from (s for s in found if s.exported and len(s.name) > len(prefix + suffix) - (not star))

    def imports(self, pattern: str) -> bool:
        """Whether another file must provide a symbol of this name, or, before a ``*`` at the end, of this beginning."""
        table = self.elf.dynamic_symbols
        if isinstance(table, Absent):
            return False
        if pattern.endswith("*"):
            return any(not symbol.defined for symbol in table.starting_with(pattern[:-1]))
        symbol = table.get(pattern)
        return symbol is not None and not symbol.defined


class Record:
    """A C structure at an address, its members by name: ``Record(elf, at, "int version, ptr name")``.

    Members are laid out as C compilers do. Reading one raises :class:`~soinspect.errors.FormatError` if it is not in
    the file.
    """

    def __init__(self, elf: ElfFile, address: int, members: str) -> None:
        self._elf = elf
        self._places: dict[str, tuple[int, int]] = {}
        word = elf.image.header.word_size
        sizes = {"u8": 1, "u16": 2, "int": 4, "long": word, "ptr": word}
        for member in members.split(", "):
            kind, name = member.split()
            size = sizes[kind]
            address += -address % size
            self._places[name] = address, size
            address += size
        self.end = address

    def number(self, name: str) -> int:
        """An integer, unsigned."""
        address, size = self._places[name]
        order = self._elf.image.header.byteorder
        return int.from_bytes(self._elf.image.read(address, size), order)

    def pointer(self, name: str) -> int:
        """Where a pointer points to in the file; 0 for NULL, and for symbols of other files."""
        return self._elf.pointer(self._places[name][0])

    def text(self, name: str) -> str | Absent:
        """The C string that a pointer points to."""
        return c_string(self._elf, self.pointer(name))


def c_string(elf: ElfFile, address: int) -> str | Absent:
    """The NUL-terminated text at an address."""
    if not address:
        return Absent("the pointer to it is null, or a symbol of another file")
    data = elf.image.read(address, min(_MAX_TEXT, elf.image.available(address)))
    text, end, _ = data.partition(b"\0")
    return text.decode("utf-8", "surrogateescape") if end else Absent(f"no text of less than {_MAX_TEXT} bytes")


def integer(elf: ElfFile, address: int) -> int:
    """The C ``int`` at an address, unsigned."""
    order = "<I" if elf.image.header.byteorder == "little" else ">I"
    return elf.image.unpack(Struct(order), address)[0]
