"""The demonstration's own host and C prototype still do what its README says."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gohosts import go_facts

if TYPE_CHECKING:
    from conftest import GoToolchains

DEMO = Path(__file__).parents[2] / "fixtures" / "go-plugin-demo"


def test_the_demonstration_runs(go_toolchains: GoToolchains, tmp_path: Path) -> None:
    toolchain = go_toolchains["1.27.3"]
    flags = ("-trimpath", "-ldflags=-s -w")
    for plugin in ("plugin1", "plugin2"):
        source = f"plugins/{plugin}.go"
        toolchain.run("build", *flags, "-buildmode=plugin", "-o", tmp_path / f"{plugin}.so", source, cwd=DEMO)
    toolchain.run("build", *flags, "-o", tmp_path / "host", "main.go", cwd=DEMO)
    printed = [
        subprocess.run(["./host"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True).stdout
        for variables in ({}, {"PLUGIN_NUMBER": "2"})
    ]
    assert "".join(printed).splitlines() == [
        "plugin 1: init has run, I = 7",
        "plugin 1: Run was called",
        "host: I is 7",
        "plugin 1: I = 8",
        "plugin 2: init has run, I = 41",
        "plugin 2: Run was called",
        "host: I is 41",
        "plugin 2: I = 42",
    ]


def test_the_c_prototype_dies_in_the_plugins_function(tmp_path: Path) -> None:
    subprocess.run(["gcc", "-Wall", "-o", tmp_path / "raw", DEMO / "raw.c", "-ldl"], check=True)
    plugin = DEMO.parent / "plugin1.so"
    facts = go_facts(plugin)
    assert facts.plugin
    command = [str(tmp_path / "raw"), str(plugin), f"{facts.plugin.path}.Run"]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGSEGV
    assert died.stderr.startswith("calling plugin/unnamed-")
