"""``runtime.moduledata``, the linker's table of contents: found in several ways, its layout chosen by proof.

Sources: src/runtime/symtab.go (the structure), src/cmd/link/internal/ld/symtab.go (who writes it), gentext in
src/cmd/link/internal/{amd64,arm64}/asm.go (the code that registers it).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from struct import Struct
from typing import final

from soinspect.errors import FormatError
from soinspect.go.layouts import LAYOUTS, MAGICS, NEWEST_KNOWN, ModuleLayout
from soinspect.go.memory import WORD, Memory, Slice
from soinspect.go.startcode import next_offsets, registrations
from soinspect.model.absence import Absent
from soinspect.model.constants import Machine, SegmentFlags
from soinspect.model.golang import GoModuleData

_MIN_LC = {Machine.X86_64: 1, Machine.AARCH64: 4}  # the smallest instruction, in bytes
_PCLNTAB_START = Struct("<IBBBB")
_MAX_TEXT_SECTIONS = 64
_TEXT_SECTION_SIZE = 3 * WORD
_LAST_ADDRESS = (1 << 64) - 1
_WORDS_AFTER_HASMAIN = 5
UNKNOWN_LAYOUT = f"newer than go1.{NEWEST_KNOWN}, or damaged: layout unknown"


@final
class ModuleData:
    """A moduledata of known layout: its fields, read when asked for.

    Fields outside of the file raise :class:`~soinspect.errors.FormatError`.
    """

    def __init__(self, memory: Memory, address: int, layout: ModuleLayout, found_by: tuple[str, ...] = ()) -> None:
        self.memory = memory
        self.address = address
        self.layout = layout
        self.found_by = found_by

    @property
    def facts(self) -> GoModuleData:
        """What the user is told of it."""
        return GoModuleData(address=self.address, layout=self.layout.text, found_by=self.found_by)

    def has(self, field: str) -> bool:
        """Whether this layout has ``field``."""
        return field in self.layout.offsets

    def word(self, field: str) -> int:
        """The word in (or the first word of) ``field``."""
        return self.memory.word(self.address + self.layout.offsets[field])

    def slice(self, field: str) -> Slice:
        """The slice header in ``field``."""
        return self.memory.slice(self.address + self.layout.offsets[field])

    def string(self, field: str) -> str:
        """The string that ``field`` holds."""
        return self.memory.string(self.address + self.layout.offsets[field])

    @property
    def pclntab(self) -> int:
        """The address of the pclntab's header, which is what the first field of every layout points to."""
        return self.memory.word(self.address)

    def text_address(self, offset: int) -> int:
        """The address of the code at an offset into text; a text too large for one section lies in several."""
        start, address = self._text_sections[bisect_right(self._text_sections, (offset, _LAST_ADDRESS)) - 1]
        return address + offset - start

    @cached_property
    def _text_sections(self) -> list[tuple[int, int]]:
        """Where parts of text lie, as offset and address."""
        word = self.memory.word
        rows = self.memory.elements(self.slice("textsectmap"), _TEXT_SECTION_SIZE)
        return sorted((word(row), word(row + 2 * WORD)) for row in rows)


def find_module_data(memory: Memory, minor: int | None = None) -> ModuleData | Absent:
    """Find moduledata and the one layout that fits it; Absent says what stands in the way.

    ``minor`` is the release that the build information names, which decides where several layouts fit.
    """
    found = _addresses(memory)
    if not found:
        return Absent("no module data found: neither a section, a symbol, start-up code nor a pclntab leads to it")
    if len(found) > 1:
        told = "; ".join(f"{' and '.join(ways)}: {address:#x}" for address, ways in found.items())
        return Absent(f"the ways to the module data disagree: {told}")
    ((address, ways),) = found.items()
    layout = _choose_layout(memory, address, minor)
    if isinstance(layout, Absent):
        return layout
    return ModuleData(memory, address, layout, tuple(ways))


# -- where it is -------------------------------------------------------------------------------------------


def _addresses(memory: Memory) -> dict[int, list[str]]:
    """Each address that a way leads to, with the ways; the costly ways are gone only when the others fail."""
    found: dict[int, list[str]] = {}
    for way, locate in (*CHEAP_WAYS, *COSTLY_WAYS):
        if found and (way, locate) in COSTLY_WAYS:
            break
        for address in locate(memory):
            if memory.image.available(address) >= WORD:
                found.setdefault(address, []).append(way)
    return found


def by_section(memory: Memory) -> Iterator[int]:
    """Section ``.go.module`` (1.26 and later) is the moduledata."""
    section = memory.image.section(".go.module")
    if section is not None:
        yield section.addr


def by_last_module_pointer(memory: Memory) -> Iterator[int]:
    """``runtime.lastmoduledatap`` points to it; plugins and their hosts keep that symbol when stripped."""
    symbols = memory.elf.dynamic_symbols
    symbol = symbols.get("runtime.lastmoduledatap") if symbols else None
    if symbol is not None and symbol.defined:
        yield memory.word(symbol.value)


def by_start_code(memory: Memory) -> Iterator[int]:
    """A plugin's initialiser in DT_INIT_ARRAY loads the address and calls runtime.addmoduledata."""
    for registration in registrations(memory):
        yield registration.argument


def by_static_symbol(memory: Memory) -> Iterator[int]:
    """The linker's own symbol. A plugin's ``runtime.firstmoduledata`` is a useless copy of its host's."""
    symbols = memory.elf.static_symbols
    if not symbols:
        return
    symbol = symbols.get("local.moduledata") or symbols.get("runtime.firstmoduledata")
    if symbol is not None and symbol.defined:
        yield symbol.value


