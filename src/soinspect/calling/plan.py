"""From the steps that the user asked for to the actions of the worker."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from soinspect.calling.aggregates import returned_at, text_places, value_bytes
from soinspect.calling.arguments import Argument, encode_scalar, parse_step
from soinspect.calling.cgotypes import holds_go_memory
from soinspect.calling.typed import check_untyped, fit_arguments, result_room
from soinspect.calling.worker import protocol
from soinspect.demangle.cxxname import read_function
from soinspect.errors import UsageError
from soinspect.kinds.catalogue import Convention, convention_of
from soinspect.model.calling import CallRequest, NativeFacts
from soinspect.model.constants import SymbolType
from soinspect.model.lateclass import dataclass
from soinspect.model.signature import Signature, TypeKind, VariableType
from soinspect.model.symbol import ExplainedSymbol

_FUNCTIONS = (SymbolType.FUNC, SymbolType.IFUNC)
_VARIABLES = (SymbolType.OBJECT, SymbolType.TLS, SymbolType.COMMON)
_CODE_SECTIONS = (".text", ".plt", ".init", ".fini")
_VERBS = {protocol.READ: "reading", protocol.ASSIGN: "assigning to"}
_WORD = re.compile(r"\w+")
_ABI_TAG = re.compile(r"\[abi:\w+\]")
_NEAR = 3
_SHOWN_CHOICES = 5
_MAX_NAMES = 20_000  # above this the search for near names takes seconds
_MAX_READ = 4096
_UNKNOWN_SIZE = 8
_NO_RESULT = "the type of its result is not told: if that is a class, the address of room for it comes first"
_OBJECT = "the first argument is taken for an object's address; the mangled name does not tell whether it takes one"
_NO_OBJECT = "called without an object; the mangled name does not tell whether it takes one"
_CGOCHECK = "called with GODEBUG=cgocheck=0, for Go's runtime otherwise refuses to return memory of its own to C"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """One action of the worker, for the step at index ``step``.

    ``symbol`` is None, and ``name`` what the user wrote, where an offset was given instead. ``assigned`` is the text
    of a variable's new value, ``variable`` its type, ``prototype`` that of a function, as far as they are known;
    ``disagreement`` says what differs between the sources of the type, ``notes`` are sentences on what else there is to
    say of them, such as what could not be read.
    """

    step: int
    symbol: ExplainedSymbol | None
    action: protocol.Action
    convention: Convention | None = None
    arguments: tuple[Argument, ...] = ()
    name: str = ""
    assigned: str | None = None
    variable: VariableType | None = None
    prototype: Signature | None = None
    notes: tuple[str, ...] = ()
    disagreement: str = ""

    @property
    def text(self) -> str:
        """What it is about, for the user."""
        return self.symbol.explained.text if self.symbol else self.name

    @property
    def source(self) -> str:
        """Where its type is known from."""
        known = self.prototype or self.variable
        return known.source if known else ""

    @property
    def called_as(self) -> str:
        """What a call of it relied on; empty if that is nothing."""
        if self.prototype is None:
            how = ("no prototype is known: the arguments were passed as written",) if self.arguments else ()
            return "; ".join((*how, *self.notes))
        vague = (_NO_RESULT,) if self.prototype.returns.kind is TypeKind.UNTOLD else ()
        known = f"{self.prototype.text} (from {self.prototype.source})"
        return "; ".join(filter(None, (known, self.disagreement, *vague, *self.notes)))

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
    """What is known of a function or a ``variable``: its type, if any, where sources disagree on it, and notes."""

    prototype: Signature | None
    variable: VariableType | None
    notes: tuple[str, ...]
    disagreement: str = ""


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
    planned = replace(planned, disagreement=known.disagreement if known else "")
    if planned.symbol and is_variable(planned.symbol):
        return _with_variable(replace(planned, notes=known.notes if known else ()), known.variable if known else None)
    if known is None or known.prototype is None or planned.convention:
        return _untyped(planned, known.notes if known else ())
    prototype, count = known.prototype, len(planned.arguments)
    if prototype.presumed and count != len(prototype.parameters):
        return _untyped(planned, (*known.notes, f"not called as {prototype.source} has it: {prototype.text}"))
    notes = (*known.notes, *_open_questions(prototype, count))
    if count == len(prototype.parameters) + 1:
        prototype = prototype.as_member()
    planned.action.result_room = result_room(prototype.returns, prototype.text)
    arguments = fit_arguments(planned.arguments, prototype)
    planned.action.arguments = tuple(argument.wire for argument in arguments)
    if prototype.returns.kind is not TypeKind.UNTOLD:
        planned.action.followed = tuple(returned_at(prototype.returns, at) for at in text_places(prototype.returns))
    if holds_go_memory(prototype):
        notes = (*notes, _CGOCHECK)
    return replace(planned, arguments=arguments, prototype=prototype, notes=notes)


def _open_questions(prototype: Signature, count: int) -> Iterator[str]:
    """What the source of a prototype does not tell of parameters, where there are ``count`` arguments."""
    untold = [parameter.type.text for parameter in prototype.parameters if parameter.type.kind is TypeKind.UNTOLD]
    if untold:
        yield f"passed as written: {', '.join(untold)}; the mangled name does not tell what that is"
    if prototype.this:
        yield _OBJECT if count > len(prototype.parameters) else _NO_OBJECT


def _untyped(planned: PlannedAction, notes: tuple[str, ...]) -> PlannedAction:
    """The action on a function of which no prototype is known."""
    check_untyped(planned.arguments)
    return replace(planned, notes=notes)


def _with_variable(planned: PlannedAction, known: VariableType | None) -> PlannedAction:
    """The action on a variable with its type, if that is known, and the bytes of its new value."""
    symbol, action = planned.symbol, planned.action
    kind = known.type if known and known.type.can_be_made else None
    if planned.assigned is not None and symbol:
        if kind:
            action.data, action.pointers = value_bytes(planned.assigned.strip(), kind, f"{kind.text} {planned.text}")
        else:
            action.data = encode_scalar(planned.assigned, symbol.symbol.size)
    elif kind and kind.size <= _MAX_READ:
        action.size = kind.size
        action.followed = text_places(kind)
    return replace(planned, variable=known if kind else None)


def find_symbol(path: str, wanted: str, symbols: list[ExplainedSymbol]) -> ExplainedSymbol:
    """The symbol that the user means: by raw name, versioned name, Go or demangled name, or without parameters.

    :raises UsageError: none matches, or several do equally well.
    """
    found = _matches(wanted, symbols)
    if len(found) == 1:
        return found[0]
    if found:
        choices = sorted(_with_raw_name(s) for s in found)
        more = f" and {len(choices) - _SHOWN_CHOICES} more" if len(choices) > _SHOWN_CHOICES else ""
        raise UsageError(
            f"{path}: {wanted!r} is ambiguous: {', '.join(choices[:_SHOWN_CHOICES])}{more}; give the name with its "
            "parameters, or the raw one"
        )
    near = _near(wanted, symbols)
    hint = f"; near names: {', '.join(near)}" if near else "; soinspect symbols --exports lists what it has"
    raise UsageError(f"{path} exports no symbol {wanted!r}{hint}")


def _with_raw_name(symbol: ExplainedSymbol) -> str:
    readable, raw = symbol.explained.text, symbol.symbol.versioned_name
    return raw if readable == symbol.symbol.name else f"{readable} ({raw})"


def _near(wanted: str, symbols: list[ExplainedSymbol]) -> list[str]:
    """A few names that may be meant: those that ``wanted`` is a whole word of, as ``f`` of ``ns::f<int>``."""
    word = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    like = [s for s in symbols if wanted in s.explained.text]
    within = sorted({name for s in like if word.search(name := _short_names(s)[0])}, key=len)
    if within or len(symbols) > _MAX_NAMES:
        return within[:_NEAR]
    names_there = {name for s in symbols for name in (*_raw_names(s), s.explained.text, *_short_names(s))}
    return get_close_matches(wanted, names_there, n=_NEAR)


def _matches(wanted: str, symbols: list[ExplainedSymbol]) -> list[ExplainedSymbol]:
    """The symbols of this name, by the strictest reading that has any; one alone where a default version decides."""
    found = [s for s in symbols if wanted in _raw_names(s)] or [s for s in symbols if wanted == s.explained.text]
    if not found:
        # Short names take long to make, and may be written with other spaces.
        word = (_WORD.findall(wanted) or [wanted])[-1]
        like = (s for s in symbols if word in s.explained.text)
        wanted = wanted.replace(" ", "").removeprefix("::")
        found = [s for s in like if any(wanted == name.replace(" ", "") for name in _short_names(s))]
    found = list({s.symbol.value: s for s in found}.values())
    default = [s for s in found if s.symbol.default_version or s.symbol.version is None]
    return default if len(default) == 1 else found


def _raw_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    plain = symbol.symbol
    if plain.version is None:
        return (plain.name,)
    return (plain.name, f"{plain.name}@{plain.version}", f"{plain.name}@@{plain.version}")


def _short_names(symbol: ExplainedSymbol) -> tuple[str, ...]:
    """The demangled name without result and parameters, and without ABI tags: ``ns::f`` of ``ns::f[abi:cxx11](int)``.

    With parameters, but without the result that the names of templates have, it is short enough, too.
    """
    text = symbol.explained.text
    function = read_function(text) if symbol.symbol.name.startswith("_Z") else None
    if function is None:
        short = text.partition("(")[0]
        return (short, _ABI_TAG.sub("", short), _ABI_TAG.sub("", text))
    short, whole = function.full_name, text.removeprefix(function.result).lstrip()
    return (short, whole, _ABI_TAG.sub("", short), _ABI_TAG.sub("", whole), _ABI_TAG.sub("", text))


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
