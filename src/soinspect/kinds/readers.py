"""What plugins say of themselves in constants, names and dependencies: readers that several kinds share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from soinspect.kinds.pluginfile import PluginFile, c_string, integer
from soinspect.kinds.returned import returned
from soinspect.model.absence import Absent
from soinspect.model.pluginkind import KindFact

Facts = Iterator[KindFact]
Reader = Callable[[PluginFile], Iterable[KindFact]]


def fact(name: str, value: str | int | Absent) -> KindFact:
    """A fact by its name."""
    return KindFact(name=name, value=value)


def text_or_mark(text: str | Absent) -> str:
    """The text in a list of texts, where there is no room to say why it is not there."""
    return "?" if isinstance(text, Absent) else text


def integers(*symbols: str) -> Reader:
    """Facts from variables that are C ints."""

    def read(file: PluginFile) -> Facts:
        for name in symbols:
            for symbol in file.exported(name):
                yield fact(name, integer(file.elf, symbol.value))

    return read


def texts(*symbols: str) -> Reader:
    """Facts from variables that are arrays of characters."""

    def read(file: PluginFile) -> Facts:
        for name in symbols:
            for symbol in file.exported(name):
                yield fact(symbol.name, c_string(file.elf, symbol.value))

    return read


def results(*symbols: str) -> Reader:
    """Facts from functions that return a constant number."""

    def read(file: PluginFile) -> Facts:
        for name in symbols:
            for symbol in file.exported(name):
                yield fact(symbol.name, returned(file.elf, symbol))

    return read


def returned_texts(*symbols: str) -> Reader:
    """Facts from functions that return a constant text."""

    def read(file: PluginFile) -> Facts:
        for name in symbols:
            for symbol in file.exported(name):
                at = returned(file.elf, symbol)
                yield fact(symbol.name, at if isinstance(at, Absent) else c_string(file.elf, at))

    return read


def version_bytes(number: int) -> str:
    """A version in the bytes of a number, major above minor above micro: 0x180b00 is 24.11.0."""
    return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"


def in_name(prefix: str, name: str) -> Reader:
    """A fact that is part of an entry point's name: ``vlc_entry__3_0_0f``."""

    def read(file: PluginFile) -> Facts:
        for symbol in file.exported(f"{prefix}*"):
            yield fact(name, symbol.name.removeprefix(prefix))

    return read


def linked_with(prefix: str) -> Reader:
    """A fact from the library of the host that the plugin is linked with."""

    def read(file: PluginFile) -> Facts:
        for library in file.needed:
            if library.startswith(prefix):
                yield fact("linked with", library)
                return
        yield fact("linked with", Absent(f"no {prefix}: its host brings it, whichever that is"))

    return read
