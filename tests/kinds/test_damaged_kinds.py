"""Damaged plugins of every kind: an answer or one error, never anything else."""

from __future__ import annotations

import random

import pytest

from conftest import Compile
from pluginsources import IN_C, build
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import InputError
from soinspect.kinds.recognise import plugin_kinds
from soinspect.kinds.rule import KindRule
from soinspect.model.absence import Absent

READ = [rule for rule in IN_C if rule.read]


@pytest.mark.parametrize("rule", READ, ids=lambda rule: rule.id)
def test_mutants(rule: KindRule, cc: Compile) -> None:
    path = build(rule, cc)
    sound = path.read_bytes()
    chance = random.Random(rule.id)
    for _ in range(60):
        data = bytearray(sound)
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(64, len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        try:
            plugin_kinds(ElfFile(Image(str(path), bytes(data))), Absent("not asked"))
        except InputError:
            continue
