"""Each rule has a pair of sources that triggers it, a near miss that does not, and a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rulepairs import NEAR_MISS, PAIRS, RulePair, has_pair
from soinspect import api
from soinspect.comparing.rules import RULES
from soinspect.render.rules import rule_index, rule_page

if TYPE_CHECKING:
    from conftest import Golden

PairOf = Callable[[str], RulePair]

PAGES = Path(__file__).parent.parent.parent / "docs" / "rules"
IDS = [entry.rule.id for entry in RULES]

# A Go plugin takes seconds to build where a C library takes a tenth of one.
NEAR_MISSES = [pytest.param(it, marks=pytest.mark.full) if it.startswith(("go.", "cgo.")) else it for it in IDS]

# How long a function's code is depends on the compiler as well.
NOISE = {"elf.function-size-changed"}


@pytest.mark.parametrize("rule", IDS)
def test_the_pair_of_a_rule_triggers_it_and_nothing_unexpected(rule: str, rule_pair: PairOf) -> None:
    pair = rule_pair(rule)
    found = api.compare(str(pair.old), str(pair.new)).findings
    assert rule in pair.expected
    noise = set() if rule in NOISE else NOISE
    assert {finding.rule for finding in found} - noise == pair.expected - noise, [f"{f.rule}: {f}" for f in found]


@pytest.mark.parametrize("rule", NEAR_MISSES)
def test_the_near_miss_of_a_rule_does_not_trigger_it(rule: str, rule_pair: PairOf) -> None:
    pair = rule_pair(f"{rule}/{NEAR_MISS}")
    found = api.compare(str(pair.old), str(pair.new)).findings
    assert rule not in pair.expected
    noise = NOISE - {rule}
    assert {finding.rule for finding in found} - noise == pair.expected - noise, [f"{f.rule}: {f}" for f in found]


@pytest.mark.parametrize("rule", IDS)
def test_a_rule_finds_nothing_between_a_file_and_its_copy(rule: str, rule_pair: PairOf, tmp_path: Path) -> None:
    pair = rule_pair(rule)
    copy = tmp_path / "copy.so"
    copy.write_bytes(pair.new.read_bytes() + b"\0")  # other bytes, same facts
    found = {finding.rule for finding in api.compare(str(pair.new), str(copy)).findings}
    assert found <= {"go.plugin-path-same"}


def test_every_pair_belongs_to_a_rule() -> None:
    assert {p.name for p in PAIRS.iterdir()} <= set(IDS)
    assert all(has_pair(rule) and has_pair(f"{rule}/{NEAR_MISS}") for rule in IDS)


@pytest.mark.parametrize("entry", RULES, ids=IDS)
def test_the_page_of_a_rule_says_what_the_rule_says(entry: object, golden: Golden) -> None:
    rule = entry.rule  # type: ignore[attr-defined]
    golden(PAGES / f"{rule.id}.md", rule_page(rule))


def test_the_index_lists_all_rules(golden: Golden) -> None:
    golden(PAGES / "README.md", rule_index(tuple(entry.rule for entry in RULES)))
    assert {p.stem for p in PAGES.glob("*.md")} - {"README"} == set(IDS)
