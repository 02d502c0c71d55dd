"""A plugin that is named without a slash: what is judged, and what dlopen of that name would find."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile, Soinspect
from gopairs import GoPairs


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host that looks in its folder ``plugins``, and tells where it found what it opened."""
    (tmp_path / "host.c").write_text(
        """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <link.h>
        #include <stdio.h>
        int main(int count, char **arguments) {
            for (char **it = arguments + 1; *it; it++) {
                struct link_map *map = dlopen(*it, RTLD_NOW);
                puts(map ? map->l_name : dlerror());
            }
            return 0;
        }
        """
    )
    command = ["gcc", "host.c", "-o", "host", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/plugins", "-ldl"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "plugins").mkdir()
    return tmp_path


def found_by_dlopen(host: Path, *names: str) -> str:
    """What dlopen says of the last of the names."""
    done = subprocess.run(["./host", *names], cwd=host, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_the_file_here_is_judged_and_what_dlopen_finds_is_told(host: Path, cc: Compile, soinspect: Soinspect) -> None:
    cc("int here;", name="plugin.so")
    nothing = (
        './plugin.so is judged; dlopen("plugin.so") finds nothing: without a slash, it does not look in this folder'
    )
    assert nothing in soinspect("check", "host", "plugin.so", cwd=host).out
    assert "cannot open shared object file" in found_by_dlopen(host, "plugin.so")
    other = cc("int there;", name="plugins/plugin.so")
    run = soinspect("check", "host", "plugin.so", cwd=host)
    assert f'./plugin.so is judged; dlopen("plugin.so") finds {other} (RPATH), since there is no slash in it' in run.out
    assert found_by_dlopen(host, "plugin.so") == str(other)
    for plain in ("./plugin.so", str(other)):
        assert "dlopen(" not in soinspect("check", "host", plain, cwd=host).out


def test_a_name_that_is_not_here_is_sought(host: Path, cc: Compile, soinspect: Soinspect) -> None:
    other = cc("int missing(void); int there(void) { return missing(); }", name="plugins/plugin.so")
    run = soinspect("check", "host", "plugin.so", cwd=host)
    assert run.out.startswith("FAIL plugin.so in host: undefined symbol: missing")
    assert f'dlopen("plugin.so") finds {other} (RPATH): that is judged, since plugin.so is not here' in run.out
    assert f"prints    {found_by_dlopen(host, 'plugin.so')}\n" in run.out
    run = soinspect("check", "host", "libm.so.6", cwd=host)
    assert f'dlopen("libm.so.6") finds {found_by_dlopen(host, "libm.so.6")} (ld.so.cache)' in run.out
    run = soinspect("check", "host", "none.so", cwd=host)
    assert run.code == 2
    assert run.err.startswith(
        f"soinspect: none.so: no such file here, and dlopen finds none either: sought {host}/plugins/none.so, "
    )


def test_the_soname_of_a_plugin_that_was_opened_before(host: Path, cc: Compile, soinspect: Soinspect) -> None:
    first = cc("int first;", "-Wl,-soname,second.so", name="first.so")
    assert found_by_dlopen(host, "./first.so", "second.so") == "./first.so"
    run = soinspect("check", "host", "./first.so", "second.so", cwd=host)
    assert run.out.startswith("OK all 2 plugins in host")
    assert 'dlopen("second.so") finds ./first.so (already loaded)' in run.out
    assert "./first.so is loaded already, by what was opened before: dlopen returns a handle to it" in run.out
    assert "cannot open shared object file" in found_by_dlopen(host, "second.so")
    assert soinspect("check", "host", "second.so", "./first.so", cwd=host).code == 2
    # What was refused answers to no name.
    cc("int missing(void); int first(void) { return missing(); }", "-Wl,-soname,second.so", name=first.name)
    assert "cannot open shared object file" in found_by_dlopen(host, "./first.so", "second.so")
    assert soinspect("check", "host", "./first.so", "second.so", cwd=host).code == 2


@pytest.mark.parametrize("named", ["libc.so.6", None])
def test_a_library_that_the_host_has_anyway(named: str | None, host: Path, soinspect: Soinspect) -> None:
    libc = found_by_dlopen(host, "libc.so.6")
    run = soinspect("check", "host", named or libc, "--fail-on", "risky", cwd=host)
    assert (run.code, run.out.splitlines()[0]) == (0, "OK libc.so.6 in host: every check is passed")
    assert f"{libc} is loaded already, as host needs it: dlopen returns a handle to it, and loads nothing" in run.out


@pytest.mark.parametrize(
    ("named", "inside"),
    [(".", "./*.so"), ("./", "./*.so"), ("sub", "sub/*.so"), ("sub dir/", "'sub dir/'*.so")],
)
@pytest.mark.parametrize("options", [(), ("--require", "run")])
def test_a_folder_is_no_plugin_and_its_files_are_to_be_named(
    named: str, inside: str, options: tuple[str, ...], host: Path, soinspect: Soinspect
) -> None:
    (host / named).mkdir(exist_ok=True)
    run = soinspect("check", *options, "--", "host", named, cwd=host)
    assert (run.code, run.out) == (2, "")
    assert run.err == f"soinspect: {named}: is a folder: name the plugins in it, say {inside}\n"


def test_go_knows_no_search(pairs: GoPairs, soinspect: Soinspect) -> None:
    host = pairs.host("1.27.3", "trimpath")
    assert "dlopen(" not in soinspect("check", host, "plugin1.so", cwd=FIXTURES).out
