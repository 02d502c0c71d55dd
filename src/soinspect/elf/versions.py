"""Symbol versions: .gnu.version, .gnu.version_d, .gnu.version_r (LSB Core, "Symbol Versioning")."""

from __future__ import annotations

from struct import Struct

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.image import Image
from soinspect.model.constants import DynamicTag
from soinspect.model.dynamic import VersionNeed
from soinspect.model.lateclass import dataclass

_HIDDEN = 0x8000
_INDEX = 0x7FFF
_BASE = 0x1
_WEAK = 0x2
# An index has 15 bits: in a sound file so many versions cannot be told apart.
_MAX_NEEDS = 1 << 15
# Indexes 0 and 1 are the local and the global base version.
_FIRST_NAMED = 2
_MAX_NAME = 512  # characters; the longest of a machine's have some dozens


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The versions of a dynamic symbol table.

    ``indexes`` has one entry a symbol (empty when the file is not versioned); ``names`` and ``needed_from`` map a
    version index to its name and, for needed versions, to the library that must provide it.
    """

    indexes: tuple[int, ...]
    names: dict[int, str]
    needed_from: dict[int, str]
    defined: tuple[str, ...]
    needed: tuple[VersionNeed, ...]

    def of(self, symbol: int) -> tuple[str | None, bool]:
        """The version name of the symbol at this index, and whether it is the default one (``@@``)."""
        return self.named(self.indexes[symbol]) if symbol < len(self.indexes) else (None, False)

    def named(self, index: int) -> tuple[str | None, bool]:
        """The version name behind an entry of .gnu.version, and whether it is the default one (``@@``)."""
        name = self.names.get(index & _INDEX) if index & _INDEX >= _FIRST_NAMED else None
        default = name is not None and not index & _HIDDEN and (index & _INDEX) not in self.needed_from
        return name, default

    def need_of(self, symbol: int) -> tuple[str, str] | None:
        """The library and version that must provide the symbol at this index, or None if none is named."""
        index = self.indexes[symbol] & _INDEX if symbol < len(self.indexes) else 0
        return (self.needed_from[index], self.names[index]) if index in self.needed_from else None


def read_versions(image: Image, dynamic: DynamicSection, symbols: int) -> Versions:
    """Read the versions of a dynamic symbol table of ``symbols`` entries; a broken chain ends there."""
    names: dict[int, str] = {}
    needed_from: dict[int, str] = {}
    defined = _read_definitions(image, dynamic, names)
    needed = _read_needs(image, dynamic, names, needed_from)
    return Versions(
        indexes=_read_indexes(image, dynamic, symbols),
        names=names,
        needed_from=needed_from,
        defined=defined,
        needed=needed,
    )


def _read_indexes(image: Image, dynamic: DynamicSection, symbols: int) -> tuple[int, ...]:
    address = dynamic.get(DynamicTag.VERSYM)
    if address is None:
        return ()
    readable = min(symbols, image.available(address) // 2)
    if readable < symbols:
        image.remark("DT_VERSYM", f"only {readable} of {symbols} entries are in the file")
    order = "<" if image.header.byteorder == "little" else ">"
    return Struct(f"{order}{readable}H").unpack(image.read(address, 2 * readable))


def _read_definitions(image: Image, dynamic: DynamicSection, names: dict[int, str]) -> tuple[str, ...]:
    order = "<" if image.header.byteorder == "little" else ">"
    record, auxiliary = Struct(order + "HHHHIII"), Struct(order + "II")
    address = dynamic.get(DynamicTag.VERDEF)
    defined: list[str] = []
    count = dynamic.get(DynamicTag.VERDEFNUM, 0)
    for number in range(count):
        if address is None or image.available(address) < record.size:
            image.remark("DT_VERDEF", "an entry lies outside of the file")
            break
        _version, flags, index, _count, _hash, aux, following = image.unpack(record, address)
        if image.available(address + aux) >= auxiliary.size:
            # The first auxiliary entry is the version's own name, the others are its parents.
            name = _name(dynamic, image.unpack(auxiliary, address + aux)[0])
            names.setdefault(index & _INDEX, name)
            if not flags & _BASE:
                defined.append(name)
        if following < record.size:  # zero at the end; anything smaller than a record would go in circles
            _remark_early_end(image, "DT_VERDEF", number + 1, count)
            break
        address += following
    return tuple(defined)


def _read_needs(
    image: Image, dynamic: DynamicSection, names: dict[int, str], needed_from: dict[int, str]
) -> tuple[VersionNeed, ...]:
    order = "<" if image.header.byteorder == "little" else ">"
    record, auxiliary = Struct(order + "HHIII"), Struct(order + "IHHII")
    address = dynamic.get(DynamicTag.VERNEED)
    needs: list[VersionNeed] = []
    entries = dynamic.get(DynamicTag.VERNEEDNUM, 0)
    for number in range(entries):
        if address is None or image.available(address) < record.size:
            image.remark("DT_VERNEED", "an entry lies outside of the file")
            break
        _version, count, file, aux, following = image.unpack(record, address)
        library = _name(dynamic, file)
        position = address + aux
        for _ in range(count):
            if image.available(position) < auxiliary.size:
                image.remark("DT_VERNEED", f"an auxiliary entry of {library} lies outside of the file")
                break
            _hash, flags, index, name_offset, step = image.unpack(auxiliary, position)
            name = _name(dynamic, name_offset)
            if len(needs) >= _MAX_NEEDS:
                image.remark("DT_VERNEED", f"more than {_MAX_NEEDS} versions: the rest is not read")
                return tuple(needs)
            names.setdefault(index & _INDEX, name)
            needed_from.setdefault(index & _INDEX, library)
            needs.append(VersionNeed(library=library, version=name, weak=bool(flags & _WEAK)))
            if step < auxiliary.size:
                break
            position += step
        if following < record.size:
            _remark_early_end(image, "DT_VERNEED", number + 1, entries)
            break
        address += following
    return tuple(needs)


def _name(dynamic: DynamicSection, offset: int) -> str:
    """The name at ``offset``, or a bracketed remark: every symbol of a version repeats it, however long it is."""
    name = dynamic.strings.get(offset)
    return name if len(name) <= _MAX_NAME else f"<name at {offset:#x} not read: it has {len(name):,} characters>"


def _remark_early_end(image: Image, table: str, read: int, announced: int) -> None:
    if read < announced:
        image.remark(table, f"{announced} entries are announced, the chain ends after {read}")
