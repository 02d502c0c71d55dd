"""All that is known of one Go binary, its C exports with their prototypes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError, UsageError
from soinspect.go.report import not_go, report
from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts
from soinspect.model.goreport import GoQuery, GoReport

if TYPE_CHECKING:
    from soinspect.model.facts import Facts
    from soinspect.model.prototype import Prototypes

_NOT_SAVED = Absent("a snapshot does not hold it: this needs the file itself")


def inspect_go(elf: ElfFile, query: GoQuery) -> GoReport:
    """What an open Go binary says about itself, its C exports with their prototypes from debug information."""
    answer = report(elf, query)
    facts = answer.facts
    if isinstance(facts, Absent) or not facts.cgo_exports:
        return answer
    from soinspect.dwarf.reader import read_prototypes

    try:
        described = read_prototypes(elf, {export.name for export in facts.cgo_exports})
    except FormatError as error:
        described = Absent(f"the debug information cannot be read: {error.reason}")
    return replace(answer, facts=_with_prototypes(facts, described))


def inspect_saved_go(saved: Facts, query: GoQuery) -> GoReport:
    """What a snapshot holds of what ``query`` asks about a Go binary.

    :raises Unsupported: it is no Go binary.
    :raises UsageError: the answer stands in the code or the types of the file itself.
    """
    from soinspect.go.binary import TYPES_REACH
    from soinspect.go.source import prove_source

    path, facts = saved.snapshot.path, saved.snapshot.go
    if isinstance(facts, Absent):
        raise not_go(path, facts.reason)
    if query.addresses:
        raise UsageError(f"{path}: a snapshot, which holds no table of functions: addresses need the file itself")
    if query.depth > TYPES_REACH:
        raise UsageError(f"{path}: a snapshot, which holds types up to depth {TYPES_REACH}: more needs the file itself")
    return GoReport(
        path=path,
        facts=replace(_with_prototypes(facts, saved.types), reached_types=()),
        mentioned_types=tuple(it for it in facts.reached_types if it.distance and it.distance <= query.depth),
        functions=_NOT_SAVED,
        types=_NOT_SAVED,
        itabs=_NOT_SAVED,
        sizes=_NOT_SAVED,
        addresses=(),
        source=prove_source(facts, query.sources) if query.sources else None,
        problems=facts.problems,
    )


def _with_prototypes(facts: GoFacts, described: Prototypes | Absent) -> GoFacts:
    """The facts with what debug information says of each C export."""
    if not facts.cgo_exports:
        return facts
    from soinspect.dwarf.declare import function_text

    texts: dict[str, str] = {}
    if not isinstance(described, Absent):
        texts = {f.symbol: function_text(described, f) for f in described.functions}
    missing = described if isinstance(described, Absent) else Absent("the debug information does not describe it")
    whole = tuple(replace(export, prototype=texts.get(export.name, missing)) for export in facts.cgo_exports)
    return replace(facts, cgo_exports=whole)
