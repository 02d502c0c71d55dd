"""From the steps that the user asked for to the actions of the worker."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from soinspect.call.conventions import Convention, convention_of
from soinspect.call.worker import protocol
from soinspect.errors import UsageError
from soinspect.model.calling import CallRequest, NativeFacts, Step
from soinspect.model.constants import SymbolType
from soinspect.model.snapshot import ExplainedSymbol

_FUNCTIONS = (SymbolType.FUNC, SymbolType.IFUNC)
_VARIABLES = (SymbolType.OBJECT, SymbolType.TLS, SymbolType.COMMON)
_CODE_SECTIONS = (".text", ".plt", ".init", ".fini")
_NEAR = 3
_MAX_READ = 4096
_UNKNOWN_SIZE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """One action of the worker, for the step at index ``step``."""

    step: int
    symbol: ExplainedSymbol
    action: protocol.Action
    convention: Convention | None = None

    @property
    def reads(self) -> bool:
        """Whether it reads a variable rather than calls a function."""
        return self.action.kind == protocol.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All actions in order, and the entry points that ``--init`` names without calling them."""

    actions: tuple[PlannedAction, ...]
    not_called: tuple[tuple[ExplainedSymbol, Convention], ...]


def make_plan(request: CallRequest, facts: NativeFacts) -> Plan:
    """What the worker is to do for ``request``.

    :raises UsageError: a step names no symbol of the file, or several.
    """
    exported = [s for s in facts.symbols if s.symbol.exported]
    actions: list[PlannedAction] = []
    not_called: list[tuple[ExplainedSymbol, Convention]] = []
    for index, step in enumerate(request.steps):
        if step.symbol is not None:
            symbol = find_symbol(request.path, step.symbol, exported)
            actions.append(PlannedAction(step=index, symbol=symbol, action=_action(step, symbol)))
            continue
        for symbol, convention in _entry_points(exported):
            if convention.callable and symbol.symbol.type in _FUNCTIONS:
                kind = protocol.CALL_WITH_INTERPRETER_LOCK if convention.uses_python else protocol.CALL
                action = protocol.Action(kind=kind, name=os.fsencode(symbol.symbol.name), version=None, size=0)
                actions.append(PlannedAction(step=index, symbol=symbol, action=action, convention=convention))
            else:
                not_called.append((symbol, convention))
    return Plan(actions=tuple(actions), not_called=tuple(not_called))


def find_symbol(path: str, wanted: str, symbols: Iterable[ExplainedSymbol]) -> ExplainedSymbol:
    """The symbol that the user means: by raw name, versioned name, Go or demangled name, or without
    parameters.

    :raises UsageError: none matches, or several do equally well.
    """
    known = list(symbols)
    for names in (_raw_names, _readable_names, _short_names):
        found = {s.symbol.value: s for s in known if wanted in names(s)}
        default = [s for s in found.values() if s.symbol.default_version or s.symbol.version is None]
        if len(found) == 1 or len(default) == 1:
            return (default or list(found.values()))[0]
        if found:
            choices = ", ".join(sorted(s.symbol.versioned_name for s in found.values())[:_NEAR])
            raise UsageError(f"{path}: {wanted!r} is ambiguous: {choices}, ...; give the raw name")
    names_there = {name for s in known for name in (*_raw_names(s), *_readable_names(s))}
    near = get_close_matches(wanted, names_there, n=_NEAR) if len(names_there) < 20_000 else []
    hint = f"; near names: {', '.join(near)}" if near else "; soinspect symbols --exports lists what it has"
    raise UsageError(f"{path} exports no symbol {wanted!r}{hint}")


def _raw_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    plain = symbol.symbol
    if plain.version is None:
        return (plain.name,)
    return (plain.name, f"{plain.name}@{plain.version}", f"{plain.name}@@{plain.version}")


def _readable_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    return (symbol.explained.text,)


def _short_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    """The demangled name without parameters: ``ns::f`` of ``ns::f(int)``."""
    return (symbol.explained.text.partition("(")[0],)


def _action(step: Step, symbol: ExplainedSymbol) -> protocol.Action:
    plain = symbol.symbol
    wanted_version = "@" in (step.symbol or "") and "@" not in plain.name
    kind, size = protocol.CALL, 0
    if is_variable(symbol):
        kind, size = protocol.READ, min(plain.size or _UNKNOWN_SIZE, _MAX_READ)
    elif plain.name.startswith("PyInit_"):
        kind = protocol.CALL_WITH_INTERPRETER_LOCK
    return protocol.Action(
        kind=kind,
        name=os.fsencode(plain.name),
        version=os.fsencode(plain.version) if wanted_version and plain.version else None,
        size=size,
    )


def is_variable(symbol: ExplainedSymbol) -> bool:
    """Whether the symbol is data; a symbol without a type is what its section is."""
    if symbol.symbol.type in _VARIABLES:
        return True
    return symbol.symbol.type not in _FUNCTIONS and not symbol.symbol.section.startswith(_CODE_SECTIONS)


def _entry_points(symbols: Iterable[ExplainedSymbol]) -> Iterator[tuple[ExplainedSymbol, Convention]]:
    for symbol in symbols:
        convention = convention_of(symbol.symbol.name)
        if convention is not None:
            yield symbol, convention
