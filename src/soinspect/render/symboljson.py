"""Symbols as JSON texts, made from whole columns: a large table takes a fraction of what an object a symbol would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring as quoted

from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.symbol import ExplainedSymbols, SymbolKind
from soinspect.model.symbolquery import SymbolListing
from soinspect.render.text import HARMLESS, each_once, hold_only, utf8

_VERBATIM = HARMLESS.translate(None, b'"\\')


def listed_texts(listing: SymbolListing) -> Iterator[str]:
    """The JSON object of each symbol of a listing, in its order."""
    return map(symbol_texts(listing.table).__getitem__, listing.order)


def symbol_texts(rows: ExplainedSymbols) -> list[str]:
    """The JSON object of each symbol, in one line.

    A name that is not UTF-8 is escaped, and flagged by ``name_escaped``; ``package`` is left out where there is none.
    """
    symbols = rows.symbols
    names = _all_escaped(symbols.names)
    texts = names if rows.texts is symbols.names else _all_escaped(rows.texts)
    versions = each_once(_version, symbols.versions, symbols.default_versions)
    endings = each_once(_ending, symbols.infos, symbols.others, symbols.sections, rows.kinds, rows.packages)
    if names is not symbols.names:
        flags = ("" if utf8(name) == name else ', "name_escaped": true' for name in symbols.names)
        endings = [ending + flag for ending, flag in zip(endings, flags, strict=True)]
    columns = zip(names, texts, versions, symbols.values, symbols.sizes, endings, strict=True)
    return [
        f'{{"name": "{name}", "demangled": "{text}", {version}, "value": {value}, "size": {size}, {ending}}}'
        for name, text, version, value, size, ending in columns
    ]


def _all_escaped(texts: Sequence[str]) -> Sequence[str]:
    """The texts as they stand between quotes."""
    return texts if hold_only(_VERBATIM, texts) else [quoted(utf8(text))[1:-1] for text in texts]


def _version(version: str | None, default: bool) -> str:  # noqa: FBT001  (called by position)
    name = "null" if version is None else quoted(utf8(version))
    return f'"version": {name}, "default_version": {"true" if default else "false"}'


def _ending(info: int, other: int, section: str, kind: SymbolKind, package: str | None) -> str:
    """The members after the size."""
    return (
        f'"type": {quoted(SymbolType(info & 0xF).name)}, "binding": {quoted(SymbolBinding(info >> 4).name)}, '
        f'"visibility": "{SymbolVisibility(other & 3).name}", "section": {quoted(utf8(section))}, "kind": "{kind}"'
        + ("" if package is None else f', "package": {quoted(utf8(package))}')
    )
