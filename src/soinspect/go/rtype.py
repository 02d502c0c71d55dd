"""Type descriptors, the data behind ``reflect.Type`` (src/internal/abi/type.go; src/runtime/type.go up to 1.20)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from struct import Struct
from typing import final

from soinspect.errors import FormatError
from soinspect.go.memory import WORD, Memory
from soinspect.go.moduledata import ModuleData
from soinspect.model.absence import Absent
from soinspect.model.constants import SymbolType
from soinspect.model.golang import GoField, GoKind, GoMethod
from soinspect.model.lateclass import dataclass

# size, ptrdata, hash, tflag, align, fieldAlign, kind, equal, gcdata, str, ptrToThis
_COMMON = Struct("<QQIBBBBQQii")
_COMMON_SIZE = _COMMON.size
_KIND_MASK = 31  # the bits above it moved around over time
_TYPE_SYMBOL = re.compile(r"type[.:][^.]")
_UNCOMMON, _EXTRA_STAR, _NAMED = 1, 2, 4
_DIRECT, _FIRST_WITH_DIRECT_FLAG = 32, 26  # a bit of the kind before, of the flags since
_UNCOMMON_RECORD = Struct("<iHHII")
_METHOD = Struct("<iiii")
_COUNTS = Struct("<HH")  # of a func type: inputs, outputs
_VARIADIC = 0x8000
_TABLE_AT = _COMMON_SIZE + WORD  # of struct and interface types: the slice of fields or methods
_FIELD_SIZE = 24
_ASKED_SIZE = 8
_DROPPED = (0, -1)  # -1 since 1.16
_NOT_LINKED = Absent("dropped by the linker: nothing can call it")
_ASKED_FOR = Absent("an interface asks for it")
_NAME_HAS_TAG, _NAME_EMBEDDED = 2, 8
# Names and parts of types that are read for one answer take less than a tenth of a sound file; those of a hostile one
# overlap.
_READS = 2
_NAME_HEAD = 12
_LAST_WITH_FIXED_LENGTH = 16
_FIRST_WITH_EMBEDDED_OFFSET, _FIRST_WITH_EMBEDDED_FLAG = 9, 19

# The size of a descriptor before its uncommon part, by kind; all others are just the common part.
_BASE_SIZES = {
    GoKind.ARRAY: 72,
    GoKind.CHAN: 64,
    GoKind.FUNC: 56,
    GoKind.INTERFACE: 80,
    GoKind.POINTER: 56,
    GoKind.SLICE: 56,
    GoKind.STRUCT: 80,
}
# The descriptors of maps grew with the implementation of maps: size, first and last release (1.24 and 1.25 could
# still be built with the old maps).
_MAP_SIZES = ((136, 27, 27), (112, 24, 26), (88, 14, 25), (80, 11, 13), (88, 8, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """The common part of a type descriptor; ``direct`` values lie in an interface itself, not behind a pointer."""

    address: int
    size: int
    flags: int
    kind: GoKind
    name_offset: int
    direct: bool

    @property
    def has_uncommon(self) -> bool:
        """Whether a record with package and methods follows."""
        return bool(self.flags & _UNCOMMON)

    @property
    def named(self) -> bool:
        """Whether the type has a name of its own."""
        return bool(self.flags & _NAMED)


@final
class Types:
    """The type descriptors of a module, by address, to be read for one answer.

    Whatever lies outside of the file raises :class:`~soinspect.errors.FormatError`, and so does all that is read
    after names and parts have been read out of proportion to the file.
    """

    def __init__(self, module: ModuleData) -> None:
        self._module = module
        self._memory: Memory = module.memory
        self.base = module.word("types")
        self.end = module.word("etypes")
        self._left = _READS * self._memory.image.size

    # -- one type ------------------------------------------------------------------------------------------

    def descriptor(self, address: int) -> Descriptor:
        """The common part of the descriptor at ``address``."""
        size, _, _, flags, _, _, kind, _, _, name, _ = self._memory.unpack(_COMMON, address)
        where = flags if self._module.layout.first >= _FIRST_WITH_DIRECT_FLAG else kind
        number = kind & _KIND_MASK
        if not 0 < number <= GoKind.UNSAFE_POINTER:
            image = self._memory.image
            raise image.error(image.offset_of(address) or 0, "type kind", kind, f"the type at {address:#x} has no such")
        return Descriptor(
            address=address,
            size=size,
            flags=flags,
            kind=GoKind(number),
            name_offset=name,
            direct=bool(where & _DIRECT),
        )

    def element(self, address: int) -> int:
        """The address of the element type of the pointer, slice, array or channel type at ``address``."""
        return self._memory.word(address + _COMMON_SIZE)

    def text(self, address: int) -> str:
        """The type at ``address`` as ``reflect`` prints it."""
        descriptor = self.descriptor(address)
        text = self.name(self.base + descriptor.name_offset)
        return text[1:] if descriptor.flags & _EXTRA_STAR else text

    def length(self, address: int) -> int:
        """The number of elements of the array type at ``address``."""
        return self._memory.word(address + _COMMON_SIZE + 2 * WORD)

    def direction(self, address: int) -> int:
        """The direction of the channel type at ``address``: 1 receives, 2 sends, 3 does both."""
        return self._memory.word(address + _COMMON_SIZE + WORD)

    def inputs(self, address: int) -> tuple[int, bool]:
        """How many parameters the func type at ``address`` has, and whether the last one is variadic."""
        inputs, outputs = self._memory.unpack(_COUNTS, address + _COMMON_SIZE)
        return inputs, bool(outputs & _VARIADIC)

    def asked_methods(self, address: int) -> int:
        """How many methods the interface type at ``address`` asks for."""
        return self._memory.slice(address + _TABLE_AT).length

    def components(self, address: int) -> Iterator[int]:
        """The addresses of the types that the type at ``address`` is made of."""
        for component in self._components(address):
            self._spend(address, WORD)
            yield component

    def _components(self, address: int) -> Iterator[int]:
        descriptor = self.descriptor(address)
        word, int32 = self._memory.word, self._memory.int32
        match descriptor.kind:
            case GoKind.ARRAY | GoKind.CHAN | GoKind.POINTER | GoKind.SLICE:
                yield self.element(address)
            case GoKind.MAP:
                yield self.element(address)
                yield word(address + _COMMON_SIZE + WORD)
            case GoKind.FUNC:
                inputs, outputs = self._memory.unpack(_COUNTS, address + _COMMON_SIZE)
                first = address + _BASE_SIZES[GoKind.FUNC] + (_UNCOMMON_RECORD.size if descriptor.has_uncommon else 0)
                for index in range(inputs + (outputs & ~_VARIADIC)):
                    yield word(first + WORD * index)
            case GoKind.STRUCT:
                for record in self._memory.elements(self._memory.slice(address + _TABLE_AT), _FIELD_SIZE):
                    yield word(record + WORD)
            case GoKind.INTERFACE:
                for record in self._memory.elements(self._memory.slice(address + _TABLE_AT), _ASKED_SIZE):
                    yield self.base + int32(record + 4)

    def signatures(self, address: int) -> Iterator[int]:
        """The addresses of the func types that are the signatures of its methods."""
        for _, signature, _, _ in _METHOD.iter_unpack(self._uncommon(self.descriptor(address))[1]):
            if signature not in _DROPPED:
                self._spend(address, WORD)
                yield self.base + signature

    def _spend(self, address: int, size: int) -> None:
        """Account for ``size`` bytes that are read, for the type or name at ``address``."""
        self._left -= size
        if self._left < 0:
            image = self._memory.image
            raise image.error(image.offset_of(address) or 0, "types", size, "their parts overlap out of proportion")

    def error(self, address: int, reason: str) -> FormatError:
        """What is wrong with the type at ``address``."""
        image = self._memory.image
        return image.error(image.offset_of(address) or 0, "type", address, reason)

    def extent(self, address: int) -> int:
        """The size in bytes of the descriptor at ``address``, with all that belongs to it."""
        descriptor = self.descriptor(address)
        size = _BASE_SIZES.get(descriptor.kind, _COMMON_SIZE)
        match descriptor.kind:
            case GoKind.MAP:
                size = self._map_size(descriptor)
            case GoKind.FUNC:
                inputs, outputs = self._memory.unpack(_COUNTS, address + _COMMON_SIZE)
                size += WORD * (inputs + (outputs & ~_VARIADIC))
            case GoKind.STRUCT:
                size += _FIELD_SIZE * self._memory.slice(address + _TABLE_AT).length
            case GoKind.INTERFACE:
                size += _ASKED_SIZE * self._memory.slice(address + _TABLE_AT).length
        if descriptor.has_uncommon:
            size += _UNCOMMON_RECORD.size + len(self._uncommon(descriptor)[1])
        return size

    def fields(self, address: int) -> Iterator[tuple[GoField, int]]:
        """The fields of the struct type at ``address``, each with the address of its type."""
        word = self._memory.word
        for record in self._memory.elements(self._memory.slice(address + _TABLE_AT), _FIELD_SIZE):
            name_address, type_address, offset = word(record), word(record + WORD), word(record + 2 * WORD)
            name, tag = self._name_with_tag(name_address)
            embedded = bool(self._memory.block(name_address, 1)[0] & _NAME_EMBEDDED)
            if self._embedded_in_offset:
                offset, embedded = offset >> 1, bool(offset & 1)
            text = self.text(type_address)
            if not name:  # 1.8 leaves the name of an embedded field out
                name, embedded = text.lstrip("*").rpartition(".")[2], True
            yield GoField(name=name, type=text, offset=offset, tag=tag, embedded=embedded), type_address

    def asked(self, address: int) -> Iterator[GoMethod]:
        """The methods that the interface type at ``address`` asks for."""
        for record in self._memory.elements(self._memory.slice(address + _TABLE_AT), _ASKED_SIZE):
            yield GoMethod(
                name=self.name(self.base + self._memory.int32(record)),
                signature=self.text(self.base + self._memory.int32(record + 4)),
                address=_ASKED_FOR,
            )

    def package(self, address: int) -> str:
        """The import path of the type at ``address``, or of what it points to; ``""`` for what has no methods."""
        return self._uncommon(self.descriptor(address))[0]

    def methods(self, address: int) -> Iterator[GoMethod]:
        """The methods of the type at ``address`` that is no interface, sorted by name."""
        for name, signature, _, code in _METHOD.iter_unpack(self._uncommon(self.descriptor(address))[1]):
            yield GoMethod(
                name=self.name(self.base + name),
                signature="" if signature in _DROPPED else self.text(self.base + signature),
                address=_NOT_LINKED if code in _DROPPED else self._module.text_address(code),
            )

    def _uncommon(self, descriptor: Descriptor) -> tuple[str, bytes]:
        """The import path of a named type, and the records of its methods."""
        if not descriptor.has_uncommon:
            return "", b""
        map_size = self._map_size(descriptor) if descriptor.kind is GoKind.MAP else 0
        start = descriptor.address + (map_size or _BASE_SIZES.get(descriptor.kind, _COMMON_SIZE))
        package_offset, count, _, methods, _ = self._memory.unpack(_UNCOMMON_RECORD, start)
        package = self.name(self.base + package_offset) if package_offset else ""
        return package, self._memory.block(start + methods, count * _METHOD.size)

    def _map_size(self, descriptor: Descriptor) -> int:
        """The size of a map's descriptor before its uncommon part.

        Several are possible in the releases of one layout. Without an uncommon part nobody needs to know, except
        for the walk over all descriptors in 1.27, where only one is. Else the uncommon part must make sense: it
        names a package, and its methods follow at once.
        """
        layout = self._module.layout
        sizes = [size for size, first, last in _MAP_SIZES if first <= layout.last and layout.first <= last]
        for size in sizes[:-1] if descriptor.has_uncommon else ():
            record = self._memory.unpack(_UNCOMMON_RECORD, descriptor.address + size)
            package, count, exported, methods, unused = record
            if 0 < package < self.end - self.base and exported <= count and (methods, unused) == (16, 0):
                return size
        return sizes[-1]

    # -- names ---------------------------------------------------------------------------------------------

    def name(self, address: int) -> str:
        """The text of the name record at ``address``."""
        start, size = self._string_at(address + 1)
        return self._decode(start, size)

    def _name_with_tag(self, address: int) -> tuple[str, str]:
        start, size = self._string_at(address + 1)
        tag = ""
        if self._memory.block(address, 1)[0] & _NAME_HAS_TAG:
            tag = self._decode(*self._string_at(start + size))
        return self._decode(start, size), tag

    def _decode(self, start: int, size: int) -> str:
        self._spend(start, WORD + size)
        return self._memory.block(start, size).decode("utf-8", "surrogateescape")

    def _string_at(self, address: int) -> tuple[int, int]:
        """Start and size of the string whose length is at ``address``."""
        head = self._memory.block(address, min(_NAME_HEAD, self._memory.image.available(address)))
        if self._fixed_lengths:
            return address + 2, int.from_bytes(head[:2], "big")
        size = 0
        for index, byte in enumerate(head):
            size |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:  # the last byte of a uvarint
                return address + index + 1, size
        image = self._memory.image
        raise image.error(image.offset_of(address) or 0, "name length", size, "a length without end")

    @cached_property
    def _fixed_lengths(self) -> bool:
        """Whether names have a 2-byte length (up to 1.16) rather than a uvarint.

        The layout of moduledata leaves 1.16 and 1.17 open. There the names decide: the upper byte of a 2-byte
        length is zero for any name shorter than 256 bytes, a uvarint is zero for no name at all.
        """
        layout = self._module.layout
        if layout.last <= _LAST_WITH_FIXED_LENGTH:
            return True
        if layout.first > _LAST_WITH_FIXED_LENGTH:
            return False
        names = (self.base + self.descriptor(address).name_offset for address in islice(self.linked(), 32))
        return any(self._memory.block(name, 2)[1] == 0 for name in names)

    @cached_property
    def _embedded_in_offset(self) -> bool:
        """Whether the offsets of fields are doubled, their lowest bit saying "embedded" (1.9 to 1.18).

        Where the layout leaves that open, the structs behind linked pointers decide: doubled, the offset of a
        field sooner or later exceeds the size of its struct.
        """
        layout = self._module.layout
        if layout.first >= _FIRST_WITH_EMBEDDED_FLAG:
            return False
        if layout.first >= _FIRST_WITH_EMBEDDED_OFFSET and layout.last < _FIRST_WITH_EMBEDDED_FLAG:
            return True
        return any(self._exceeds(address) for address in islice(self._linked_structs(), 500))

    def _exceeds(self, struct: int) -> bool:
        size = self.descriptor(struct).size
        records = self._memory.elements(self._memory.slice(struct + _TABLE_AT), _FIELD_SIZE)
        return any(self._memory.word(record + 2 * WORD) > size for record in records)

    def _linked_structs(self) -> Iterator[int]:
        for address in self.linked():
            if self.descriptor(address).kind is GoKind.POINTER:
                element = self.element(address)
                if self.descriptor(element).kind is GoKind.STRUCT:
                    yield element

    # -- all types -----------------------------------------------------------------------------------------

    def linked(self) -> Iterator[int]:
        """The types that ``reflect`` may look up by their text; up to 1.26 they are listed."""
        if self._module.has("typelinks"):
            for entry in self._memory.elements(self._module.slice("typelinks"), 4):
                yield self.base + self._memory.int32(entry)

    def all(self) -> list[int]:
        """The addresses of all types that can be found, ascending.

        It is those that are listed, or have a symbol, and all that these are made of. From 1.27 on the descriptors that
        reflect may look up lie one after the other instead of being listed.
        """
        listed = self._walk() if self._module.has("typedesclen") else self.linked()
        return self._reach(chain(listed, self._symbols()))

    def _walk(self) -> Iterator[int]:
        position = self.base + WORD
        end = self.base + self._module.word("typedesclen")
        while position < end:
            yield position
            position += self.extent(position)
            position += -position % WORD

    def _reach(self, first: Iterable[int]) -> list[int]:
        seen: set[int] = set()
        sound: list[int] = []
        pending = list(first)
        while pending:
            address = pending.pop()
            if address in seen or not self.base < address < self.end:
                continue
            seen.add(address)
            try:
                pending += list(self._parts(address))
            except FormatError:  # a damaged descriptor ends its own path only
                if self._left < 0:
                    raise
                continue
            sound.append(address)
        return sorted(sound)

    def _parts(self, address: int) -> Iterator[int]:
        """Components and signatures; what other modules define, which is a null pointer here, is left out."""
        for part in chain(self.components(address), self.signatures(address)):
            if self.base < part < self.end:
                yield part
            elif part:
                image = self._memory.image
                raise image.error(image.offset_of(address) or 0, "type", part, "a part of it lies outside of all types")

    def _symbols(self) -> Iterator[int]:
        symbols = self._memory.elf.dynamic_symbols
        if not symbols:
            return
        for index, name in enumerate(symbols.names):
            if _TYPE_SYMBOL.match(name) and symbols.infos[index] & 0xF == SymbolType.OBJECT and symbols.sizes[index]:
                yield symbols.values[index]
