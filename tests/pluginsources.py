"""A plugin of every kind, built from fixtures/plugin-kinds."""

from __future__ import annotations

from pathlib import Path

from conftest import FIXTURES, Compile
from soinspect.kinds.catalogue import KINDS
from soinspect.kinds.rule import KindRule

SOURCES = FIXTURES / "plugin-kinds"
# Go plugins are built by Go: test_go_profiles.py.
IN_C = tuple(rule for rule in KINDS if rule.id != "go")


def build(rule: KindRule, cc: Compile, *flags: str) -> Path:
    """The plugin, named as its source says: ``libgsttoy.so.c`` gives ``libgsttoy.so``."""
    (source,) = (SOURCES / rule.id).glob("*.c")
    return cc(source, "-w", *flags, name=source.stem)
