"""Which Go release built a file: read where the file says it, else narrowed down by what releases changed.

The clues were checked against the source trees and compiled plugins of every release.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import Iterator

from soinspect.go.layouts import NEWEST_KNOWN, minor_of, version_range
from soinspect.go.memory import WORD, Memory
from soinspect.go.moduledata import ModuleData
from soinspect.go.startcode import next_offsets
from soinspect.model.constants import SectionFlags
from soinspect.model.golang import GoBuildInfo, GoPackageHash, GoPlugin, GoVersion
from soinspect.model.lateclass import dataclass
from soinspect.model.note import GnuNoteType, GoNoteType

OLDEST = 8
_VERSION = re.compile(r"(go1\.\d+(\.\d+)?((beta|rc)\d+)?|devel .*)([ +-].*)?", re.DOTALL)
_PRODUCER = re.compile(rb"Go cmd/compile ([^;\0]+)")
_COMMON_TYPE = "[]interface {}"  # every release has it wherever fmt is
_OLD_FINGERPRINT = 40
_FIRST_WITH_INIT_RECORDS = 13
_BUILD_ID_PARTS = 4
_MAX_DEBUG_INFO = 64 << 20
_CHUNK = 1 << 20

# Packages of the runtime, which every plugin lists: the first and the last release (1.X) that had them.
_PACKAGES: dict[str, tuple[int, int | None]] = {
    "internal/cpu": (9, None),
    "internal/bytealg": (11, None),
    "runtime/internal/atomic": (OLDEST, 22),
    "runtime/internal/sys": (OLDEST, 23),
    "runtime/internal/math": (12, 23),
    "internal/abi": (17, None),
    "internal/goexperiment": (17, None),
    "internal/goarch": (18, None),
    "internal/goos": (18, None),
    "internal/coverage/rtcov": (20, None),
    "internal/godebugs": (21, None),
    "internal/chacha8rand": (22, None),
    "internal/runtime/atomic": (23, None),
    "internal/runtime/exithook": (23, None),
    "internal/stringslite": (23, None),
    "internal/profilerecord": (23, None),
    "internal/runtime/maps": (24, None),
    "internal/runtime/sys": (24, None),
    "internal/runtime/math": (24, None),
    "internal/runtime/gc": (25, None),
    "internal/runtime/cgroup": (25, None),
    "internal/trace/tracev2": (25, None),
    "internal/runtime/strconv": (25, 25),
    "internal/runtime/gc/scan": (26, None),
    "internal/runtime/pprof/label": (26, None),
    "internal/runtime/syscall/linux": (26, None),
}
# Packages that not every program needs, so that only their presence tells something.
_OPTIONAL_PACKAGES = {"internal/reflectlite": 13, "internal/unsafeheader": 15}


@dataclass(frozen=True, slots=True)
class Clue:
    """Something that only the releases from go1.``first`` to go1.``last`` (None: and later) do."""

    what: str
    first: int
    last: int | None


def read_version(
    memory: Memory, module: ModuleData | None, build_info: GoBuildInfo | None, plugin: GoPlugin | None
) -> GoVersion:
    """The version with its evidence.

    :raises FormatError: the file contradicts itself where the evidence should be.
    """
    if build_info is not None:
        return _exact(build_info.go_version, "build information", memory, module, plugin)
    if plugin is None:  # plugins have no such string
        own = _own_string(memory)
        if own is not None:
            return _exact(own, "runtime.buildVersion", memory, module, plugin)
    producer = _producer(memory)
    if producer is not None:
        return _exact(producer, "the compiler's name in the debug information", memory, module, plugin)
    return narrowest(_clues(memory, module, plugin))


def _exact(text: str, source: str, memory: Memory, module: ModuleData | None, plugin: GoPlugin | None) -> GoVersion:
    minor = minor_of(text)
    if minor is None or minor > NEWEST_KNOWN:
        return GoVersion(text=text, exact=True, evidence=(source,))
    clues = narrowest(_clues(memory, module, plugin), minor)
    return GoVersion(text=text, exact=True, evidence=(source,), corroboration=clues.evidence)


def narrowest(clues: Iterator[Clue], minor: int | None = None) -> GoVersion:
    """The range that all ``clues`` allow, with those that narrowed it; ``minor`` is the release known otherwise."""
    first, last = OLDEST, NEWEST_KNOWN
    evidence: list[str] = []
    for clue in clues:
        low, high = max(first, clue.first), min(last, NEWEST_KNOWN if clue.last is None else clue.last)
        if low > high or (minor is not None and not low <= minor <= high):
            evidence.append(f"CONTRADICTION: {_told(clue)}")
        elif (low, high) != (first, last):
            first, last = low, high
            evidence.append(_told(clue))
    text = version_range(first, last) if evidence else "unknown"
    return GoVersion(text=text, exact=False, evidence=tuple(evidence))


def _told(clue: Clue) -> str:
    if clue.last is None:
        return f"go1.{clue.first} or later: {clue.what}"
    if clue.first == OLDEST:
        return f"go1.{clue.last} or older: {clue.what}"
    return f"{version_range(clue.first, clue.last)}: {clue.what}"


# -- what says the version itself --------------------------------------------------------------------------


def _own_string(memory: Memory) -> str | None:
    """``runtime.buildVersion``: by its symbol, else the one string header whose text looks like a version."""
    for symbols in (memory.elf.dynamic_symbols, memory.elf.static_symbols):
        symbol = symbols.get("runtime.buildVersion") if symbols else None
        if symbol is not None and symbol.defined:
            text = _version_at(memory, symbol.value)
            if text is not None:
                return text
    found = {text for holder in _pointer_words(memory) if (text := _version_at(memory, holder)) is not None}
    return found.pop() if len(found) == 1 else None


def _pointer_words(memory: Memory) -> Iterator[int]:
    """The addresses of words that may be the first half of a string header."""
    if memory.elf.pointers and memory.elf.pointers.all:
        yield from memory.elf.pointers.all
        return
    for start, data in memory.blocks(writable=True):
        yield from range(start + -start % WORD, start + len(data) - 2 * WORD, WORD)


def _version_at(memory: Memory, header: int) -> str | None:
    image = memory.image
    if image.available(header) < 2 * WORD or not 5 <= memory.word(header + WORD) <= 100:
        return None
    address, size = memory.word(header), memory.word(header + WORD)
    if image.available(address) < size:
        return None
    data = image.read(address, size)
    if not data.startswith((b"go1.", b"devel ")):
        return None
    text = data.decode("ascii", "replace")
    return text if _VERSION.fullmatch(text) else None


def _producer(memory: Memory) -> str | None:
    """The version in DW_AT_producer, which Go's compiler writes as text into .debug_info."""
    image = memory.image
    for name in (".debug_info", ".zdebug_info"):
        section = image.section(name)
        if section is None:
            continue
        data = image.section_data(section)
        if name == ".zdebug_info":
            data = _inflate(data[12:])  # "ZLIB", the size in 8 bytes
        elif section.flags & SectionFlags.COMPRESSED:
            data = _inflate(data[24:])  # Elf64_Chdr
        match = _PRODUCER.search(data)
        if match:
            return match[1].decode("utf-8", "replace").strip()
    return None


