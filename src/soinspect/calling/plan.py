"""From the steps that the user asked for to the actions of the worker."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from soinspect.calling.aggregates import returned_at, text_places, value_bytes
from soinspect.calling.arguments import Argument, encode_scalar, parse_step
from soinspect.calling.cgotypes import holds_go_memory
from soinspect.calling.typed import check_untyped, fit_arguments, result_room
from soinspect.calling.worker import protocol
from soinspect.errors import UsageError
from soinspect.kinds.catalogue import Convention, convention_of
from soinspect.model.calling import CallRequest, NativeFacts
from soinspect.model.constants import SymbolType
from soinspect.model.signature import CType, Signature, TypeKind
from soinspect.model.symbol import ExplainedSymbol

_FUNCTIONS = (SymbolType.FUNC, SymbolType.IFUNC)
_VARIABLES = (SymbolType.OBJECT, SymbolType.TLS, SymbolType.COMMON)
_CODE_SECTIONS = (".text", ".plt", ".init", ".fini")
_VERBS = {protocol.READ: "reading", protocol.ASSIGN: "assigning to"}
_ABI_TAG = re.compile(r"\[abi:\w+\]")
_NEAR = 3
_MAX_NAMES = 20_000  # above this the search for near names takes seconds
_MAX_READ = 4096
_UNKNOWN_SIZE = 8
_CGOCHECK = "called with GODEBUG=cgocheck=0, for Go's runtime otherwise refuses to return memory of its own to C"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """One action of the worker, for the step at index ``step``.

    ``symbol`` is None, and ``name`` what the user wrote, where an offset was given instead. ``assigned`` is the text
    of a variable's new value, ``variable`` its type, ``prototype`` that of a function, as far as they are known;
    ``notes`` are sentences on where they come from: what differs between sources, what could not be read.
    """

    step: int
    symbol: ExplainedSymbol | None
    action: protocol.Action
    convention: Convention | None = None
    arguments: tuple[Argument, ...] = ()
    name: str = ""
    assigned: str | None = None
    variable: CType | None = None
    prototype: Signature | None = None
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What it is about, for the user."""
        return self.symbol.explained.text if self.symbol else self.name

    @property
    def source(self) -> str:
        """Where its type is known from."""
        return self.prototype.source if self.prototype else "DWARF"

    @property
    def doing(self) -> str:
        """What it does, as the start of a sentence."""
        return f"{_VERBS.get(self.action.kind, 'calling')} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All actions in order, and the entry points that ``--init`` names without calling them."""

    actions: tuple[PlannedAction, ...]
    not_called: tuple[tuple[ExplainedSymbol, Convention], ...]

    @property
    def returns_go_memory(self) -> bool:
        """Whether a function returns what Go's runtime lets out only with ``GODEBUG=cgocheck=0``."""
        return any(action.prototype and holds_go_memory(action.prototype) for action in self.actions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is known of a function or a ``variable``: its type, if any, and notes, such as on disagreements."""

    prototype: Signature | None
    variable: CType | None
    notes: tuple[str, ...]


def make_plan(
    request: CallRequest, facts: NativeFacts, describe: Callable[[Sequence[ExplainedSymbol]], Iterable[Described]]
) -> Plan:
    """What the worker is to do for ``request``; ``describe`` is asked, once, for the symbols that steps name.

    :raises UsageError: a step names no symbol of the file, or several, or has arguments that do not fit.
    """
    exported = [s for s in facts.symbols if s.symbol.exported]
    actions: list[PlannedAction] = []
    not_called: list[tuple[ExplainedSymbol, Convention]] = []
    for index, step in enumerate(request.steps):
        if step.symbol is not None:
            actions.append(_plan_step(request.path, index, step.symbol, exported))
            continue
        for symbol, convention in _entry_points(exported):
            if convention.callable and symbol.symbol.type in _FUNCTIONS:
                kind = protocol.CALL_WITH_INTERPRETER_LOCK if convention.uses_python else protocol.CALL
                action = protocol.Action(kind=kind, name=os.fsencode(symbol.symbol.name), version=None, size=0)
                actions.append(PlannedAction(step=index, symbol=symbol, action=action, convention=convention))
            else:
                not_called.append((symbol, convention))
    # The prototypes of entry points that --init calls are known.
    named = {a.symbol.symbol.versioned_name: a.symbol for a in actions if a.symbol and not a.convention}
    described = dict(zip(named, describe(tuple(named.values())), strict=True))
    if request.repeat > 1:
        _repeat(actions, request)
    needy = next((a for a in actions if a.action.kind == protocol.CALL_WITH_INTERPRETER_LOCK), None)
    if request.namespace and needy:
        raise UsageError(
            f"--namespace: {needy.text} needs a Python interpreter, and sees none in a namespace of its own"
        )
    return Plan(
        actions=tuple(_with_types(action, described) for action in actions),
        not_called=tuple(not_called),
    )


def _repeat(actions: list[PlannedAction], request: CallRequest) -> None:
    """Have the last step's function called several times."""
    if request.steps[-1].symbol is None:
        raise UsageError("--repeat calls the last step's function: name one")
    last = actions[-1]
    if last.action.kind not in (protocol.CALL, protocol.CALL_WITH_INTERPRETER_LOCK):
        raise UsageError(f"--repeat calls the last step's function, and {last.text} is a variable")
    last.action.repeat = request.repeat


def _plan_step(path: str, index: int, text: str, exported: list[ExplainedSymbol]) -> PlannedAction:
    """The action for one step. A demangled name looks like a call with arguments, so names are tried first."""
    named = _matches(text, exported)
    if len(named) == 1:
        return PlannedAction(step=index, symbol=named[0], action=_action(text, named[0]))
    step = parse_step(text)
    arguments = step.arguments or ()
    wire = tuple(argument.wire for argument in arguments)
    if step.offset is not None:
        action = protocol.Action(kind=protocol.CALL, name=b"", offset=step.offset, arguments=wire)
        return PlannedAction(step=index, symbol=None, action=action, name=step.name, arguments=arguments)
    symbol = find_symbol(path, step.name, exported)
    action = _action(step.name, symbol)
    name = symbol.explained.text
    if step.assigned is not None:
        if not is_variable(symbol):
            raise UsageError(f"{name} is a function: it cannot be assigned to")
        action.kind = protocol.ASSIGN
    elif step.arguments is not None:
        if is_variable(symbol):
            raise UsageError(f"{name} is a variable: it cannot be called")
        action.arguments = wire
    return PlannedAction(
        step=index, symbol=symbol, action=action, arguments=arguments, name=step.name, assigned=step.assigned
    )


def _with_types(planned: PlannedAction, described: Mapping[str, Described]) -> PlannedAction:
    """The action with what is known of its function or variable."""
    known = described.get(planned.symbol.symbol.versioned_name) if planned.symbol else None
    if planned.symbol and is_variable(planned.symbol):
        return _with_variable(planned, known.variable if known else None)
    if known is None or known.prototype is None or planned.convention:
        check_untyped(planned.arguments)
        return replace(planned, notes=known.notes if known else ())
    prototype = known.prototype
    planned.action.result_room = result_room(prototype.returns, prototype.text)
    arguments = fit_arguments(planned.arguments, prototype)
    planned.action.arguments = tuple(argument.wire for argument in arguments)
    planned.action.followed = tuple(returned_at(prototype.returns, at) for at in text_places(prototype.returns))
    notes = (*known.notes, _CGOCHECK) if holds_go_memory(prototype) else known.notes
    return replace(planned, arguments=arguments, prototype=prototype, notes=notes)


def _with_variable(planned: PlannedAction, kind: CType | None) -> PlannedAction:
    """The action on a variable with its type, if that is known, and the bytes of its new value."""
    symbol, action = planned.symbol, planned.action
    if kind and not (kind.members or kind.kind not in (TypeKind.AGGREGATE, TypeKind.OTHER)):
        kind = None  # nothing that can be shown or made
    if planned.assigned is not None and symbol:
        if kind:
            action.data, action.pointers = value_bytes(planned.assigned.strip(), kind, f"{kind.text} {planned.text}")
        else:
            action.data = encode_scalar(planned.assigned, symbol.symbol.size)
    elif kind and kind.size <= _MAX_READ:
        action.size = kind.size
        action.followed = text_places(kind)
    return replace(planned, variable=kind)


def find_symbol(path: str, wanted: str, symbols: list[ExplainedSymbol]) -> ExplainedSymbol:
    """The symbol that the user means: by raw name, versioned name, Go or demangled name, or without parameters.

    :raises UsageError: none matches, or several do equally well.
    """
    found = _matches(wanted, symbols)
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(sorted(s.symbol.versioned_name for s in found)[:_NEAR])
        raise UsageError(f"{path}: {wanted!r} is ambiguous: {choices}, ...; give the raw name")
    near = _near(wanted, symbols)
    hint = f"; near names: {', '.join(near)}" if near else "; soinspect symbols --exports lists what it has"
    raise UsageError(f"{path} exports no symbol {wanted!r}{hint}")


def _near(wanted: str, symbols: list[ExplainedSymbol]) -> list[str]:
    """A few names that may be meant: those that ``wanted`` is a whole word of, as ``f`` of ``ns::f<int>``."""
    word = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    within = sorted({name for s in symbols if word.search(name := _short_names(s)[0])}, key=len)
    if within or len(symbols) > _MAX_NAMES:
        return within[:_NEAR]
    names_there = {name for s in symbols for name in (*_raw_names(s), *_readable_names(s), *_short_names(s))}
    return get_close_matches(wanted, names_there, n=_NEAR)


def _matches(wanted: str, symbols: list[ExplainedSymbol]) -> list[ExplainedSymbol]:
    """The symbols of this name, by the strictest reading that has any; one alone where a default version decides."""
    for names in (_raw_names, _readable_names, _short_names):
        found = list({s.symbol.value: s for s in symbols if wanted in names(s)}.values())
        default = [s for s in found if s.symbol.default_version or s.symbol.version is None]
        if found:
            return default if len(default) == 1 else found
    return []


def _raw_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    plain = symbol.symbol
    if plain.version is None:
        return (plain.name,)
    return (plain.name, f"{plain.name}@{plain.version}", f"{plain.name}@@{plain.version}")


def _readable_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    return (symbol.explained.text,)


def _short_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    """The demangled name without parameters, and without ABI tags: ``ns::f`` of ``ns::f[abi:cxx11](int)``."""
    short = symbol.explained.text.partition("(")[0]
    return (short, _ABI_TAG.sub("", short), _ABI_TAG.sub("", symbol.explained.text))


def _action(wanted: str, symbol: ExplainedSymbol) -> protocol.Action:
    plain = symbol.symbol
    # dlsym finds default versions only.
    with_version = not plain.default_version or ("@" in wanted and "@" not in plain.name)
    kind, size = protocol.CALL, 0
    if is_variable(symbol):
        kind, size = protocol.READ, min(plain.size or _UNKNOWN_SIZE, _MAX_READ)
    elif plain.name.startswith("PyInit_"):
        kind = protocol.CALL_WITH_INTERPRETER_LOCK
    return protocol.Action(
        kind=kind,
        name=os.fsencode(plain.name),
        version=os.fsencode(plain.version) if with_version and plain.version else None,
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
