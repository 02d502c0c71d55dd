"""cgo: what a Go binary offers to C and takes from it (src/cmd/cgo/out.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soinspect.elf.symtab import SymbolTable
from soinspect.go.pclntab import FunctionTable
from soinspect.model.absence import Absent
from soinspect.model.golang import CgoExport, GoFunction

_BRIDGE = "_cgoexp_"
_BRIDGED = re.compile(r"_cgoexp_[0-9a-f]{12}_(.+)")
_BRIDGED_CODE = re.compile(rb"(?<=\0)_cgoexp_[0-9a-f]{12}_([^\0]{1,1000})(?=\0)")
_CALLED = re.compile(rb"\._Cfunc_(\w+)\0")


def cgo_exports(symbols: SymbolTable | Absent, functions: FunctionTable | Absent) -> Iterator[CgoExport]:
    """The functions that ``//export`` made callable from C, by name: a C symbol, and cgo's bridge from it to Go.

    The bridge is a function of the pclntab; its symbol is looked at as well, should the table be damaged.

    :raises FormatError: the table of functions is damaged.
    """
    if not symbols:
        return
    bridged = {match[1] for it in symbols.starting_with(_BRIDGE) if (match := _BRIDGED.fullmatch(it.name))}
    code = functions.search(_BRIDGED_CODE) if functions else ()
    bridged |= {match[1].decode("utf-8", "replace") for match in code}
    found = [symbol for name in bridged if (symbol := symbols.get(name)) and symbol.defined]
    sides = _go_sides({symbol.name for symbol in found}, functions) if functions else {}
    for symbol in sorted(found, key=lambda symbol: symbol.name):
        side = sides.get(symbol.name, Absent("no Go function of this name is left: inlined, or damaged"))
        yield CgoExport(name=symbol.name, address=symbol.value, function=side)


def _go_sides(names: set[str], functions: FunctionTable) -> dict[str, GoFunction]:
    """The Go function behind each name, where only one package has one (``main`` before all others)."""
    sides: dict[str, list[GoFunction]] = {}
    for index, full_name in enumerate(functions.names() if names else ()):
        package, _, name = full_name.rpartition(".")
        if name in names and "(" not in package:
            sides.setdefault(name, []).append(functions.function(index))
    chosen: dict[str, GoFunction] = {}
    for name, candidates in sides.items():
        own = [function for function in candidates if function.package == "main"]
        if len(own or candidates) == 1:
            chosen[name] = (own or candidates)[0]
    return chosen


def c_functions(functions: FunctionTable | Absent) -> tuple[str, ...]:
    """The C functions that Go code calls, by the names of cgo's wrappers, sorted."""
    if not functions:
        return ()
    return tuple(sorted({match[1].decode() for match in functions.search(_CALLED)}))
