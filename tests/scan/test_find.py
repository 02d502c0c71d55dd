"""Which files a scan looks into, and that nothing leads it astray."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from elfwriter import elf64
from scans import found, rows

IMAGE = elf64()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "lib" / "a.so").write_bytes(IMAGE)
    (tmp_path / "lib" / "deep" / "no-suffix").write_bytes(IMAGE + b"1")
    (tmp_path / "lib" / "text.so").write_text("INPUT(-lc)")
    (tmp_path / "lib" / "empty.so").touch()
    return tmp_path


def test_objects_are_found_by_their_contents(tree: Path) -> None:
    assert found(tree) == {f"{tree}/lib/a.so": None, f"{tree}/lib/deep/no-suffix": None}
    assert found(f"{tree}/l*/*") == found(tree)
    assert found(f"{tree}/**/*.so") == {f"{tree}/lib/a.so": None}


def test_links_are_not_followed_but_where_they_are_named(tree: Path) -> None:
    (tree / "lib" / "loop").symlink_to(tree)
    (tree / "lib" / "self").symlink_to("self")
    (tree / "out").symlink_to("/usr/lib")
    (tree / "link.so").symlink_to("lib/a.so")
    assert set(found(tree)) == {f"{tree}/lib/a.so", f"{tree}/lib/deep/no-suffix"}
    assert found(tree / "link.so") == {f"{tree}/link.so": None}
    assert list(found(tree / "lib" / "self").values()) != [None]


def test_an_image_is_not_left(tree: Path) -> None:
    (tree / "lib64").symlink_to("/lib")
    (tree / "up").symlink_to("../../../../../../lib/a.so")
    assert set(found("/", root=tree)) == {"/lib/a.so", "/lib/deep/no-suffix"}
    assert set(found("/lib64", root=tree)) == {"/lib64/a.so", "/lib64/deep/no-suffix"}
    assert found("/up", root=tree) == {"/up": None}
    assert found("/lib/*.so", root=tree) == {"/lib/a.so": None}
    assert found("/etc/passwd", root=tree) == {"/etc/passwd": "no such file"}


def test_what_is_no_regular_file_is_passed_over(tree: Path) -> None:
    os.mkfifo(tree / "lib" / "fifo.so")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(tree)  # the path of a socket may be 108 bytes long
        try:
            listening.bind("lib/socket.so")
        finally:
            os.chdir(before)
        assert set(found(tree)) == {f"{tree}/lib/a.so", f"{tree}/lib/deep/no-suffix"}
    assert found(tree / "lib" / "fifo.so") == {f"{tree}/lib/fifo.so": "is not a regular file"}
    assert found("/proc/self", "/sys/kernel") == {}


def test_what_is_named_and_no_object_is_a_row(tree: Path) -> None:
    assert found(tree / "lib" / "empty.so", tree / "gone", tree / "lib" / "text.so") == {
        f"{tree}/lib/empty.so": "is empty (0 bytes)",
        f"{tree}/gone": "no such file",
        f"{tree}/lib/text.so": "a linker script (text); the library it points to is named inside: INPUT(-lc)",
    }


def test_what_may_not_be_read_is_a_row() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "a.so").touch(0)
        (folder / "deep").mkdir(0)
        effective = os.geteuid()
        if effective == 0:
            os.seteuid(65534)  # root may read everything
        try:
            assert found(folder) == {f"{folder}/a.so": "permission denied", f"{folder}/deep": "permission denied"}
        finally:
            os.seteuid(effective)


def test_a_path_is_answered_once(tree: Path) -> None:
    assert [row.path for row in rows(tree, tree / "lib", tree / "lib" / "a.so")] == [
        f"{tree}/lib/a.so",
        f"{tree}/lib/deep/no-suffix",
    ]


def test_copies_and_links_of_a_file_are_told(tree: Path) -> None:
    (tree / "lib" / "hard.so").hardlink_to(tree / "lib" / "a.so")
    (tree / "z-copy.so").write_bytes(IMAGE)
    other = bytearray(IMAGE)
    other[9] = 1  # a byte of padding: all facts of the row are the same
    (tree / "z-other.so").write_bytes(other)
    same = {Path(row.path).name: row.same_as for row in rows(tree)}
    first = f"{tree}/z-copy.so"
    assert same == {
        "z-copy.so": None,
        "z-other.so": None,
        "a.so": first,
        "hard.so": first,
        "no-suffix": None,
    }
