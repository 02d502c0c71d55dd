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


def test_patterns_end_where_links_lead_in_circles(tree: Path) -> None:
    for name in "abc":  # three ways on in each of some forty levels
        (tree / name).symlink_to(".")
    assert set(found(f"{tree}/**/*.so")) == {f"{tree}/lib/a.so"}
    assert set(found(f"{tree}/**/**/deep/*")) == {f"{tree}/lib/deep/no-suffix"}
    assert set(found(f"{tree}/lib/**")) == set(found(tree / "lib"))
    assert set(found(f"{tree}/[ab]/lib/a.so")) == {f"{tree}/a/lib/a.so", f"{tree}/b/lib/a.so"}


def test_an_image_is_not_left(tree: Path) -> None:
    (tree / "lib64").symlink_to("/lib")
    (tree / "up").symlink_to("../../../../../../lib/a.so")
    assert set(found("/", root=tree)) == {"/lib/a.so", "/lib/deep/no-suffix"}
    assert set(found("/lib64", root=tree)) == {"/lib64/a.so", "/lib64/deep/no-suffix"}
    assert found("/up", root=tree) == {"/up": None}
    assert found("/lib/*.so", root=tree) == {"/lib/a.so": None}
    (tree / "out").symlink_to("/../../usr")
    assert found("/**/*.so", "/o*/*.so", "/o*/**/*", root=tree) == {
        "/lib/a.so": None,
        "/o*/*.so": "no such file",
        "/o*/**/*": "no such file",
    }
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


def test_names_may_be_any_bytes(tree: Path) -> None:
    name = os.fsdecode(b"line\nbreak \xff\x1b[2J.so")
    (tree / name).write_bytes(IMAGE + b"2")
    assert f"{tree}/{name}" in found(tree)


def test_folders_deeper_than_a_path_can_name_are_a_row(tree: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tree)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.chdir(before)
        os.close(before)
    given = found(tree)
    assert list(given.values()).count("file name too long") == 1
    assert given[f"{tree}/lib/a.so"] is None


def test_many_files_are_many_rows(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20_000):
        (folder / f"{number:05}").touch()
    (folder / "last").write_bytes(IMAGE)
    assert found(folder) == {f"{folder}/last": None}
