"""Symbols that an earlier plugin provides: RTLD_LOCAL keeps them from later ones, and the cause is named."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import Compile, Soinspect

HOST = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **arguments) {
    for (int i = 1; i < count; i++)
        puts(dlopen(arguments[i], RTLD_NOW | SCOPE) ? "loaded" : dlerror());
    return 0;
}
"""
PROVIDER = "int provided(void) { return 1; }"
USER = "int provided(void); int run(void) { return provided(); }"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    """A folder with a host for each scope."""
    (tmp_path / "host.c").write_text(HOST)
    for scope in ("LOCAL", "GLOBAL"):
        command = ["gcc", "host.c", f"-DSCOPE=RTLD_{scope}", "-o", scope.lower(), "-ldl"]
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def run(host: str, *plugins: str, cwd: Path) -> list[str]:
    """What a host prints of each plugin that it opens."""
    return subprocess.run([host, *plugins], cwd=cwd, capture_output=True, text=True, check=True).stdout.splitlines()


def reason_of_the_last(soinspect: Soinspect, folder: Path, *plugins: str) -> dict[str, Any]:
    *_, last = soinspect("check", "./local", *plugins, "--format", "json", cwd=folder).json["plugins"]
    (reason,) = last["reasons"]
    assert isinstance(reason, dict)
    return reason


def test_the_earlier_plugin_is_named_and_the_fix_is_true(hosts: Path, cc: Compile, soinspect: Soinspect) -> None:
    cc(PROVIDER, name="first.so")
    cc(USER, name="second.so")
    plugins = ("./first.so", "./second.so")
    reason = reason_of_the_last(soinspect, hosts, *plugins)
    assert run("./local", *plugins, cwd=hosts) == ["loaded", reason["message"]]
    assert reason["cause"] == (
        "./first.so exports it, and was opened with RTLD_LOCAL: what is opened later does not see it"
    )
    assert reason["evidence"][:2] == [
        "neither ./local nor any library that ./second.so is bound to provides provided",
        "./local is taken to open ./first.so with RTLD_LOCAL, as dlopen does by default",
    ]
    assert reason["fix"] == 'dlopen("./first.so", RTLD_NOW | RTLD_GLOBAL)  (or link ./second.so with ./first.so)'
    assert run("./global", *plugins, cwd=hosts) == ["loaded", "loaded"]
    cc(USER, f"-L{hosts}", "-l:first.so", "-Wl,-rpath,$ORIGIN", name="second.so")
    assert run("./local", *plugins, cwd=hosts) == ["loaded", "loaded"]
    assert soinspect("check", "./local", *plugins, cwd=hosts).code == 0


def test_a_library_of_the_earlier_plugin_is_named_with_it(hosts: Path, cc: Compile, soinspect: Soinspect) -> None:
    cc(PROVIDER, name="libprovider.so")
    cc(USER, f"-L{hosts}", "-l:libprovider.so", "-Wl,-rpath,$ORIGIN", name="first.so")
    cc(USER, name="second.so")
    reason = reason_of_the_last(soinspect, hosts, "./first.so", "./second.so")
    assert "libprovider.so, which came with ./first.so, exports it" in reason["cause"]
    assert reason["fix"].startswith('dlopen("./first.so", RTLD_NOW | RTLD_GLOBAL)')


def test_a_plugin_that_was_refused_provides_nothing(hosts: Path, cc: Compile, soinspect: Soinspect) -> None:
    cc(f"{PROVIDER} int missing(void); int call(void) {{ return missing(); }}", name="first.so")
    cc(USER, name="second.so")
    reason = reason_of_the_last(soinspect, hosts, "./first.so", "./second.so")
    assert reason["cause"] is None
    assert reason["evidence"][0] == "neither ./local nor any library that is loaded provides provided"
