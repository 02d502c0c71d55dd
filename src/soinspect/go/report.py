"""Answers a :class:`~soinspect.model.goreport.GoQuery` about one file."""

from __future__ import annotations

from soinspect.elf.file import ElfFile
from soinspect.errors import Unsupported
from soinspect.go.binary import GoBinary
from soinspect.go.source import prove_source
from soinspect.model.absence import Absent
from soinspect.model.golang import GoFunctions
from soinspect.model.goreport import GoAddress, GoQuery, GoReport, GoTable

_NOT_ASKED = Absent("nobody asked for them")
_NO_CODE = Absent("no Go function there")


def not_go(path: str, reason: str) -> Unsupported:
    """The error that a file is no Go binary."""
    return Unsupported(path, reason, "'soinspect info' describes every ELF file")


def report(elf: ElfFile, query: GoQuery) -> GoReport:
    """What ``query`` asks about ``elf``.

    :raises Unsupported: it is no Go binary, or one of a platform that is not read.
    """
    binary = GoBinary.of(elf)
    if isinstance(binary, Absent):
        raise not_go(elf.path, binary.reason)
    facts = binary.facts if query.facts else _NOT_ASKED
    return GoReport(
        path=elf.path,
        facts=facts,
        mentioned_types=tuple(binary.exported_types(query.depth)) if facts and facts.plugin else (),
        functions=binary.list_functions(query.match) if GoTable.FUNCTIONS in query.tables else GoFunctions(),
        types=tuple(binary.list_types(query.match)) if GoTable.TYPES in query.tables else (),
        itabs=tuple(binary.list_itabs()) if GoTable.ITABS in query.tables else (),
        sizes=binary.package_sizes() if GoTable.SIZES in query.tables else (),
        addresses=tuple(
            GoAddress(address=address, function=binary.function_at(address) or _NO_CODE) for address in query.addresses
        ),
        source=prove_source(facts, query.sources) if facts and query.sources else None,
        problems=binary.problems,
    )
