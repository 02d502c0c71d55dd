"""Real plugins, from Debian's packages: recognised, without problems, and with the versions of their packages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from soinspect import api
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.pluginkind import PluginKind

pytestmark = pytest.mark.full

# package, where its plugins are, their kind, how many there are at least, the fact to be the package's version
PACKAGES = (
    ("postgresql-*", "usr/lib/postgresql/*/lib/*.so", "postgresql", 40, "PostgreSQL"),
    ("php8.*-common", "usr/lib/php/*/*.so", "php", 10, "version"),
    ("libnginx-mod-stream", "usr/lib/nginx/modules/*.so", "nginx", 1, "nginx"),
    ("apache2-bin", "usr/lib/apache2/modules/*.so", "apache", 80, "Apache"),
    ("gstreamer1.0-plugins-base", "usr/lib/*/gstreamer-1.0/*.so", "gstreamer", 15, "version"),
    ("libqt6sql6-sqlite", "usr/lib/*/qt6/plugins/*/*.so", "qt", 1, "Qt"),
    ("libqt5sql5-sqlite", "usr/lib/*/qt5/plugins/*/*.so", "qt", 1, "Qt"),
    ("mariadb-server", "usr/lib/mysql/plugin/*.so", "mariadb", 5, None),
    ("collectd-core", "usr/lib/collectd/*.so", "collectd", 80, None),
    ("mosquitto", "usr/lib/*/mosquitto_dynamic_security.so", "mosquitto", 1, None),
    ("varnish", "usr/lib/*/varnish/vmods/libvmod_std.so", "varnish", 1, "built for"),
    ("erlang-crypto", "usr/lib/erlang/lib/*/priv/lib/crypto.so", "erlang", 1, None),
    ("emacs-libvterm", "usr/lib/*/emacs-libvterm/*.so", "emacs", 1, None),
    ("swh-plugins", "usr/lib/ladspa/*.so", "ladspa", 80, None),
    ("libpam-modules", "lib/*/security/*.so", "pam", 30, None),
    ("libc6", "usr/lib/*/gconv/*[0-9].so", "gconv", 100, None),
    ("libsasl2-modules", "usr/lib/*/sasl2/*.so.*.*", "sasl", 4, None),
    ("krb5-pkinit", "usr/lib/*/krb5/plugins/*/*.so", "krb5", 1, None),
    ("sudo", "usr/libexec/sudo/sudoers.so", "sudo", 1, None),
    ("opensc-pkcs11", "usr/lib/*/*pkcs11*.so", "pkcs11", 1, None),
    ("python3-lxml", "usr/lib/python3/dist-packages/lxml/*.so", "python", 3, None),
    ("ruby-bcrypt", "usr/lib/*/rubygems-integration/**/*.so", "ruby", 1, None),
    ("lua-socket", "usr/lib/*/liblua5.*.so.*.*", "lua", 5, None),
    ("tcl-tls", "usr/lib/tcltk/*/*/*.so", "tcl", 1, None),
    ("vlc-plugin-base", "usr/lib/*/vlc/plugins/*/*.so", "vlc", 200, None),
    ("libretro-nestopia", "usr/lib/*/libretro/*.so", "libretro", 1, None),
    ("mesa-vulkan-drivers", "usr/lib/*/libvulkan_*.so", "vulkan-driver", 2, None),
)


def debian(package: str, folder: Path) -> tuple[Path, str]:
    """The newest package of this name, unpacked, and its upstream version."""
    names = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(package.replace("+", r"\+").replace("*", r"[\d.]+"))
    name = max(name for name in names if pattern.fullmatch(name))
    subprocess.run(["apt-get", "download", "-qq", name], cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / "files"], check=True)
    version = subprocess.run(["dpkg-deb", "-f", archive, "Version"], capture_output=True, text=True, check=True).stdout
    return folder / "files", re.sub(r"^\d+:|[-+].*$", "", version.strip())


@pytest.mark.parametrize(("package", "where", "kind", "at_least", "fact"), PACKAGES, ids=[row[0] for row in PACKAGES])
def test_real_plugins(package: str, where: str, kind: str, at_least: int, fact: str | None, tmp_path: Path) -> None:
    files, version = debian(package, tmp_path)
    paths = [path for path in files.glob(where) if not path.is_symlink()]
    found = [(path, it) for path in paths for it in api.plugin_kinds(str(path)) if it.id == kind]
    assert len(found) >= at_least, paths
    for path, it in found:
        assert not [problem for problem in it.problems if problem.refused], path
        assert not [one for one in it.facts if isinstance(one.value, Absent) and one.name != "linked with"], path
    if fact:
        stated = [one.value for _, it in found for one in it.facts if one.name == fact]
        assert stated
        agreeing = [value for value in stated if version in str(value) or version.startswith(f"{value}.")]
        assert len(agreeing) >= len(stated) / 2, (version, stated)


def test_libraries_of_this_machine_are_no_refused_plugins() -> None:
    """What is installed works: whatever we take for a plugin must have nothing that its host refuses."""
    refused = [(path, kind.problems) for path, kind in installed() if any(p.refused for p in kind.problems)]
    assert refused == []


def installed() -> Iterator[tuple[Path, PluginKind]]:
    for path in sorted(Path("/usr/lib").rglob("*.so*")):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            ElfFile.open(str(path)).image.close()
        except InputError:
            continue
        for kind in api.plugin_kinds(str(path)):
            yield path, kind
