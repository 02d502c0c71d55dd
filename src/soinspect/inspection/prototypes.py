"""Whether functions have the prototypes that a host calls them by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from soinspect.calling.signature import differences, parse_signature
from soinspect.dwarf.callsignature import descriptions_of, read_descriptions
from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError, UsageError
from soinspect.model.absence import Absent
from soinspect.model.goloading import PrototypeCheck
from soinspect.model.prototype import Prototypes
from soinspect.model.requirement import Requirement
from soinspect.model.signature import Signature

_NOT_DESCRIBED = Absent("no debug information describes it")
_NOT_SAVED = Absent("the snapshot has no types of it, since it was made without debug information")


def check_prototypes(
    elf: ElfFile, saved: Prototypes | Absent | None, requirements: Iterable[Requirement]
) -> Iterator[PrototypeCheck]:
    """What debug information says of the functions of an open file that are required with a prototype.

    ``saved`` is what a snapshot holds of it, None where it is the file itself.

    :raises UsageError: a type is no prototype of a C function.
    """
    wanted = {it.symbol: wanted_signature(it.symbol, it.type) for it in requirements if it.type is not None}
    if not wanted:
        return
    missing = _NOT_DESCRIBED if saved is None else _NOT_SAVED
    described: dict[str, Signature] = {}
    try:
        found_all = read_descriptions(elf, wanted) if saved is None else descriptions_of(saved)
        described = {name: it for (name, _), it in found_all.functions.items() if name in wanted}
    except FormatError as error:
        missing = Absent(f"the debug information cannot be read: {error.reason}")
    for name, signature in wanted.items():
        found = described.get(name)
        yield PrototypeCheck(
            symbol=name,
            wanted=signature.text,
            found=found.text if found else missing,
            differences=differences(signature, found) if found else (),
        )


def wanted_signature(name: str, text: str) -> Signature:
    """The prototype that ``int(const char *)`` or ``int name(const char *)`` is for ``name``.

    :raises UsageError: it is no prototype.
    """
    declaration = text
    if not re.search(rf"\b{re.escape(name)}\s*\(", text):
        result, parenthesis, rest = text.partition("(")
        declaration = f"{result} {name}{parenthesis}{rest}"
    try:
        return replace(parse_signature(declaration), source="--require")
    except UsageError as error:
        raise UsageError(f"{name}:{text}: {error}") from None
