"""An ELF image made from facts: what stands in for a file of which only a snapshot is at hand.

The loader's model works on ELF files. Rather than teach every step of it a second form of its input, the tables that
it looks at are written down again: headers, the dynamic section, symbols, versions, one relocation a use. Addresses
and file offsets are the same; code and data are not there. Whatever numbers a snapshot holds, what is written is a
file that can be read (fields are cut to their size).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby

from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.elf.layout import layout_for
from soinspect.model.constants import DynamicTag, ElfClass, SectionIndex, SectionType, SegmentType, SymbolType
from soinspect.model.loading import LoadingFacts
from soinspect.model.snapshot import DynamicLinking, Snapshot

_IDENT_SIZE = 16
_HALF, _LONG = 0xFFFF, 0xFFFF_FFFF
_BASE = 1
_GLOBAL = 1 << 4
_SECTIONS = {"UND": SectionIndex.UNDEF, "ABS": SectionIndex.ABS, "COMMON": SectionIndex.COMMON}
_SOMEWHERE = 1
_MOST_SEGMENTS = 5  # LOAD, INTERP, DYNAMIC, TLS, GNU_STACK


def stand_in(snapshot: Snapshot, loading: LoadingFacts) -> ElfFile:
    """The file that these facts are of, as far as a loader looks at it."""
    return ElfFile(Image(snapshot.path, _Writer(snapshot, loading).image()))


class _Writer:
    """The image while it grows; ``_strings`` is one table for all names."""

    def __init__(self, snapshot: Snapshot, loading: LoadingFacts) -> None:
        self._snapshot = snapshot
        self._loading = loading
        self._header = snapshot.header
        self._layout = layout_for(self._header.elf_class, self._header.byteorder)
        self._is_64 = self._header.elf_class is ElfClass.ELF64
        self._word = (1 << 8 * self._header.word_size) - 1
        self._strings = bytearray(b"\0")
        self._known: dict[str, int] = {"": 0}
        self._data = bytearray()
        self._segments: list[bytes] = []
        self._sections: list[bytes] = [bytes(self._layout.section.size)]

    def image(self) -> bytes:
        """The whole file."""
        headers_at = _IDENT_SIZE + self._layout.header.size
        self._data = bytearray(headers_at + _MOST_SEGMENTS * self._layout.segment.size)
        if self._snapshot.interpreter is not None:
            self._segment(SegmentType.INTERP, 0, *self._put(_bytes(self._snapshot.interpreter) + b"\0"))
        if self._loading.tls_size is not None:
            self._segment(SegmentType.TLS, 0, 0, 0, self._loading.tls_size)
        if self._loading.stack_flags is not None:
            self._segment(SegmentType.GNU_STACK, self._loading.stack_flags, 0, 0)
        if self._snapshot.dynamic:
            self._segment(SegmentType.DYNAMIC, 0, *self._put(self._dynamic(self._snapshot.dynamic)))
        self._hidden()
        sections_at, _ = self._put(b"".join(self._sections))
        self._segment(SegmentType.LOAD, 0, 0, len(self._data))
        headers = self._elf_header(headers_at, sections_at) + b"".join(self._segments)
        self._data[: len(headers)] = headers
        return bytes(self._data)

    def _elf_header(self, segments_at: int, sections_at: int) -> bytes:
        it, layout = self._header, self._layout
        ident = bytes((*b"\x7fELF", it.elf_class, 1 if it.byteorder == "little" else 2, 1, it.osabi & 0xFF))
        fields = layout.header.pack(
            it.type & _HALF, it.machine & _HALF, 1, it.entry & self._word, segments_at, sections_at, it.flags & _LONG,
            segments_at, layout.segment.size, len(self._segments), layout.section.size, len(self._sections), 0,
        )  # fmt: skip
        return ident.ljust(_IDENT_SIZE, b"\0") + fields

    # -- parts -------------------------------------------------------------------------------------------

    def _put(self, data: bytes) -> tuple[int, int]:
        """Append a part; where it lies, and how long it is."""
        self._data += bytes(-len(self._data) % 8)
        at = len(self._data)
        self._data += data
        return at, len(data)

    def _segment(self, kind: int, flags: int, at: int, size: int, memory: int | None = None) -> None:
        flags, memory = flags & _LONG, (size if memory is None else memory) & self._word
        place = (at, at, at, size, memory)
        fields = (kind, flags, *place, 4096) if self._is_64 else (kind, *place, flags, 4096)
        self._segments.append(self._layout.segment.pack(*fields))

    def _section(self, kind: SectionType, at: int, size: int, link: int = 0) -> None:
        self._sections.append(self._layout.section.pack(0, kind, 0, at, at, size, link, 0, 0, 0))

    def _name(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self._strings)
            self._strings += _bytes(text) + b"\0"
        return self._known[text]

    def _symbol(self, name: str, info: int, other: int, section: int, value: int, size: int) -> bytes:
        place, value, size = self._name(name), value & self._word, size & self._word
        if self._is_64:
            return self._layout.symbol.pack(place, info, other, section, value, size)
        return self._layout.symbol.pack(place, value, size, info, other, section)

    # -- what is linked dynamically ----------------------------------------------------------------------

    def _dynamic(self, linking: DynamicLinking) -> bytes:
        named = [(DynamicTag.NEEDED, library) for library in linking.needed]
        named += [
            (tag, text)
            for tag, text in (
                (DynamicTag.SONAME, linking.soname), (DynamicTag.RPATH, linking.rpath),
                (DynamicTag.RUNPATH, linking.runpath),
            )
            if text is not None
        ]  # fmt: skip
        entries: list[tuple[int, int]] = [(tag, self._name(text)) for tag, text in named]
        entries += [(DynamicTag.FLAGS, self._loading.flags), (DynamicTag.FLAGS_1, self._loading.flags_1)]
        if self._snapshot.symbols:
            at, size = self._put(self._symbols())
            self._section(SectionType.DYNSYM, at, size)
            entries.append((DynamicTag.SYMTAB, at))
        entries += self._versions(linking)
        at, size = self._put(
            b"".join(self._layout.rela.pack(0, info & self._word, 0) for info in self._loading.relocations)
        )
        entries += [(DynamicTag.RELA, at), (DynamicTag.RELASZ, size)]
        at, size = self._put(bytes(self._strings))
        entries += [(DynamicTag.STRTAB, at), (DynamicTag.STRSZ, size), (DynamicTag.NULL, 0)]
        return b"".join(self._layout.dynamic.pack(tag, value & self._word) for tag, value in entries)

    def _symbols(self) -> bytes:
        assert self._snapshot.symbols  # noqa: S101
        it = self._snapshot.symbols.symbols
        # Whole columns at a time: a Go host has 150,000 symbols.
        names = [_bytes(name) for name in it.names]
        places = accumulate((len(name) + 1 for name in names), initial=len(self._strings))
        self._strings += b"\0".join((*names, b""))
        sections = [_SECTIONS.get(section, _SOMEWHERE) for section in it.sections]
        values, sizes = ([number & self._word for number in column] for column in (it.values, it.sizes))
        columns: tuple[Sequence[int], ...] = (it.infos, it.others, sections, values, sizes)
        if not self._is_64:
            columns = (values, sizes, it.infos, it.others, sections)
        return bytes(self._layout.symbol.size) + b"".join(map(self._layout.symbol.pack, places, *columns))

    def _versions(self, linking: DynamicLinking) -> list[tuple[int, int]]:
        half, long = self._layout.half, self._layout.long
        indexes = [half.pack(index & _HALF) for index in self._loading.version_indexes]
        entries: list[tuple[int, int]] = []
        if indexes:
            entries.append((DynamicTag.VERSYM, self._put(b"".join(indexes))[0]))
        own = [it for it in self._loading.version_names if it.library is None]
        if own:
            definitions = b""
            for number, it in enumerate(own):
                flags = 0 if it.name in linking.defined_versions else _BASE
                following = 28 if number + 1 < len(own) else 0
                definitions += b"".join(half.pack(field & _HALF) for field in (1, flags, it.index, 1))
                definitions += b"".join(long.pack(field) for field in (0, 20, following, self._name(it.name), 0))
            entries += [(DynamicTag.VERDEF, self._put(definitions)[0]), (DynamicTag.VERDEFNUM, len(own))]
        if linking.version_needs:
            numbers = {(it.library, it.name): it.index for it in self._loading.version_names}
            libraries = [(name, list(needs)) for name, needs in groupby(linking.version_needs, lambda it: it.library)]
            needs = b""
            for number, (library, wanted) in enumerate(libraries):
                following = 16 + 16 * len(wanted) if number + 1 < len(libraries) else 0
                needs += b"".join(half.pack(field & _HALF) for field in (1, len(wanted)))
                needs += b"".join(long.pack(field) for field in (self._name(library), 16, following))
                for place, need in enumerate(wanted):
                    index = numbers.get((library, need.version), 0)
                    needs += long.pack(0) + half.pack(2 if need.weak else 0) + half.pack(index & _HALF)
                    needs += long.pack(self._name(need.version)) + long.pack(16 if place + 1 < len(wanted) else 0)
            entries += [(DynamicTag.VERNEED, self._put(needs)[0]), (DynamicTag.VERNEEDNUM, len(libraries))]
        return entries

    def _hidden(self) -> None:
        """A .symtab with what is defined and not exported."""
        rows = [bytes(self._layout.symbol.size)]
        rows += [self._symbol(name, _GLOBAL | SymbolType.FUNC, 0, _SOMEWHERE, 1, 0) for name in self._loading.hidden]
        self._section(SectionType.SYMTAB, *self._put(b"".join(rows)), link=len(self._sections) + 1)
        self._section(SectionType.STRTAB, *self._put(bytes(self._strings)))


def _bytes(text: str) -> bytes:
    """A name as it stood in the file; what no file can hold is escaped."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")
