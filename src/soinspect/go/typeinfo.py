"""Types described as ``reflect`` does, and written out as Go has them (go.dev/ref/spec#Types)."""

from __future__ import annotations

import json

from soinspect.go.rtype import Types
from soinspect.model.golang import GoField, GoKind, GoMethod, GoType

_RECEIVE, _SEND = 1, 2


def read_type(types: Types, address: int) -> GoType:
    """The whole type at ``address``.

    :raises FormatError: a part of it lies outside of the file.
    """
    descriptor = types.descriptor(address)
    kind = descriptor.kind
    return GoType(
        address=address,
        text=types.text(address),
        underlying=underlying(types, address),
        kind=kind,
        size=descriptor.size,
        package=types.package(address),
        named=descriptor.named,
        fields=tuple(field for field, _ in types.fields(address)) if kind is GoKind.STRUCT else (),
        methods=tuple(types.asked(address) if kind is GoKind.INTERFACE else types.methods(address)),
    )


def underlying(types: Types, address: int) -> str:
    """The type at ``address`` without its name: the same as its text if it has none.

    Two things differ: the text puts a package before the unexported methods of interfaces, and gives the structs
    inside of maps a name (``map.group[string]int``).

    :raises FormatError: a part lies outside of the file.
    """
    kind = types.descriptor(address).kind
    match kind:
        case GoKind.ARRAY:
            return f"[{types.length(address)}]{types.text(types.element(address))}"
        case GoKind.CHAN:
            return _channel(types, address)
        case GoKind.FUNC:
            return _function(types, address)
        case GoKind.INTERFACE:
            asked = "; ".join(map(_asked, types.asked(address)))
            return f"interface {{ {asked} }}" if asked else "interface {}"
        case GoKind.MAP:
            key, element = map(types.text, types.components(address))
            return f"map[{key}]{element}"
        case GoKind.POINTER:
            return f"*{types.text(types.element(address))}"
        case GoKind.SLICE:
            return f"[]{types.text(types.element(address))}"
        case GoKind.STRUCT:
            fields = "; ".join(_field(field) for field, _ in types.fields(address))
            return f"struct {{ {fields} }}" if fields else "struct {}"
        case GoKind.UNSAFE_POINTER:
            return "unsafe.Pointer"
    return kind.name.lower()


def _channel(types: Types, address: int) -> str:
    element, direction = types.text(types.element(address)), types.direction(address)
    if direction == _RECEIVE:
        return f"<-chan {element}"
    if direction == _SEND:
        return f"chan<- {element}"
    return f"chan ({element})" if element.startswith("<-") else f"chan {element}"


def _function(types: Types, address: int) -> str:
    inputs, variadic = types.inputs(address)
    parts = [types.text(part) for part in types.components(address)]
    given, results = parts[:inputs], parts[inputs:]
    if variadic and given:
        given[-1] = "..." + given[-1].removeprefix("[]")
    result = results[0] if len(results) == 1 else f"({', '.join(results)})"
    return f"func({', '.join(given)})" + (f" {result}" if results else "")


def _asked(method: GoMethod) -> str:
    return method.name + method.signature.removeprefix("func")


def _field(field: GoField) -> str:
    # The compiler's own structs for closures have a field ".F".
    text = field.type if field.embedded else f"{field.name.removeprefix('.')} {field.type}"
    return f"{text} {json.dumps(field.tag, ensure_ascii=False)}" if field.tag else text
