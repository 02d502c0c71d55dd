"""Which relocations of a file decide on what it loads and binds to."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.elf.file import ElfFile
from soinspect.elf.relocs import relocation_infos
from soinspect.loader.machines import loader_machine
from soinspect.model.absence import Absent
from soinspect.model.constants import SectionIndex

# What Go's linker defines in plugins and in programs that open them; up to Go 1.19 with a dot.
_GO_PACKAGES = ("go:link.pkghashbytes.", "go.link.pkghashbytes.")


def relocations_that_matter(elf: ElfFile) -> Iterator[int]:
    """Each ``r_info`` that names a symbol, or asks for static thread-local storage: once, in their order.

    Of Go plugins and their hosts, what they define themselves is left out: tens of thousands of names that are on both
    sides, and are meant to be.
    """
    table, dynamic, machine = elf.dynamic_symbols, elf.dynamic, loader_machine(elf.image.header)
    if isinstance(table, Absent) or isinstance(dynamic, Absent) or machine is None:
        return
    shift = elf.image.layout.relocation_symbol_shift
    mask = (1 << shift) - 1
    leaves_out_own = any(True for prefix in _GO_PACKAGES for _ in table.starting_with(prefix))
    sections, special = table.section_indexes, {machine.copy, *machine.static_tls}
    for info in relocation_infos(elf.image, dynamic):
        row = (info >> shift) - 1  # the table is kept without the null symbol
        if info & mask in special or (
            0 <= row < len(table) and not (leaves_out_own and sections[row] != SectionIndex.UNDEF)
        ):
            yield info
