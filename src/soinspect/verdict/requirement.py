"""What a host looks up in a plugin that it has opened: ``plugin.Lookup``, and the type assertion after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

from soinspect.errors import UsageError
from soinspect.go.typetext import TypeText, parse_type
from soinspect.model.golang import GoPlugin
from soinspect.model.lateclass import dataclass
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Step
from soinspect.verdict.assertion import KnownTypes
from soinspect.verdict.gorules import REQUIRED_SYMBOL
from soinspect.verdict.near import near_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A requirement of a Go host, its type understood; None: any type will do."""

    symbol: str
    type: TypeText | None

    @classmethod
    def of(cls, required: Requirement) -> Self:
        """What a requirement says of a Go plugin.

        :raises UsageError: its type is none of Go's, or it names a version, which Go has none of.
        """
        if required.version is not None:
            raise UsageError(f"{required.symbol}@{required.version}: what a Go plugin exports has no version")
        return cls(symbol=required.symbol, type=None if required.type is None else parse_type(required.type))


def check_lookups(
    plugin: GoPlugin, hidden: Sequence[str], lookups: tuple[Lookup, ...], known: KnownTypes
) -> Iterator[Step]:
    """Whether the plugin exports what is looked up, with the types that are asserted.

    ``hidden`` are functions and variables of its package main that are not exported.
    """
    exports = {export.name: export for export in plugin.exports}
    for wanted in lookups:
        export = exports.get(wanted.symbol)
        if export is None:
            cause = _why_missing(wanted.symbol, plugin, hidden, known)
            near = near_names(wanted.symbol, exports)
            hint = f"did you mean {near}? " if near and not cause else ""
            yield REQUIRED_SYMBOL.found(
                f"it does not export {wanted.symbol}{f': {cause}' if cause else ''}",
                message=f"plugin: symbol {wanted.symbol} not found in plugin {plugin.path}",
                evidence=(f"{hint}it exports {', '.join(exports) or 'nothing'}",),
                cause=cause,
            )
        elif wanted.type is not None:
            yield known.judge(export, wanted.type)
        else:
            yield f"it exports {wanted.symbol}, which Lookup returns as {export.looked_up_type}"


def _why_missing(name: str, plugin: GoPlugin, hidden: Sequence[str], known: KnownTypes) -> str | None:
    """What of package main has the name, and is nothing that Lookup finds."""
    for it in hidden:
        if it.casefold() == name.casefold():
            return f"{it} is not exported, since it begins with a small letter"
    for described in known.types:
        if described.package == plugin.path and described.text == f"main.{name}":
            return f"{name} is a type, and Lookup finds functions and variables"
        if described.package == plugin.path and any(it.name == name for it in described.methods):
            return f"{name} is a method of {described.text}, and Lookup finds functions and variables"
    return None
