"""Rules on the named types that the exports of a Go plugin reach: layouts, methods, interfaces."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.comparing.change import Change
from soinspect.comparing.pair import ComparisonRule, Pair
from soinspect.comparing.sidebyside import side_by_side
from soinspect.comparing.wording import few
from soinspect.model.finding import Severity
from soinspect.model.golang import GoKind, GoType
from soinspect.model.layout import LayoutLine
from soinspect.model.texts import count

_IDENTITY = "https://go.dev/ref/spec#Type_identity"
_METHOD_SETS = "https://go.dev/ref/spec#Method_sets"
_INTERFACES = "https://go.dev/ref/spec#Implementing_an_interface"
_SHARED = (
    "Of a package that the host links too, the host compiles against its own version: plugin.Open refuses, or values "
    "are misread. Of the plugin's own types, hosts notice by reflection, encoding or unsafe only."
)

# A type of the old and of the new plugin.
Twins = tuple[GoType, GoType]


def _twins(pair: Pair) -> Iterator[Twins]:
    """The types that the exports of both plugins reach."""
    if pair.go and pair.plugins:
        old, new = pair.go
        own = pair.plugins[1].path
        after = {(it.text, "" if it.package == own else it.package): it for it in new.reached_types}
        own = pair.plugins[0].path
        for it in old.reached_types:
            twin = after.get((it.text, "" if it.package == own else it.package))
            if twin is not None:
                yield it, twin


def _severity(pair: Pair, changed: GoType) -> Severity | None:
    own = pair.plugins[0].path if pair.plugins else ""
    return Severity.RISKY if changed.package == own else None


def _layout_changed(pair: Pair) -> Iterator[Change]:
    changed = {old.text: (old, new) for old, new in _twins(pair) if _differs(old, new)}
    followers = {text for text, twins in changed.items() if _only_shifted(*twins, changed)}
    for text, (old, new) in changed.items():
        if text in followers:
            continue
        moved = [it for it in followers if any(field.type == text for field in changed[it][0].fields)]
        struct = old.kind is new.kind is GoKind.STRUCT
        yield Change(
            subject=f"type {text}",
            before=count(old.size, "byte") if struct else old.underlying,
            after=count(new.size, "byte") if struct else new.underlying,
            evidence=f"shifts what follows it in {few(moved)}" if moved else "",
            severity=_severity(pair, old),
            layout=side_by_side(_lines(old), _lines(new)) if struct else (),
        )


def _differs(old: GoType, new: GoType) -> bool:
    if old.kind is GoKind.INTERFACE and new.kind is GoKind.INTERFACE:
        return False  # a matter of methods
    if old.kind is new.kind is GoKind.STRUCT:
        # Tags change neither layout nor the identity of a named type.
        before, after = ([(it.name, it.type, it.offset, it.embedded) for it in side.fields] for side in (old, new))
        return before != after or old.size != new.size
    return old.underlying != new.underlying


def _only_shifted(old: GoType, new: GoType, changed: dict[str, Twins]) -> bool:
    """Whether a struct declares what it did, and holds one that has changed."""
    before, after = ([(it.name, it.type, it.embedded) for it in side.fields] for side in (old, new))
    return before == after and any(field.type in changed and field.type != old.text for field in old.fields)


def _lines(struct: GoType) -> tuple[LayoutLine, ...]:
    """The struct as Go declares it, with the offsets of its fields in bytes."""
    fields = (f"    {it.type}" if it.embedded else f"    {it.name} {it.type}" for it in struct.fields)
    places = (str(it.offset) for it in struct.fields)
    name = struct.text.rpartition(".")[2]
    return (
        LayoutLine(place="", text=f"type {name} struct {{"),
        *(LayoutLine(place=place, text=text) for place, text in zip(places, fields, strict=True)),
        LayoutLine(place=str(struct.size), text="}"),
    )


def _methods(side: GoType) -> dict[str, str]:
    return {method.name: method.signature for method in side.methods}


def _method_added(pair: Pair) -> Iterator[Change]:
    for old, new in _twins(pair):
        if old.kind is new.kind is GoKind.INTERFACE:
            before, after = _methods(old), _methods(new)
            fresh = [f"{name}{text.removeprefix('func')}" for name, text in after.items() if name not in before]
            if fresh:
                severity = _severity(pair, old)
                yield Change(subject=f"interface {old.text}", after="; ".join(fresh), severity=severity)


def _method_set_changed(pair: Pair) -> Iterator[Change]:
    for old, new in _twins(pair):
        before, after = _methods(old), _methods(new)
        for name, signature in before.items():
            now = after.get(name)
            # The linker drops the signatures of methods that nothing calls.
            if now is None or (signature and now and signature != now):
                yield Change(
                    subject=f"method {old.text}.{name}",
                    before=signature or "there",
                    after=now,
                    severity=_severity(pair, old),
                )


def _interface_unsatisfied(pair: Pair) -> Iterator[Change]:
    if not pair.go:
        return
    interfaces = [it for it in pair.go[0].reached_types if it.kind is GoKind.INTERFACE and it.methods]
    for old, new in _twins(pair):
        for interface in interfaces if old.kind is not GoKind.INTERFACE else ():
            lacking = _lacking(new, interface)
            if lacking and not _lacking(old, interface):
                yield Change(
                    subject=f"{old.text} as {interface.text}",
                    before="implemented",
                    evidence=f"lacks {few(lacking)}",
                    severity=_severity(pair, old),
                )


def _lacking(concrete: GoType, interface: GoType) -> list[str]:
    """The methods that a type needs to implement the interface."""
    has = _methods(concrete)
    return [name for name, text in _methods(interface).items() if name not in has or (has[name] or text) != text]


_rule = ComparisonRule.of

RULES = (
    _rule(
        "go.struct-layout-changed",
        Severity.BREAKING,
        "A type that the exports reach has another structure",
        _SHARED,
        "Rebuild host and plugin from the same sources of the package.",
        _IDENTITY,
        _layout_changed,
    ),
    _rule(
        "go.interface-method-added",
        Severity.BREAKING,
        "An interface asks for a further method",
        "What the host passes in or asserts no longer implements it: the assertion fails, or panics.",
        "Put the method into a new interface, and ask for it with a type assertion.",
        _INTERFACES,
        _method_added,
    ),
    _rule(
        "go.method-set-changed",
        Severity.BREAKING,
        "A method is gone, or has another signature",
        "A host that calls it through an interface no longer can: its type assertion fails.",
        "Keep the method, and add a new one beside it.",
        _METHOD_SETS,
        _method_set_changed,
    ),
    _rule(
        "go.interface-unsatisfied",
        Severity.BREAKING,
        "A type no longer implements an interface that it did",
        "The host's assertion of the value to this interface fails, or panics.",
        "Give the type the methods that it lacks.",
        _INTERFACES,
        _interface_unsatisfied,
    ),
)
