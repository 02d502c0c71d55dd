"""RTLD_LAZY and RTLD_NOW: what is foreseen for each is what a host that passes it to dlopen goes through."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile, Soinspect
from gopairs import GoPairs

HOST = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **arguments) {
    void *plugin = dlopen(arguments[1], MODE);
    puts(plugin ? "loaded" : dlerror());
    fflush(stdout);
    if (plugin)
        ((int (*)(void))dlsym(plugin, "run"))();
    return 0;
}
"""
CALLS = "int missing(void); int run(void) { return missing(); }"
TAKES_ADDRESS = "int missing(void); int (*volatile address)(void) = missing; int run(void) { return address(); }"
READS = "extern int missing; int run(void) { return missing; }"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A folder with a host for each mode."""
    (tmp_path / "host.c").write_text(HOST)
    for mode in ("NOW", "LAZY"):
        command = ["gcc", "host.c", f"-DMODE=RTLD_{mode}", "-o", mode.lower(), "-ldl"]
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "flags", "loads_lazily"),
    [(CALLS, (), True), (CALLS, ("-Wl,-z,now",), False), (CALLS, ("-fno-plt",), False), (TAKES_ADDRESS, (), False),
     (READS, (), False)],
    ids=["call", "call, bound now", "call without PLT", "address", "data"],
)  # fmt: skip
def test_what_is_foreseen_for_each_mode_happens(
    source: str, flags: tuple[str, ...], loads_lazily: bool, hosts: Path, cc: Compile, soinspect: Soinspect
) -> None:
    cc(source, *flags, name="plugin.so")
    for mode, options, loads in (("now", (), False), ("lazy", ("--lazy",), loads_lazily)):
        done = subprocess.run(
            [f"./{mode}", "./plugin.so"], cwd=hosts, capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
        )
        assert (done.stdout == "loaded\n") == loads
        (reason,) = soinspect("check", f"./{mode}", "./plugin.so", *options, "--format", "json", cwd=hosts).json[
            "plugins"
        ][0]["reasons"]
        assert reason["message"] == (done.stderr if loads else done.stdout).strip()
        assert reason["rule"] == ("check.dlopen.symbol-at-first-call" if loads else "check.dlopen.symbol")
        assert reason["outcome"] == ("accepted" if loads else "rejected")
        assert done.returncode == (127 if loads else 0)


def test_that_it_is_assumed_is_said_where_it_decides(hosts: Path, cc: Compile, soinspect: Soinspect) -> None:
    assumed = "./now is taken to say RTLD_NOW; if it says RTLD_LAZY, use --lazy"
    cc(CALLS, name="plugin.so")
    assert assumed in soinspect("check", "./now", "./plugin.so", cwd=hosts).out
    assert assumed not in soinspect("check", "./now", "./plugin.so", "--lazy", cwd=hosts).out
    for source, flags in ((CALLS, "-Wl,-z,now"), (READS, "-g"), ("int run(void) { return 0; }", "-g")):
        cc(source, flags, name="plugin.so")
        assert "RTLD_LAZY" not in soinspect("check", "./now", "./plugin.so", cwd=hosts).out


def test_a_plugin_that_loads_lazily_stays_for_those_after_it(hosts: Path, cc: Compile, soinspect: Soinspect) -> None:
    cc(f"{CALLS} int api(void) {{ return 1; }}", "-Wl,-soname,libapi.so", name="first.so")
    cc("int api(void); int run(void) { return api(); }", f"-L{hosts}", "-l:first.so", name="second.so")
    plugins = ("./first.so", "./second.so")
    assert soinspect("check", "./lazy", *plugins, "--lazy", cwd=hosts).code == 0
    assert soinspect("check", "./now", *plugins, cwd=hosts).out.startswith("FAIL 2 of 2 plugins in now")


def test_go_says_rtld_now(pairs: GoPairs, soinspect: Soinspect) -> None:
    host = pairs.host("1.27.3", "plain")
    run = soinspect("check", host, FIXTURES / "plugin1.so", "--lazy")
    assert "note      --lazy has no effect: plugin.Open always passes RTLD_NOW to dlopen" in run.out
