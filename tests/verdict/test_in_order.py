"""Several plugins in one host: what is foreseen is what really happens, in the order given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gopairs import GoPairs, compare
from soinspect import api
from soinspect.model.verdict import Outcome

if TYPE_CHECKING:
    from conftest import GoBuild

NEW, OLD = "1.27.3", "1.24.11"
LIBRARY = "/lib/x86_64-linux-gnu/libm.so.6"


def rules(host: Path, *plugins: Path) -> list[str]:
    """The reason that decides for each plugin, or nothing."""
    verdict = api.check(host, *plugins)
    return [plugin.reasons[0].rule if plugin.reasons else "" for plugin in verdict.plugins]


def test_a_copy_is_the_same_plugin(pairs: GoPairs, tmp_path: Path) -> None:
    host, first, second = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain"), pairs.plugin(NEW, "second")
    copy = Path(shutil.copy(first, tmp_path / "copy.so"))
    real, foreseen = compare(pairs, host, first, copy, first, second, copy)
    assert real == foreseen
    assert rules(host, first, copy, first, second, copy) == [
        "", "check.go.already-loaded", "", "", "check.go.previous-failure",
    ]  # fmt: skip


def test_a_link_is_the_same_file(pairs: GoPairs, tmp_path: Path) -> None:
    host, first = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain")
    link = tmp_path / "link.so"
    link.symlink_to(first)
    real, foreseen = compare(pairs, host, first, link)
    assert real == foreseen
    assert [seen.outcome for seen in real] == [Outcome.ACCEPTED] * 2


def test_whichever_of_two_builds_of_a_package_comes_second_fails(pairs: GoPairs) -> None:
    host = pairs.host(NEW, "plain")
    older, newer = pairs.plugin(NEW, "library 1.0.0"), pairs.plugin(NEW, "library 1.1.0")
    for order in ((older, newer), (newer, older)):
        real, foreseen = compare(pairs, host, *order)
        assert real == foreseen
        assert [seen.outcome for seen in real] == [Outcome.ACCEPTED, Outcome.REJECTED]
    reason = api.check(str(host), str(older), str(newer)).plugins[1].reasons[0]
    assert reason.rule == "check.go.package-hash-in-order"
    assert reason.summary == (
        "1 of 1 shared packages differs from those that plugin-library-1.0.0.so brought: example.com/library is v1.0.0"
        " in plugin-library-1.0.0.so, v1.1.0 in plugin-library-1.1.0.so"
    )
    assert "opened in the other order, plugin-library-1.0.0.so is the one that fails" in reason.evidence
    assert reason.fix.startswith("go get example.com/library@v1.0.0 && go build -buildmode=plugin")


def test_even_a_refused_plugin_leaves_its_packages(pairs: GoPairs) -> None:
    """dlopen keeps what plugin.Open refuses: strings comes with the first plugin, and is compared with."""
    host = pairs.host(NEW, "library 1.0.0")
    refused, plain = pairs.plugin(NEW, "library 1.1.0"), pairs.plugin(NEW, "library 1.0.0")
    real, foreseen = compare(pairs, host, refused, plain)
    assert real == foreseen
    assert [seen.outcome for seen in real] == [Outcome.REJECTED, Outcome.ACCEPTED]
    bare = pairs.host(NEW, "plain")
    real, foreseen = compare(pairs, bare, pairs.plugin(NEW, "trimpath"), refused, plain)
    assert real == foreseen
    assert [seen.outcome for seen in real] == [Outcome.REJECTED, Outcome.ACCEPTED, Outcome.REJECTED]


@pytest.mark.parametrize("other", ["1.21.13", "1.27.3"])
def test_a_plugin_of_another_layout_hides_all_that_follow(pairs: GoPairs, other: str) -> None:
    host, first, second = (pairs.host(OLD, "plain"), pairs.plugin(OLD, "plain"), pairs.plugin(OLD, "second"))
    foreign = pairs.plugin(other, "library 1.0.0")
    real, foreseen = compare(pairs, host, first, foreign, second, first)
    assert real == foreseen
    assert rules(host, first, foreign, second) == ["", "check.go.module-link", "check.go.module-link"]


def test_a_library_after_a_plugin_is_taken_for_it(pairs: GoPairs) -> None:
    host, first, second = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain"), pairs.plugin(NEW, "second")
    real, foreseen = compare(pairs, host, first, Path(LIBRARY), second, Path(LIBRARY))
    assert real == foreseen
    assert [seen.outcome for seen in real][:3] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]


def test_nothing_comes_after_the_death_of_the_host(pairs: GoPairs) -> None:
    host, first = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain")
    real, foreseen = compare(pairs, host, Path(LIBRARY), first)
    assert real == foreseen
    assert rules(host, Path(LIBRARY), first) == ["check.go.not-a-plugin", "check.go.host-gone"]


def test_other_files_than_plugins(pairs: GoPairs, go_build: GoBuild) -> None:
    host = pairs.host(NEW, "plain")
    c_shared = go_build(NEW, Path(__file__).parents[2] / "fixtures/go-c-shared-library/library.go", mode="c-shared")
    for other, rule in (
        (pairs.host(OLD, "plain"), "check.dlopen.file"),
        (pairs.host(NEW, "pie"), "check.dlopen.file"),
        (c_shared, "check.go.not-a-plugin"),
    ):
        real, foreseen = compare(pairs, host, other)
        assert real == foreseen
        assert rules(host, other) == [rule]
