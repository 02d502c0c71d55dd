"""Which file holds the debug information of a library: itself, or one that its packager split off.

Search order and checks are those of gdb ("Debugging Information in Separate Files"): by build id, which has to be
the same, then by the name and CRC of ``.gnu_debuglink``. What dwz moved to a file that several libraries share
(``.gnu_debugaltlink``, or DWARF 5's ``.debug_sup``) is found by its name, and has to have the right build id. So are
the files of split DWARF (DWARF 5, section 7.3.2), which have an id in common with the unit they belong to.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from soinspect.dwarf.constants import At
from soinspect.dwarf.info import DebugInfo
from soinspect.dwarf.remarks import Remarks
from soinspect.dwarf.sections import UnreadableSection
from soinspect.dwarf.units import Unit
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import FormatError, InputError
from soinspect.model.absence import Absent
from soinspect.model.constants import ObjectType
from soinspect.model.lateclass import dataclass
from soinspect.model.note import GnuNoteType

_CHUNK = 1 << 20
_SUP_HEADER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSearch:
    """Folders that hold separate debug files, as distributions lay them out."""

    roots: tuple[str, ...] = ("/usr/lib/debug",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSource:
    """Debug information that was found; ``how`` names the file and what led to it.

    ``split`` are the files that hold the entries of some of its units.
    """

    info: DebugInfo
    split: tuple[DebugInfo, ...]
    how: str


def find_debug_info(elf: ElfFile, search: DebugSearch, files: ExitStack, remarks: Remarks) -> DebugSource | Absent:
    """The debug information of ``elf``; files that are opened for it are closed by ``files``.

    :raises FormatError: it is there, and its sections are damaged.
    """
    if elf.image.header.type is ObjectType.REL:
        return Absent("an object file that is not linked yet: its debug information has no addresses")
    finder = _Finder(search, files, remarks)
    try:
        image, how = finder.holder(elf)
        if image is None:
            return Absent(how)
        info = DebugInfo(image, remarks, alternate=finder.alternate(image))
    except UnreadableSection as error:
        return Absent(f"the debug information cannot be read: {error}")
    split = finder.split(info)
    if isinstance(split, Absent):
        return split
    return DebugSource(info=info, split=split, how=how)


def build_id(elf: ElfFile) -> bytes | None:
    """The build id that the linker wrote into a file, None if it has none."""
    for note in elf.notes:
        if note.owner == "GNU" and note.type == GnuNoteType.BUILD_ID:
            return note.data
    return None


def _has_debug_info(image: Image) -> bool:
    return image.section(".debug_info") is not None or image.section(".zdebug_info") is not None


class _Finder:
    def __init__(self, search: DebugSearch, files: ExitStack, remarks: Remarks) -> None:
        self._remarks = remarks
        self._split: set[Path] = set()
        self._roots = [Path(root) for root in search.roots]
        self._files = files

    def holder(self, elf: ElfFile) -> tuple[Image | None, str]:
        """The file with the sections and how it was found, or None and why none was."""
        if _has_debug_info(elf.image):
            return elf.image, "the file itself"
        wanted, link = build_id(elf), _debug_link(elf.image)
        if wanted:
            for path in self._by_build_id(wanted):
                image = self._open(path, lambda found: build_id(ElfFile(found)) == wanted, "build id")
                if image:
                    return image, f"{path}, by build id"
        if link:
            name, checksum = link
            for path in self._by_name(Path(elf.path), name):
                image = self._open(path, lambda found: _crc(found) == checksum, "CRC")
                if image:
                    return image, f"{path}, by .gnu_debuglink"
        marks = [f"build id {wanted.hex()}"] if wanted else []
        marks += [f"debug file {link[0]}"] if link else []
        places = f"; not found in {', '.join(map(str, self._roots))}: {', '.join(marks)}" if marks else ""
        return None, f"no debug information: built without -g, or stripped{places}"

    def alternate(self, image: Image) -> DebugInfo | None:
        """What the debug information in ``image`` shares with other files, None if it shares nothing."""
        link = _alternate_link(image)
        if link is None:
            return None
        name, wanted = link
        named = Path(image.path).resolve().parent / name
        for path in (named, *self._by_build_id(wanted)):
            found = self._open(path, lambda found: wanted in (build_id(ElfFile(found)), _checksum(found)), "build id")
            if found:
                try:
                    return DebugInfo(found, self._remarks)
                except (FormatError, UnreadableSection) as error:
                    self._remarks.add(f"{path}: {error}")
        self._remarks.add(f"{name}, which dwz moved common types to, is not there")
        return None

    def split(self, info: DebugInfo) -> tuple[DebugInfo, ...] | Absent:
        """The files that the compiler put entries into, one a unit; Absent if there is not one of them left."""
        found: list[DebugInfo] = []
        lost: list[str] = []
        for unit in info.units:
            try:
                name = info.split_name(unit)
                opened = self._open_split(info, unit, name) if name else None
            except FormatError as error:
                self._remarks.add(f"{error.reason}: the unit is not read")
                continue
            if opened:
                found.append(opened)
            elif name:
                lost.append(name)
        if lost and len(lost) == len(info.units):
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            return Absent(f"split DWARF: {lost[0]}{more} not there, or of another build")
        for name in lost:
            self._remarks.add(f"split DWARF: {name} not there, or of another build")
        return tuple(found)

    def _open_split(self, info: DebugInfo, unit: Unit, name: str) -> DebugInfo | None:
        compiled_in = info.root(unit).text(At.COMP_DIR) or ""
        beside = Path(info.image.path).resolve().parent
        for path in dict.fromkeys((Path(compiled_in) / name, beside / name, beside / Path(name).name)):
            if path in self._split or not _is_there(path):
                continue
            try:
                # Copied, not mapped: there may be more of them than a process may have files open.
                with Image.open(str(path)) as mapped:
                    image = Image(str(path), mapped.data[:])
                opened = DebugInfo(image, self._remarks, skeleton=unit)
                if _split_id(unit) in map(_split_id, opened.units):
                    self._split.add(path)
                    return opened
            except (InputError, UnreadableSection) as error:
                self._remarks.add(f"{path}: {error}")
        return None

    def _by_build_id(self, wanted: bytes) -> Iterator[Path]:
        text = wanted.hex()
        for root in self._roots:
            yield root / ".build-id" / text[:2] / f"{text[2:]}.debug"

    def _by_name(self, library: Path, name: str) -> Iterator[Path]:
        folder = library.resolve().parent
        yield folder / name
        yield folder / ".debug" / name
        for root in self._roots:
            yield root / folder.relative_to("/") / name

    def _open(self, path: Path, fits: Callable[[Image], bool], what: str) -> Image | None:
        """The file at ``path`` if it has debug information and fits; anything else is told, or passed over."""
        if not _is_there(path):
            return None
        try:
            image = self._files.enter_context(Image.open(str(path)))
            if not fits(image):
                self._remarks.add(f"{path}: another {what}, not used")
            elif _has_debug_info(image):
                return image
        except InputError as error:
            self._remarks.add(str(error))
        return None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _split_id(unit: Unit) -> int | None:
    """What the two halves of a unit have in common."""
    return unit.split_id if unit.split_id is not None else unit.info.root(unit).number(At.GNU_DWO_ID)


def _debug_link(image: Image) -> tuple[str, int] | None:
    """The name and CRC in ``.gnu_debuglink``: a file name, zeros up to a multiple of four bytes, the CRC."""
    section = image.section(".gnu_debuglink")
    if section is None:
        return None
    data = image.section_data(section)
    name, separator, _ = data.partition(b"\0")
    at = len(name) + 4 & ~3
    if not separator or not name or b"/" in name or at + 4 > len(data):
        image.remark(".gnu_debuglink", "it does not hold a file name and a CRC")
        return None
    return name.decode("utf-8", "surrogateescape"), int.from_bytes(data[at : at + 4], image.header.byteorder)


def _alternate_link(image: Image) -> tuple[str, bytes] | None:
    """The name and build id of the file that entries are shared with."""
    section = image.section(".gnu_debugaltlink")
    if section is not None:
        name, _, wanted = image.section_data(section).partition(b"\0")
        return name.decode("utf-8", "surrogateescape"), wanted
    shared = _supplementary(image)
    return None if shared is None or shared[0] else (shared[1], shared[2])


def _checksum(image: Image) -> bytes | None:
    """What identifies a file that is shared by DWARF 5's rules."""
    shared = _supplementary(image)
    return shared[2] if shared is not None and shared[0] else None


def _supplementary(image: Image) -> tuple[bool, str, bytes] | None:
    """``.debug_sup`` (DWARF 5, section 7.3.6): whether this is the shared file, the name of that, its checksum."""
    section = image.section(".debug_sup")
    if section is None:
        return None
    # A version of two bytes, a flag, a name, and a checksum with its size before it (one byte, as it is < 128).
    data = image.section_data(section)
    name, _, checksum = data[_SUP_HEADER:].partition(b"\0")
    return data[2:3] == b"\1", name.decode("utf-8", "surrogateescape"), checksum[1:]


def _crc(image: Image) -> int:
    checksum = 0
    for start in range(0, image.size, _CHUNK):
        checksum = zlib.crc32(image.data[start : start + _CHUNK], checksum)
    return checksum
