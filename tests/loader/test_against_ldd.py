"""The closure and the unresolved symbols of the system's own files equal what ldd -r finds by loading them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from soinspect import api
from soinspect.errors import InputError
from soinspect.loader.environment import LoaderEnv, hwcaps_of

SAMPLE, CAP = 30, 500
FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/local/lib", "/usr/local/bin")
LIBRARY = re.compile(r"\t(?:(?P<name>\S+) => )?(?P<path>/\S+|not found)(?: \(0x[0-9a-f]+\))?")
UNDEFINED = re.compile(r"undefined symbol: (?P<symbol>[^\t,]+)(?:, version (?P<version>\S+))?\t\((?P<user>.+)\)")
ENVIRONMENT = LoaderEnv(hwcaps=hwcaps_of(Path("/proc/cpuinfo").read_text()))


def dynamic_files(cap: int) -> list[Path]:
    """Executables and shared objects of the system folders, each once, evenly chosen."""
    found: dict[tuple[int, int], Path] = {}
    for folder in FOLDERS:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_symlink() or not path.is_file() or not (".so" in path.name or os.access(path, os.X_OK)):
                continue
            with path.open("rb") as file:
                start = file.read(20)
            # Files for other machines are run by other loaders.
            if start[:6] == b"\x7fELF\x02\x01" and start[16] in (2, 3) and start[18] == 62:
                status = path.stat()
                found.setdefault((status.st_dev, status.st_ino), path)
    paths = list(found.values())
    return paths[:: max(1, len(paths) // cap)][:cap]


def ldd(path: Path) -> tuple[dict[str, str], set[tuple[str, str | None, str]]] | None:
    """The libraries that ``ldd -r`` names, and the undefined symbols with version and user; None if it is static."""
    environment = {**os.environ, "LC_ALL": "C"}
    environment.pop("LD_LIBRARY_PATH", None)
    done = subprocess.run(["ldd", "-r", path], capture_output=True, text=True, check=False, env=environment)
    text = done.stdout + done.stderr
    if "statically linked" in text or "not a dynamic executable" in text:
        return None
    matches = [m for m in map(LIBRARY.fullmatch, done.stdout.splitlines()) if m]
    libraries = {m["name"] or m["path"]: m["path"] for m in matches}
    undefined = {(m["symbol"], m["version"], m["user"]) for m in UNDEFINED.finditer(text)}
    return libraries, undefined


def differences(path: Path) -> Iterator[str]:
    theirs = ldd(path)
    try:
        plan = api.dependencies(str(path), ENVIRONMENT)
    except InputError as error:
        yield f"{path}: {error}"
        return
    if theirs is None:
        if len(plan.objects) > 1 or plan.missing:
            yield f"{path}: static for ldd, not for us"
        return
    found = {it.path for it in plan.objects[1:]}
    found_by_ldd = {place for place in theirs[0].values() if place != "not found"}
    missing_by_ldd = {name for name, place in theirs[0].items() if place == "not found"}
    if found != found_by_ldd:
        yield f"{path}: only ldd {found_by_ldd - found}, only we {found - found_by_ldd}"
    if {it.name for it in plan.missing} != missing_by_ldd:
        yield f"{path}: missing {plan.missing} instead of {missing_by_ldd}"
    unresolved = {(it.symbol, it.version, it.user) for it in plan.unresolved}
    undefined = theirs[1]
    if missing_by_ldd:  # of a library that is not there, ldd does not always know the version that is asked for
        unresolved = {(symbol, None, user) for symbol, _, user in unresolved}
        undefined = {(symbol, None, user) for symbol, _, user in undefined}
    if unresolved != undefined:
        yield f"{path}: only ldd {list(undefined - unresolved)[:5]}, only we {list(unresolved - undefined)[:5]}"


@pytest.mark.parametrize("cap", [SAMPLE, pytest.param(CAP, marks=pytest.mark.full)])
def test_system_files_load_as_ldd_loads_them(cap: int) -> None:
    paths = dynamic_files(cap)
    assert len(paths) >= SAMPLE
    assert [line for path in paths for line in differences(path)] == []
