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
            struct link_map *map = dlopen(arguments[1], RTLD_NOW);
            puts(map ? map->l_name : dlerror());
            return 0;
        }
        """
    )
    command = ["gcc", "host.c", "-o", "host", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/plugins", "-ldl"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "plugins").mkdir()
    return tmp_path


def found_by_dlopen(host: Path, name: str) -> str:
    return subprocess.run(["./host", name], cwd=host, capture_output=True, text=True, check=True).stdout.strip()


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


def test_go_knows_no_search(pairs: GoPairs, soinspect: Soinspect) -> None:
    host = pairs.host("1.27.3", "trimpath")
    assert "dlopen(" not in soinspect("check", host, "plugin1.so", cwd=FIXTURES).out
