"""Symbols as JSON texts, made from whole columns: a large table takes a fraction of what an object a symbol would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring as quoted

from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.symbol import ExplainedSymbols
from soinspect.render.text import utf8

_TEMPLATE = (
    '{"name": %s, "demangled": %s, "version": %s, "default_version": %s, "value": %d, "size": %d, "type": %s, '
    '"binding": %s, "visibility": %s, "section": %s, "kind": "%s"%s}'
)


def symbol_texts(rows: ExplainedSymbols) -> Iterator[str]:
    """The JSON object of each symbol, in one line.

    A name that is not UTF-8 is escaped, and flagged by ``name_escaped``; ``package`` is left out where there is none.
    """
    symbols = rows.symbols
    types, bindings = ([quoted(kind(n).name) for n in range(16)] for kind in (SymbolType, SymbolBinding))
    visibilities = [quoted(visibility.name) for visibility in SymbolVisibility]
    versions = {v: "null" if v is None else quoted(utf8(v)) for v in set(symbols.versions)}
    sections = {section: quoted(utf8(section)) for section in set(symbols.sections)}
    return map(
        _TEMPLATE.__mod__,
        zip(
            map(quoted, _all_utf8(symbols.names)),
            map(quoted, _all_utf8(rows.texts)),
            [versions[version] for version in symbols.versions],
            ["true" if default else "false" for default in symbols.default_versions],
            symbols.values,
            symbols.sizes,
            [types[info & 0xF] for info in symbols.infos],
            [bindings[info >> 4] for info in symbols.infos],
            [visibilities[other & 3] for other in symbols.others],
            [sections[section] for section in symbols.sections],
            rows.kinds,
            _endings(rows),
            strict=True,
        ),
    )


def _all_utf8(texts: Sequence[str]) -> Sequence[str]:
    return texts if "".join(texts).isascii() else [utf8(text) for text in texts]


def _endings(rows: ExplainedSymbols) -> list[str]:
    """The members that few symbols have."""
    endings = ["" if package is None else f', "package": {quoted(utf8(package))}' for package in rows.packages]
    if not "".join(rows.symbols.names).isascii():
        for index, name in enumerate(rows.symbols.names):
            if utf8(name) != name:
                endings[index] += ', "name_escaped": true'
    return endings
