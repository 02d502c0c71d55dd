"""Debug information entry by entry, odd on purpose, as assembly for one unit: :func:`assembly`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from soinspect.dwarf.constants import At, Form, Tag


@dataclass
class Die:
    """An entry; a value that is text is a label, an address or a string, as its form wants it.

    ``label`` is what others refer to it by.
    """

    tag: Tag
    values: list[tuple[At, Form, int | str]] = field(default_factory=list)
    children: list[Die] = field(default_factory=list)
    label: str = ""


_DIRECTIVES = {
    Form.DATA1: ".byte",
    Form.DATA2: ".short",
    Form.DATA4: ".long",
    Form.ADDR: ".quad",
    Form.FLAG: ".byte",
    Form.LINE_STRP: ".long",
}


def assembly(*dies: Die, functions: tuple[str, ...] = ("victim",)) -> str:
    """A library that exports ``functions``, with the entries in a unit of DWARF 4 and the language C."""
    lines = [".text"]
    for name in functions:
        lines += [f".globl {name}", f".type {name}, @function", f"{name}: ret"]
    root = Die(Tag.COMPILE_UNIT, [(At.LANGUAGE, Form.DATA1, 12)], list(dies))
    entries = list(_all(root))
    lines += ['.section .debug_abbrev,"",@progbits']
    for code, die in enumerate(entries, 1):
        lines += [f".uleb128 {code}, {die.tag}", f".byte {int(bool(die.children))}"]
        lines += [f".uleb128 {attribute}, {form}" for attribute, form, _ in die.values]
        lines += [".byte 0, 0"]
    lines += [".byte 0"]
    lines += ['.section .debug_info,"",@progbits', "unit:", ".long end - after_length", "after_length:"]
    lines += [".short 4", ".long 0", ".byte 8", *_emit(root, {id(die): n for n, die in enumerate(entries, 1)}), "end:"]
    return "\n".join([*lines, ""])


def _all(die: Die) -> Iterator[Die]:
    yield die
    for child in die.children:
        yield from _all(child)


def _emit(die: Die, codes: dict[int, int]) -> Iterator[str]:
    if die.label:
        yield f"{die.label}:"
    yield f".uleb128 {codes[id(die)]}"
    for _, form, value in die.values:
        if form is Form.STRING:
            yield f'.asciz "{value}"'
        elif form is Form.REF4:
            yield f".long {value} - unit"
        elif form is Form.UDATA:
            yield f".uleb128 {value}"
        elif form is not Form.FLAG_PRESENT:
            yield f"{_DIRECTIVES[form]} {value}"
    if die.children:
        for child in die.children:
            yield from _emit(child, codes)
        yield ".byte 0"
