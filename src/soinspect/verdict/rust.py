"""Rust programs and Rust plugins: which release of the compiler made each, as far as ``.comment`` says it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soinspect.model.goloading import Guest, Program
from soinspect.model.verdict import Reason
from soinspect.verdict import dlrules as rules

_RUSTC = re.compile(r"rustc version (\S+)")


def other_release(program: Program, guest: Guest) -> Iterator[Reason]:
    """A risk, if both are Rust and none of the plugin's compilers is one of the program's."""
    ours, theirs = _releases(program.producers), _releases(guest.producers)
    if ours and theirs and not ours & theirs:
        host, plugin = ", ".join(sorted(ours)), ", ".join(sorted(theirs))
        yield rules.RUST_RELEASES.found(f"host built by rustc {host}, plugin by rustc {plugin}")


def _releases(producers: tuple[str, ...]) -> set[str]:
    return {match[1] for text in producers if (match := _RUSTC.search(text))}
