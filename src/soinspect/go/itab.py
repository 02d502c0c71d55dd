"""Itabs: which concrete types were converted to which interfaces (src/runtime/iface.go, src/internal/abi/iface.go)."""

from __future__ import annotations

from collections.abc import Iterator

from soinspect.go.memory import WORD
from soinspect.go.moduledata import ModuleData
from soinspect.go.rtype import Types
from soinspect.model.golang import GoItab

_HEAD = 3 * WORD  # interface, type, hash and padding; the methods' code follows


def read_itabs(module: ModuleData, types: Types) -> Iterator[GoItab]:
    """All itabs: up to 1.26 they are listed, from 1.27 they lie one after the other.

    :raises FormatError: they lie outside of the file.
    """
    memory = module.memory
    for address in _walk(module, types) if module.has("itaboffset") else _listed(module):
        interface, concrete = memory.word(address), memory.word(address + WORD)
        yield GoItab(address=address, type=types.text(concrete), interface=types.text(interface))


def _listed(module: ModuleData) -> Iterator[int]:
    links = module.memory.elements(module.slice("itablinks"), WORD)
    return (module.memory.word(link) for link in links)


def _walk(module: ModuleData, types: Types) -> Iterator[int]:
    position = types.base + module.word("itaboffset")
    end = position + module.word("itabsize")
    while position < end:
        yield position
        methods = types.asked_methods(module.memory.word(position))
        position += _HEAD + WORD * max(1, methods)
