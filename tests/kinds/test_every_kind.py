"""Every kind of plugin has a source in fixtures/plugin-kinds, is recognised, read, and judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT, Compile, Golden
from kindpage import kinds_page
from pluginsources import IN_C, SOURCES, build
from soinspect import api
from soinspect.kinds.catalogue import KINDS
from soinspect.kinds.rule import KindRule, Need
from soinspect.model.pluginkind import PluginKind
from soinspect.render.text import known


def the_kind(path: Path) -> PluginKind:
    (kind,) = api.plugin_kinds(str(path))
    return kind


def names_required(rule: KindRule) -> list[str]:
    return [e.pattern for e in rule.entry_points if e.need is Need.REQUIRED and "*" not in e.pattern]


@pytest.mark.parametrize("optimised", ["-O0", "-O2"])
@pytest.mark.parametrize("rule", IN_C, ids=lambda rule: rule.id)
def test_it_is_recognised_and_read(rule: KindRule, optimised: str, cc: Compile, golden: Golden) -> None:
    kind = the_kind(build(rule, cc, optimised))
    assert (kind.id, kind.problems) == (rule.id, ())
    exported = {entry.symbol for entry in kind.entry_points}
    assert exported.issuperset(names_required(rule))
    assert bool(kind.facts) is bool(rule.read)
    if kind.facts:
        golden(SOURCES / rule.id / "facts.txt", "".join(f"{fact.name}: {known(fact.value)}\n" for fact in kind.facts))


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        (rule, entry.pattern)
        for rule in IN_C
        for entry in rule.entry_points
        # A kind that nothing else gives away is not recognised without it.
        if entry.need is Need.REQUIRED
        and "*" not in entry.pattern
        and not all(entry.pattern in sign.exports for sign in rule.signs)
    ],
    ids=lambda value: value.id if isinstance(value, KindRule) else value,
)
def test_a_missing_entry_point_is_named(rule: KindRule, missing: str, cc: Compile) -> None:
    kind = the_kind(build(rule, cc, f"-D{missing}=renamed"))
    (problem,) = kind.problems
    assert (problem.kind, problem.refused) == (rule.id, True)
    assert problem.summary == f"{missing} is missing: {rule.host} looks for it"
    assert problem.fix.startswith(f"define and export {missing}: ")


def test_every_kind_has_its_own_id_and_every_sign_an_entry_point() -> None:
    assert len({rule.id for rule in KINDS}) == len(KINDS)
    for rule in KINDS:
        patterns = {entry.pattern for entry in rule.entry_points}
        assert rule.naming is None or rule.naming.pattern in patterns
        assert all(set(sign.exports) <= patterns for sign in rule.signs), rule.id
        assert rule.reference.startswith("https://")
    assert {folder.name for folder in SOURCES.iterdir()} == {rule.id for rule in IN_C}


def test_the_page_lists_them(golden: Golden) -> None:
    golden(ROOT / "docs" / "plugin-kinds.md", kinds_page())
