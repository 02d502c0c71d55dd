"""Rules on what a file is at all, which come before whatever else differs."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.model.finding import Severity
from soinspect.model.image import ObjectKind

_GABI = "https://www.sco.com/developers/gabi/latest/ch4.eheader.html"
_OSABI_NONE, _OSABI_GNU = 0, 3
_STATIC = (ObjectKind.STATIC_EXECUTABLE, ObjectKind.STATIC_PIE)
_PROGRAMS = (ObjectKind.EXECUTABLE, ObjectKind.PIE, *_STATIC)


def _machine_changed(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.header, pair.new.header
    before, after = (f"{h.machine.name} {h.elf_class.name} {h.byteorder}-endian" for h in (old, new))
    if before != after:
        yield Change(subject="machine", before=before, after=after)


def _os_abi_changed(pair: Pair) -> Iterator[Change]:
    before, after = pair.old.header.osabi, pair.new.header.osabi
    # The linker marks GNU extensions (IFUNC, UNIQUE); a Linux loader takes both.
    if before != after and {before, after} != {_OSABI_NONE, _OSABI_GNU}:
        yield Change(subject="OS ABI", before=str(before), after=str(after))


def _flags_changed(pair: Pair) -> Iterator[Change]:
    old, new = pair.old.header, pair.new.header
    if old.machine is new.machine and old.flags != new.flags:
        yield Change(subject="e_flags", before=f"{old.flags:#x}", after=f"{new.flags:#x}")


def _kind_changed(pair: Pair) -> Iterator[Change]:
    if pair.old.kind is not pair.new.kind:
        severity = None
        if pair.old.kind in _PROGRAMS and pair.new.kind in _PROGRAMS:
            became_static = pair.new.kind in _STATIC and pair.old.kind not in _STATIC
            severity = Severity.RISKY if became_static else Severity.INFO
        yield Change(subject="kind of object", before=pair.old.kind, after=pair.new.kind, severity=severity)


_rule = ComparisonRule.of

RULES = (
    _rule(
        "elf.machine-changed",
        Severity.BREAKING,
        "The file is for another machine",
        "The loader refuses an object whose machine, class or byte order is not its own.",
        "Build for the machine of the host.",
        _GABI,
        _machine_changed,
    ),
    _rule(
        "elf.osabi-changed",
        Severity.BREAKING,
        "The file is for another operating system",
        "The loader refuses an object whose OS ABI it does not know: 'ELF file OS ABI invalid'.",
        "Build for the system of the host.",
        _GABI,
        _os_abi_changed,
    ),
    _rule(
        "elf.flags-changed",
        Severity.BREAKING,
        "The header's machine flags differ",
        "On ARM, RISC-V, MIPS and PowerPC they tell the calling convention (such as floating point in registers or "
        "not): the loader refuses the file, or arguments arrive in the wrong place.",
        "Compile with the -mabi, -mfloat-abi of the old file.",
        _GABI,
        _flags_changed,
    ),
    _rule(
        "elf.kind-changed",
        Severity.BREAKING,
        "The file is another kind of object",
        "dlopen takes shared libraries only; a position-independent executable is refused since glibc 2.30. "
        "A program stays one whatever its kind; a static one has no symbols for its plugins.",
        "Link as the old file was: a plugin with -shared.",
        _GABI,
        _kind_changed,
    ),
)
