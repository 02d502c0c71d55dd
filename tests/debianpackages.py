"""Debian's packages for other machines, fetched and unpacked aside: nothing of the system's apt is used or changed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

_ARCHIVE = "deb http://deb.debian.org/debian {suite} main\n"
_NEWER = frozenset({"riscv64"})  # joined Debian with trixie

# More than twenty packages of libraries, under the names they have in both releases, then in each.
_PACKAGES = (
    "libc6 libstdc++6 libgcc-s1 zlib1g libcrypt1 libsqlite3-0 libexpat1 libxml2 libjpeg62-turbo libfreetype6 "
    "libpcre2-8-0 libzstd1 liblzma5 libbz2-1.0 libtinfo6 libncursesw6 libpam0g libgmp10 libffi8 libgomp1 "
    "liblua5.4-0"
)
_IN_BOOKWORM = "libssl3 libcurl4 libglib2.0-0 libpng16-16 libreadline8 libuv1"
_IN_TRIXIE = "libssl3t64 libcurl4t64 libglib2.0-0t64 libpng16-16t64 libreadline8t64 libuv1t64"


def fetch(machine: str, folder: Path) -> Sequence[Path]:
    """The packages for a machine (as Debian calls it), each unpacked in a folder of its own below ``folder``."""
    suite = "trixie" if machine in _NEWER else "bookworm"
    for name in ("state/lists/partial", "cache/archives/partial", "packages", "roots"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(_ARCHIVE.format(suite=suite))
    settings = {
        "APT::Architecture": machine,
        "APT::Architectures": machine,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
    wanted = f"{_PACKAGES} {_IN_TRIXIE if machine in _NEWER else _IN_BOOKWORM}".split()
    for command in (["update"], ["download", *wanted]):
        subprocess.run([*apt, *command], cwd=folder / "packages", check=True, capture_output=True)
    roots = []
    for package in sorted((folder / "packages").glob("*.deb")):
        roots.append(folder / "roots" / package.name.partition("_")[0])
        subprocess.run(["dpkg-deb", "-x", package, roots[-1]], check=True)
    assert len(roots) == len(wanted)
    return roots
