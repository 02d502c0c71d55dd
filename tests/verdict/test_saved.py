"""Snapshots stand in for hosts and plugins: the verdict is that on the files themselves."""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path

import pytest

from conftest import FIXTURES, Soinspect
from gopairs import GoPairs
from soinspect import api
from soinspect.errors import SoinspectError
from soinspect.loader.environment import LoaderEnv
from soinspect.model.verdict import Verdict
from soinspect.saved.snapshotfile import write_snapshot

NEW, OLD = "1.27.3", "1.24.11"
HOSTS = ((NEW, "plain"), (NEW, "trimpath"), (NEW, "pie"), (NEW, "static"), (NEW, "without cgo"), (OLD, "plain"))
PLUGINS = ((NEW, "plain"), (NEW, "trimpath"), (NEW, "library 1.0.0"), (NEW, "renamed path"), (OLD, "plain"))


def save(path: Path, folder: Path) -> Path:
    """A snapshot of a file, under the name of the file."""
    folder.mkdir(exist_ok=True)
    saved = folder / path.name
    saved.write_text(write_snapshot(api.facts_of(str(path), with_types=False, with_loading=True)))
    return saved


def told(verdict: Verdict, folders: dict[Path, Path]) -> str:
    """All that a verdict says, with the folders of saved files called by those of the files."""
    text = repr(verdict)
    for saved, own in folders.items():
        text = text.replace(str(saved), str(own))
    return text


def test_the_verdicts_on_saved_go_files_are_those_on_the_files(pairs: GoPairs, tmp_path: Path) -> None:
    hosts = [pairs.host(*it) for it in HOSTS]
    plugins = [pairs.plugin(*it) for it in PLUGINS]
    saved = {path: save(path, tmp_path / f"saved-{number:02}") for number, path in enumerate((*hosts, *plugins))}
    own = {copy.parent: path.resolve().parent for path, copy in saved.items()}
    outcomes = set()
    for host, plugin in product(hosts, plugins):
        real = api.check(str(host), str(plugin))
        assert told(api.check(str(saved[host]), str(saved[plugin])), own) == told(real, {})
        outcomes.add(real.outcome)
    assert len(outcomes) == 3


def test_a_saved_host_opens_files(pairs: GoPairs, tmp_path: Path, soinspect: Soinspect) -> None:
    host, plugin = pairs.host(NEW, "plain"), FIXTURES / "plugin1.so"
    saved = tmp_path / host.name
    assert soinspect("snapshot", host, "-o", saved).code == 0
    assert soinspect("check", saved, plugin).out == soinspect("check", host, plugin).out
    listed = [soinspect("deps", path).out.replace(str(path), "HOST") for path in (host, saved)]
    assert listed[0] == listed[1]
    text = "plugin was built with a different version of package internal/goarch"
    assert soinspect("explain", text, saved, plugin).out == soinspect("explain", text, host, plugin).out


def test_a_snapshot_without_what_the_loader_looks_at_says_so(tmp_path: Path, soinspect: Soinspect) -> None:
    old = tmp_path / "old.json"
    old.write_text(write_snapshot(api.facts_of(str(FIXTURES / "plugin1.so"))))
    run = soinspect("check", old, old)
    assert (run.code, "soinspect snapshot FILE makes a new one" in run.err) == (2, True)


@pytest.mark.parametrize("seed", range(30))
def test_altered_snapshots_get_a_verdict_or_an_error(seed: int, c_host: Path, tmp_path: Path) -> None:
    """Any number and any name where a sound one stood."""
    body = json.loads(save(c_host, tmp_path / "saved").read_text())
    dice = random.Random(seed)
    facts = body["facts"]
    for _ in range(3):
        holder = dice.choice((facts["loading"], facts["snapshot"]["header"], facts["snapshot"]["symbols"]["symbols"]))
        key = dice.choice(sorted(holder))
        odd = dice.choice((0, -1, 1 << 63, (1 << 64) - 1))
        if isinstance(holder[key], int):
            holder[key] = odd
        elif isinstance(holder[key], list) and holder[key]:
            place = dice.randrange(len(holder[key]))
            holder[key][place] = odd if isinstance(holder[key][place], int) else "\ud800\0x"
    altered = tmp_path / "altered.json"
    altered.write_text(json.dumps(body))
    for host, plugin in ((altered, altered), (c_host, altered), (altered, c_host)):
        try:
            api.check(str(host), str(plugin))
            api.dependencies(str(altered), LoaderEnv())
        except SoinspectError as error:
            assert "\n" not in str(error)  # noqa: PT017
