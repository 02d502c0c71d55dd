"""All that is known of one open Go binary, its C exports with their prototypes."""

from __future__ import annotations

from dataclasses import replace

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.go.report import report
from soinspect.model.absence import Absent
from soinspect.model.goreport import GoQuery, GoReport


def inspect_go(elf: ElfFile, query: GoQuery) -> GoReport:
    """What an open Go binary says about itself, its C exports with their prototypes from debug information."""
    answer = report(elf, query)
    facts = answer.facts
    if isinstance(facts, Absent) or not facts.cgo_exports:
        return answer
    exports = facts.cgo_exports
    from soinspect.dwarf.declare import function_text
    from soinspect.dwarf.reader import read_prototypes

    try:
        described = read_prototypes(elf, {export.name for export in exports})
    except FormatError as error:
        described = Absent(f"the debug information cannot be read: {error.reason}")
    texts: dict[str, str] = {}
    if not isinstance(described, Absent):
        texts = {f.symbol: function_text(described, f) for f in described.functions}
    missing = described if isinstance(described, Absent) else Absent("the debug information does not describe it")
    whole = tuple(replace(export, prototype=texts.get(export.name, missing)) for export in exports)
    return replace(answer, facts=replace(facts, cgo_exports=whole))