def _inflate(data: bytes) -> bytes:
    """The beginning of zlib data, up to the first compiler's name or a bound; damaged data ends early."""
    stream = zlib.decompressobj()
    text = b""
    while data and len(text) < _MAX_DEBUG_INFO and not _PRODUCER.search(text[-2 * _CHUNK :]):
        try:
            text += stream.decompress(data, _CHUNK)
        except zlib.error:
            break
        data = stream.unconsumed_tail
    return text


# -- what gives it away ------------------------------------------------------------------------------------


def _clues(memory: Memory, module: ModuleData | None, plugin: GoPlugin | None) -> Iterator[Clue]:
    if module is not None:
        layout = module.layout
        yield Clue(f"pclntab magic {layout.magic:#010x} and layout of the module data", layout.first, layout.last)
    for first, last in next_offsets(memory):
        if module is None or (first <= module.layout.last and module.layout.first <= last):
            yield Clue("the start-up code's offset of moduledata.next", first, last)
    if plugin is not None:
        yield from _fingerprint_clues(plugin.package_hashes)
        yield from _initialisation_clues(memory, plugin.path)
        yield from _package_clues({entry.package for entry in plugin.package_hashes})
    yield from _mangling_clues(memory)
    yield from _build_id_clues(memory)


def _fingerprint_clues(hashes: tuple[GoPackageHash, ...]) -> Iterator[Clue]:
    if hashes:
        size = len(hashes[0].hash)
        if size == _OLD_FINGERPRINT:
            yield Clue(f"package fingerprints of {size} hex digits", OLDEST, 15)
        else:
            yield Clue(f"package fingerprints of {size // 2} bytes", 16, None)