def by_pclntab(memory: Memory) -> Iterator[int]:
    """The first word of moduledata points to the pclntab, which has a header that can be searched for."""
    for table in find_pclntabs(memory):
        known = memory.elf.pointers.all if memory.elf.pointers else {}
        relocated = [address for address, value in known.items() if value == table]
        if not relocated:  # programs at a fixed address
            yield from memory.find(table.to_bytes(WORD, "little"), WORD, writable=True)
        else:
            yield from (holder for holder in relocated if _writable(memory, holder))


def _writable(memory: Memory, address: int) -> bool:
    segment = memory.image.segment_of(address)
    return segment is not None and bool(segment.flags & SegmentFlags.W)


def find_pclntabs(memory: Memory) -> Iterator[int]:
    """The addresses of everything that begins like a pclntab of a known release."""
    for name in (".gopclntab", ".data.rel.ro.gopclntab"):
        section = memory.image.section(name)
        if section is not None:
            yield section.addr
            return
    quantum = _MIN_LC[memory.image.header.machine]
    for magic in sorted(MAGICS):
        yield from memory.find(_PCLNTAB_START.pack(magic, 0, 0, quantum, WORD), WORD)


Way = tuple[str, Callable[[Memory], Iterator[int]]]
CHEAP_WAYS: tuple[Way, ...] = (
    ("section .go.module", by_section),
    ("runtime.lastmoduledatap", by_last_module_pointer),
    ("code in DT_INIT_ARRAY", by_start_code),
)
COSTLY_WAYS: tuple[Way, ...] = (
    ("symbol in .symtab", by_static_symbol),
    ("reference to the pclntab", by_pclntab),
)


# -- how it is laid out ------------------------------------------------------------------------------------


def _choose_layout(memory: Memory, address: int, minor: int | None) -> ModuleLayout | Absent:
    try:
        magic = memory.uint32(memory.word(address))
    except FormatError:
        return Absent(f"the module data at {address:#x} does not point to a pclntab")
    if magic not in MAGICS:
        return Absent(f"{UNKNOWN_LAYOUT} (its pclntab begins with {magic:#010x})")
    candidates = [layout for layout in LAYOUTS if layout.magic == magic]
    objections = {layout.text: _objection(memory, address, layout) for layout in candidates}
    fitting = [layout for layout in candidates if objections[layout.text] is None]
    if len(fitting) > 1:
        # Without initialisers go1.20 and go1.21 look alike; the code that writes moduledata.next tells them apart.
        ranges = tuple(next_offsets(memory))
        dated = [it for it in fitting if any(first <= it.last and it.first <= last for first, last in ranges)]
        fitting = dated or fitting
    if len(fitting) > 1 and minor is not None:
        fitting = [layout for layout in fitting if layout.first <= minor <= layout.last] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        return Absent(f"the module data at {address:#x} fits several layouts: {', '.join(f.text for f in fitting)}")
    told = "; ".join(f"not {text}: {objection}" for text, objection in objections.items())
    return Absent(f"{UNKNOWN_LAYOUT} ({told})")


def _objection(memory: Memory, address: int, layout: ModuleLayout) -> str | None:
    """The first invariant of the runtime that the words at ``address`` break, read with ``layout``; or None."""
    module = ModuleData(memory, address, layout)
    try:
        return _broken_slice(module) or _broken_order(module) or _broken_rest(module)
    except FormatError:
        return "it would end outside of the file"


# The linker leaves an address in some of its slices even when they are empty.
_EMPTY_WITH_ADDRESS = frozenset({"ptab", "typelinks", "itablinks"})


def _broken_slice(module: ModuleData) -> str | None:
    for field in module.layout.slices:
        value = module.slice(field)
        if value.length:
            sound = value.capacity == value.length and _mapped(module, value.address)
        else:
            sound = not value.capacity and (not value.address or field in _EMPTY_WITH_ADDRESS)
        if not sound:
            return f"{field} is no slice"
    return None


def _broken_order(module: ModuleData) -> str | None:
    word = module.word
    if not word("text") <= word("minpc") < word("maxpc") <= word("etext"):
        return "minpc and maxpc lie outside of text"
    for field in ("noptrdata", "data", "bss", "noptrbss", "types"):
        start, end = word(field), word("e" + field)
        if start > end or not (_mapped(module, start) or start == end):
            return f"{field} is no range"
    if module.has("typedesclen") and word("typedesclen") > word("etypes") - word("types"):
        return "typedesclen exceeds types"
    if module.has("epclntab") and word("epclntab") <= module.pclntab:
        return "epclntab precedes the pclntab"
    return None


def _broken_rest(module: ModuleData) -> str | None:
    word, memory = module.word, module.memory
    for field in ("gcdata", "gcbss", "rodata", "gofunc"):
        if module.has(field) and not _mapped(module, word(field)):
            return f"{field} is no address"
    sections = module.slice("textsectmap")
    if not 0 < sections.length <= _MAX_TEXT_SECTIONS:
        return "textsectmap has no sensible length"
    if module.text_address(0) != word("text"):
        return "textsectmap does not begin at text"
    hasmain = module.address + module.layout.offsets["hasmain"]
    if memory.word(hasmain) not in (0, 1):
        return "hasmain is neither 0 nor 1"
    if any(memory.word(hasmain + WORD * (i + 1)) for i in range(_WORDS_AFTER_HASMAIN)):
        return "fields that only the running program sets are set"
    return None


def _mapped(module: ModuleData, address: int) -> bool:
    return module.memory.image.segment_of(address) is not None
