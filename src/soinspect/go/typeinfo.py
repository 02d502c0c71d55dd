"""Types described as ``reflect`` does, and written out as Go has them (go.dev/ref/spec#Types)."""

from __future__ import annotations

import json
from collections.abc import Callable

from soinspect.go.rtype import Types
from soinspect.model.golang import GoField, GoKind, GoType

_RECEIVE, _SEND = 1, 2
_MAX_PARTS = 1 << 12


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


def full_text(types: Types, address: int) -> str:
    """The type at ``address`` with the import paths of packages: ``func(*net/http.Request)``.

    :raises FormatError: a part lies outside of the file, or is nested as in no type that was compiled.
    """
    return _FullText(types, len(types.text(address))).of(address)


class _FullText:
    """Writes one type out; each part of it has a character at least in the text of the whole."""

    def __init__(self, types: Types, parts: int) -> None:
        self._types = types
        self._parts = min(parts, _MAX_PARTS)

    def of(self, address: int) -> str:
        """The type at ``address``, which is the whole or a part of it."""
        types = self._types
        self._parts -= 1
        if self._parts < 0:
            raise types.error(address, "its parts are more than its text has")
        if not types.descriptor(address).named:
            return underlying(types, address, self.of)
        text, package = types.text(address), types.package(address)
        return package + text[len(text.partition("[")[0].rpartition(".")[0]) :] if package else text


def underlying(types: Types, address: int, text: Callable[[int], str] | None = None) -> str:
    """The type at ``address`` without its name: the same as its text if it has none.

    ``text`` writes the types that it is made of, as :meth:`Types.text` does unless another way is given.

    Two things differ from its text: that puts a package before the unexported methods of interfaces, and gives the
    structs inside of maps a name (``map.group[string]int``).

    :raises FormatError: a part lies outside of the file.
    """
    text = text or types.text
    kind = types.descriptor(address).kind
    match kind:
        case GoKind.ARRAY:
            return f"[{types.length(address)}]{text(types.element(address))}"
        case GoKind.CHAN:
            return _channel(types, address, text)
        case GoKind.FUNC:
            return _function(types, address, text)
        case GoKind.INTERFACE:
            parts = zip(types.asked(address), map(text, types.components(address)), strict=True)
            asked = "; ".join(method.name + signature.removeprefix("func") for method, signature in parts)
            return f"interface {{ {asked} }}" if asked else "interface {}"
        case GoKind.MAP:
            key, element = map(text, types.components(address))
            return f"map[{key}]{element}"
        case GoKind.POINTER:
            return f"*{text(types.element(address))}"
        case GoKind.SLICE:
            return f"[]{text(types.element(address))}"
        case GoKind.STRUCT:
            fields = "; ".join(_field(field, text(part)) for field, part in types.fields(address))
            return f"struct {{ {fields} }}" if fields else "struct {}"
        case GoKind.UNSAFE_POINTER:
            return "unsafe.Pointer"
    return kind.name.lower()


def _channel(types: Types, address: int, text: Callable[[int], str]) -> str:
    element, direction = text(types.element(address)), types.direction(address)
    if direction == _RECEIVE:
        return f"<-chan {element}"
    if direction == _SEND:
        return f"chan<- {element}"
    return f"chan ({element})" if element.startswith("<-") else f"chan {element}"


def _function(types: Types, address: int, text: Callable[[int], str]) -> str:
    inputs, variadic = types.inputs(address)
    parts = [text(part) for part in types.components(address)]
    given, results = parts[:inputs], parts[inputs:]
    if variadic and given:
        given[-1] = "..." + given[-1].removeprefix("[]")
    result = results[0] if len(results) == 1 else f"({', '.join(results)})"
    return f"func({', '.join(given)})" + (f" {result}" if results else "")


def _field(field: GoField, kind: str) -> str:
    # The compiler's own structs for closures have a field ".F".
    text = kind if field.embedded else f"{field.name.removeprefix('.')} {kind}"
    return f"{text} {json.dumps(field.tag, ensure_ascii=False)}" if field.tag else text