def _package_clues(packages: set[str]) -> Iterator[Clue]:
    """The newest package that is there, the oldest that is still to come, and those that were given up."""
    if not packages:
        return
    newest = max((first, name) for name, (first, _) in _PACKAGES.items() if name in packages or first == OLDEST)
    if newest[0] > OLDEST:
        yield Clue(f"package {newest[1]} is linked in", newest[0], None)
    to_come = [(first, name) for name, (first, last) in _PACKAGES.items() if last is None and name not in packages]
    if to_come:
        yield Clue(f"package {min(to_come)[1]} is not linked in", OLDEST, min(to_come)[0] - 1)
    for name, (_, last) in _PACKAGES.items():
        if last is not None and name in packages:
            yield Clue(f"package {name} is linked in", OLDEST, last)
    for name, first in _OPTIONAL_PACKAGES.items():
        if name in packages:
            yield Clue(f"package {name} is linked in", first, None)


def _initialisation_clues(memory: Memory, path: str) -> Iterator[Clue]:
    """Up to 1.12 each package has a function that initialises it, since 1.13 a record of such functions."""
    symbols = memory.elf.dynamic_symbols
    if not symbols:
        return
    if symbols.get("runtime..inittask") or symbols.get(f"{path}..inittask"):
        yield Clue("packages have initialisation records", _FIRST_WITH_INIT_RECORDS, None)
    elif symbols.get(f"{path}.init"):
        yield Clue("packages have no initialisation records", OLDEST, _FIRST_WITH_INIT_RECORDS - 1)


def _build_id_clues(memory: Memory) -> Iterator[Clue]:
    """Since 1.24 the linker derives the GNU build id from the Go build id A/B/C/D: a hash of A/B/C/A."""
    notes = memory.elf.notes
    go = next((n.data for n in notes if n.owner == "Go" and n.type == GoNoteType.BUILD_ID), b"")
    gnu = next((n.data for n in notes if n.owner == "GNU" and n.type == GnuNoteType.BUILD_ID), b"")
    parts = go.split(b"/")
    if len(parts) != _BUILD_ID_PARTS or not gnu:
        return
    digest = hashlib.sha256(b"/".join((*parts[:3], parts[0]))).digest()
    for mask, first, last in ((0x01, 24, 24), (0xFF, 25, None)):
        if _flipped(digest, mask)[: len(gnu)] == gnu:
            yield Clue("the GNU build id is derived from the Go build id", first, last)


# -- the hash in the symbol names of types -----------------------------------------------------------------


def mangled_type_names(link_name: str) -> Iterator[tuple[str, int, int]]:
    """The symbols that releases make of a type descriptor with a long name: symbol, first release, last release.

    Source: typeSymbolMangle in src/cmd/link/internal/ld/symtab.go, and src/cmd/internal/hash (its functions are
    SHA-256 with some bits flipped, so that nobody takes them for it).
    """
    text = link_name.encode("utf-8", "surrogateescape")
    dot = "." if link_name.startswith(".") else ""
    plain = hashlib.sha256(text).digest()
    for prefix, digest, first, last in (
        ("type.", hashlib.sha1(b"type." + text, usedforsecurity=False).digest()[:6], 10, 18),
        ("type.", _inverted(hashlib.sha256(b"type." + text).digest())[:6], 19, 19),
        ("type:", _inverted(hashlib.sha256(b"type:" + text).digest())[:6], 20, 20),
        ("type:", _inverted(plain)[:6], 21, 23),
        ("type:", _flipped(plain, 0x01)[4:10], 24, 24),
        ("type:", _flipped(plain, 0xFF)[:6], 25, NEWEST_KNOWN),
    ):
        yield f"{prefix}{dot}{b64encode(digest).decode()}", first, last


def _inverted(digest: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in digest)


def _flipped(digest: bytes, mask: int) -> bytes:
    return bytes((digest[0] ^ mask,)) + digest[1:]


def _mangling_clues(memory: Memory) -> Iterator[Clue]:
    symbols = memory.elf.dynamic_symbols
    if not symbols:
        return
    for name, first, last in mangled_type_names(_COMMON_TYPE):
        if symbols.get(name) is not None:
            yield Clue(f"type {_COMMON_TYPE} has the symbol {name}", first, None if last == NEWEST_KNOWN else last)
