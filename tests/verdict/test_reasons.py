"""Each reason that check can give has a page, and each is given in some test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soinspect.model.verdict import ReasonRule
from soinspect.render.rules import reason_index, rule_page
from soinspect.verdict.reasons import RULES

if TYPE_CHECKING:
    from conftest import Golden, Soinspect

PAGES = Path(__file__).parents[2] / "docs" / "reasons"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_page_of_a_reason_says_what_the_rule_says(rule: ReasonRule, golden: Golden) -> None:
    golden(PAGES / f"{rule.id}.md", rule_page(rule))


def test_the_index_lists_all_reasons(golden: Golden) -> None:
    golden(PAGES / "README.md", reason_index(RULES))
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == {rule.id for rule in RULES}


def test_the_rules_command_knows_them(soinspect: Soinspect) -> None:
    assert "rejected     check.go.package-hash " in soinspect("rules").out
    assert soinspect("rules", "check.go.module-link").out.startswith("# check.go.module-link\n\n**")
    assert soinspect("rules", "check.go.module-link", "--format", "json").json["reasons"][0]["outcome"] == "aborts_host"
