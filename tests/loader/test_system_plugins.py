"""Every shared object of the system, opened by a small program: what is predicted is what dlopen says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import FIXTURES
from soinspect import api
from soinspect.loader.environment import LoaderEnv, hwcaps_of
from soinspect.model.loadplan import Effect

CAP = 600


@pytest.mark.full
def test_system_libraries_open_as_predicted(tmp_path: Path) -> None:
    host = tmp_path / "host"
    subprocess.run(["gcc", FIXTURES / "plugins-for-dlopen" / "host.c", "-o", host, "-ldl"], check=True)
    environment = LoaderEnv(hwcaps=hwcaps_of(Path("/proc/cpuinfo").read_text()))
    libraries = [
        path
        for path in sorted(Path("/usr/lib").rglob("*.so*"))
        if not path.is_symlink() and path.is_file() and path.read_bytes()[:4] == b"\x7fELF"
    ]
    for path in libraries[:: max(1, len(libraries) // CAP)][:CAP]:
        (problems,) = api.dlopen_problems(str(host), [str(path)], environment)
        expected = next((it.message for it in problems if it.effect is Effect.REFUSED), "loaded")
        done = subprocess.run([host, path], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
        assert done.stdout.decode(errors="replace").splitlines()[-1] == expected
