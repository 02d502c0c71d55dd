"""The metadata of Qt plugins (qtbase: qplugin.h, qplugin_p.h, qelfparser_p.cpp).

Qt 6.3 and later put it into an ELF note, before it was a section; it is a CBOR map (RFC 8949), before Qt 5.12 it was
Qt's own binary JSON, which is not read here.
"""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.kinds.pluginfile import PluginFile
from soinspect.kinds.readers import fact
from soinspect.model.absence import Absent
from soinspect.model.pluginkind import KindFact

_NOTE = ("qt-project!", 0x74510001)
_MAGIC = b"QTMETADATA !"
_OLD_MAGIC = b"QTMETADATA  "
_DEBUG = 0x80
_KEYS = {2: "IID", 3: "class"}
_MAX_DEPTH = 16
_MAX_ITEMS = 10_000


def read_qt(file: PluginFile) -> Iterator[KindFact]:
    """Qt's version, the interface, and the class."""
    header = _metadata(file)
    if isinstance(header, Absent):
        yield fact("metadata", header)
        return
    # format version, Qt's major and minor, architecture requirements
    _, major, minor, architecture = header[:4]
    yield fact("Qt", f"{major}.{minor}")
    yield fact("build", "debug" if architecture & _DEBUG else "release")
    try:
        yield from (fact(name, value) for name, value in _texts(header[4:]))
    except (IndexError, UnicodeDecodeError):
        yield fact("metadata", Absent("its CBOR is damaged"))


def _metadata(file: PluginFile) -> bytes | Absent:
    """The four bytes of the header, and the CBOR after it."""
    data = b""
    for note in file.elf.notes:
        if (note.owner, note.type) == _NOTE:
            data = note.data
    section = file.elf.image.section(".qtmetadata")
    if section is not None:
        data = file.elf.image.section_data(section)
        if data.startswith(_OLD_MAGIC):
            return Absent("of Qt 5.11 or older: binary JSON, which is not read")
        data = data.removeprefix(_MAGIC)
    return data if len(data) > 4 else Absent("there is neither a .qtmetadata section nor a Qt note")


def _texts(cbor: bytes) -> Iterator[tuple[str, str]]:
    """The texts at the top of the map that have a name here."""
    reader = _Cbor(cbor)
    major, count = reader.head()
    if major != _Cbor.MAP:
        raise IndexError
    while reader.more(count):
        key_major, key = reader.head()
        if key_major != _Cbor.UNSIGNED:
            reader.skip(key_major, key)
            key = None
        value_major, value = reader.head()
        if key in _KEYS and value_major == _Cbor.TEXT and value is not None:
            yield _KEYS[key], reader.take(value).decode()
        else:
            reader.skip(value_major, value)
        count = None if count is None else count - 1


class _Cbor:
    """The items of a CBOR document, one head after the other. IndexError where it ends too early, or never."""

    UNSIGNED, TEXT, MAP, SIMPLE = 0, 3, 5, 7
    _BREAK = 0xFF

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > len(self._data) - self._at:
            raise IndexError
        self._at += size
        return self._data[self._at - size : self._at]

    def head(self) -> tuple[int, int | None]:
        """The major type and argument of the next item; None for an indefinite length."""
        self._items += 1
        if self._items > _MAX_ITEMS:
            raise IndexError
        (first,) = self.take(1)
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if short < 28:
            return major, int.from_bytes(self.take(1 << short - 24), "big")
        if short != 31:
            raise IndexError
        return major, None

    def more(self, count: int | None) -> bool:
        """Whether a container has more items: ``count`` of them, or, for None, until the break."""
        if count is not None:
            return count > 0
        if self._data[self._at] != self._BREAK:
            return True
        self._at += 1
        return False

    def skip(self, major: int, argument: int | None, depth: int = 0) -> None:
        """Leave out what belongs to a head."""
        if depth > _MAX_DEPTH:
            raise IndexError
        if major in (2, self.TEXT) and argument is not None:
            self.take(argument)
        elif major in (2, self.TEXT, 4, self.MAP, 6):
            count = 1 if major == 6 else argument
            if major == self.MAP and count is not None:
                count *= 2
            while self.more(count):
                self.skip(*self.head(), depth + 1)
                count = None if count is None else count - 1
