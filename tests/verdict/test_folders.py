"""Packages that host and plugin took from different folders: the cause is named, and the fix works."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import FIXTURES, GoToolchains, Soinspect
from gopairs import really_open
from soinspect import api
from soinspect.model.verdict import Outcome

SOURCES = FIXTURES / "go-host-and-plugins"
LIBRARY = "example.com/library"
VERSION = "1.27.3"

Go = Callable[..., None]


@pytest.fixture
def go(go_toolchains: GoToolchains, tmp_path: Path) -> Go:
    """Run a command line with the toolchain on the path, in a folder of ``tmp_path``."""
    environment = go_toolchains[VERSION].environment(GO111MODULE="on")

    def run(line: str, folder: str) -> None:
        subprocess.run(["bash", "-euc", line], cwd=tmp_path / folder, env=environment, check=True, capture_output=True)

    return run


def module(folder: Path, source: str) -> None:
    """A module with one of the fixture's programs, which takes the library from the folder beside it."""
    shutil.copytree(SOURCES / source, folder)
    (folder / "go.mod").write_text(
        f"module example.com/{source}\n\ngo 1.21\n\nrequire {LIBRARY} v1.0.0\n\nreplace {LIBRARY} => ../library\n"
    )
    library = folder.parent / "library"
    if not library.exists():
        library.mkdir()
        text = (SOURCES / "library" / "v1.0.0.go").read_text()
        (library / "library.go").write_text(f"{text}\ntype Name string\n")
        (library / "go.mod").write_text(f"module {LIBRARY}\n\ngo 1.21\n")


@pytest.fixture
def host(tmp_path: Path, go: Go) -> Path:
    module(tmp_path / "host", "host-with-library")
    go("go build -o host .", "host")
    return tmp_path / "host" / "host"


@pytest.mark.parametrize("how", ["vendored", "elsewhere", "elsewhere, types only"])
def test_the_folders_are_the_cause_and_the_fix_works(how: str, host: Path, go: Go, tmp_path: Path) -> None:
    folder = tmp_path / ("plugin" if how == "vendored" else "other/plugin")
    module(folder, "second-with-library")
    came_from = folder.parent / "library"
    if how == "vendored":
        go("go mod vendor", "plugin")
        came_from = folder / "vendor" / LIBRARY
    elif how != "elsewhere":  # the table of functions names no file of the library then
        (folder / "main.go").write_text(
            f'package main\n\nimport "{LIBRARY}"\n\nfunc Who() library.Name {{ return "second" }}\n'
        )
    where = str(folder.relative_to(tmp_path))
    plugin = folder / "plugin.so"
    go("go build -buildmode=plugin -o plugin.so .", where)
    (reason,) = api.check(str(host), str(plugin)).plugins[0].reasons
    assert reason.cause == f"{LIBRARY} comes from {tmp_path / 'library'} in host, from {came_from} in plugin"
    assert [it.outcome for it in really_open(host, [plugin])] == [Outcome.REJECTED]
    go(reason.fix, where)
    assert [it.outcome for it in really_open(host, [plugin])] == [Outcome.ACCEPTED]
    assert api.check(str(host), str(plugin)).outcome is Outcome.ACCEPTED


def test_a_vendored_host_is_met_without_folders(host: Path, go: Go, tmp_path: Path, soinspect: Soinspect) -> None:
    module(tmp_path / "plugin", "second-with-library")
    go("go mod vendor && go build -o host .", "host")
    go("go build -buildmode=plugin -o plugin.so .", "plugin")
    plugin = tmp_path / "plugin" / "plugin.so"
    (reason,) = api.check(str(host), str(plugin)).plugins[0].reasons
    line, _, rest = reason.fix.partition("  ")
    assert rest == "(and build host with -trimpath, too)"
    saved = tmp_path / "host.json"
    assert soinspect("snapshot", host, "-o", saved).code == 0
    assert api.check(str(saved), str(plugin)).plugins[0].reasons[0].cause == reason.cause
    go(line, "plugin")
    go("go build -trimpath -o host .", "host")
    assert [it.outcome for it in really_open(host, [plugin])] == [Outcome.ACCEPTED]


def test_other_contents_of_one_folder_are_not_called_another_folder(host: Path, go: Go, tmp_path: Path) -> None:
    source = tmp_path / "library/library.go"
    source.write_text(source.read_text().replace("Hello", "Goodbye"))
    module(tmp_path / "plugin", "second-with-library")
    go("go build -buildmode=plugin -o plugin.so .", "plugin")
    (reason,) = api.check(str(host), str(tmp_path / "plugin/plugin.so")).plugins[0].reasons
    assert reason.cause is None
    assert "other contents" in reason.evidence[-1]
    go("go build -o host .", "host")
    go(reason.fix, "plugin")
    assert [it.outcome for it in really_open(host, [tmp_path / "plugin/plugin.so"])] == [Outcome.ACCEPTED]
