"""What ``--require EXPORT:TYPE`` says of a Go plugin is what the type assertion of a real host says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES, GO_CURRENT, GO_VERSIONS, GoBuild, Soinspect
from soinspect import api
from soinspect.errors import UsageError
from soinspect.model.explanation import Explanation
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Outcome, Policy
from soinspect.saved.snapshotfile import write_snapshot

FOLDER = FIXTURES / "go-type-assertions"
# Methods that come from an embedded field.
OPEN = {"Anonymous:error"}
# Whether it is "from different packages" or "scopes" depends on methods of the host's type; a method with a small
# letter is told with the package that the host's interface is of.
WITHOUT_MESSAGE = {"Most:*lib.Limit", "Hidden:interface{ hidden() }"}


def outcome(host: Path, plugin: Path, required: str) -> tuple[Outcome, str | None]:
    policy = Policy(requirements=(Requirement.parse(required),))
    (verdict,) = api.check(str(host), str(plugin), policy=policy).plugins
    return verdict.outcome, next((it.message for it in verdict.reasons), None)


OLDER = [pytest.param(version, marks=pytest.mark.full) for version in GO_VERSIONS if version != GO_CURRENT]


@pytest.fixture(scope="module", params=[*OLDER, GO_CURRENT])
def pair(request: pytest.FixtureRequest, go_build: GoBuild) -> tuple[Path, Path]:
    version = request.param
    return go_build(version, FOLDER / "host", mode="exe"), go_build(version, FOLDER / "plugin")


def test_assertions_hold_or_fail_as_they_really_do(pair: tuple[Path, Path], tmp_path: Path) -> None:
    host, plugin = pair
    done = subprocess.run([host, plugin], capture_output=True, text=True, check=True, timeout=60)
    snapshot = tmp_path / "plugin.json"
    snapshot.write_text(write_snapshot(api.facts_of(str(plugin), with_types=True, with_loading=True)))
    attempts = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(attempts) > 50
    for required, said in attempts:
        expected = (Outcome.ACCEPTED, None) if said == "holds" else (Outcome.REJECTED, said)
        if required in OPEN:
            expected = (Outcome.UNDECIDED, None)
        elif required in WITHOUT_MESSAGE:
            expected = (Outcome.REJECTED, None)
        assert (required, outcome(host, plugin, required)) == (required, expected)
        assert (required, outcome(host, snapshot, required)) == (required, expected)
        if said != "holds":
            explained = api.explain(f"panic: {said} recovered\n\ngoroutine 1", host, plugin)
            assert isinstance(explained, Explanation)
            assert (said, explained.foreseen) == (said, None if required in OPEN else True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "foo is none of Go's own types; write its package, as in main.foo"),
        ("int foo()", "'foo' is left over"),
        ("func(a int, string)", "either all parameters have names, or none"),
        ("func(...int, string)", "only the last parameter can be variadic"),
        ("func(int", "',' or ')' is missing before 'its end'"),
        ("[n]int", "the length of an array is a number, not 'n'"),
        ("interface{ io.Reader }", "'io.Reader' is no method: write out those of an embedded interface"),
        ("func(int) ->", "'-' is not understood"),
        ("map[string]", "it ends too early"),
        ("*" * 100 + "int", "it is nested too deeply"),
        ("[]" * 10_000 + "int", "longer than 16384 characters"),
    ],
)
def test_what_is_no_go_type_is_said(text: str, why: str, go_build: GoBuild) -> None:
    host, plugin = go_build(GO_CURRENT, FOLDER / "host", mode="exe"), go_build(GO_CURRENT, FOLDER / "plugin")
    with pytest.raises(UsageError) as caught:
        outcome(host, plugin, f"Add:{text}")
    assert why in str(caught.value)


def test_types_from_another_package_name_it(go_build: GoBuild, soinspect: Soinspect) -> None:
    host, plugin = go_build(GO_CURRENT, FOLDER / "host", mode="exe"), go_build(GO_CURRENT, FOLDER / "plugin")
    run = soinspect("check", host, plugin, "--require", "Limited:func(...lib.Limit)")
    assert run.code == 1
    assert "Limited is func(...lib.Limit) of other packages than func(...lib.Limit)" in run.out.splitlines()[0]
    assert "the host has no package example.com/assertions/fork/lib, which the plugin's types are of" in run.out
    run = soinspect("check", host, plugin, "--require", "Add:foo")
    assert (run.code, "is no Go type" in run.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("add", "add is not exported, since it begins with a small letter"),
        ("aDD", "add is not exported, since it begins with a small letter"),
        ("Own", "Own is a type, and Lookup finds functions and variables"),
        ("Close", "Close is a method of *main.Own, and Lookup finds functions and variables"),
        ("Ad", None),
    ],
)
def test_what_has_the_name_and_is_no_export(name: str, cause: str | None, go_build: GoBuild) -> None:
    host, plugin = go_build(GO_CURRENT, FOLDER / "host", mode="exe"), go_build(GO_CURRENT, FOLDER / "plugin")
    policy = Policy(requirements=(Requirement.parse(name),))
    (reason,) = api.check(str(host), str(plugin), policy=policy).plugins[0].reasons
    assert reason.cause == cause
    assert reason.evidence[0].startswith("it exports " if cause else "did you mean Add? ")
