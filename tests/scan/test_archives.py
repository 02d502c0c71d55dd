"""Objects inside of packages: found as in folders, and no package can exhaust the reader."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from elfwriter import Sym, elf64
from scans import found, rows

IMAGE = elf64((Sym(name=b"answer"),))
MEMBERS = {"usr/lib/a.so": IMAGE, "usr/share/doc/readme": b"text", "usr/lib/empty.so": b"", "bin/b": elf64(machine=183)}


def tar(**options: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in (MEMBERS | options).items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo("./usr/lib/link.so")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/lib/a.so"
        archive.addfile(link)
        soft = tarfile.TarInfo("./usr/lib/soft.so")
        soft.type, soft.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(soft)
    return buffer.getvalue()


def deb(data: bytes, name: str) -> bytes:
    def member(title: str, contents: bytes) -> bytes:
        header = f"{title:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(contents):<10}`\n".encode()
        return header + contents + b"\n" * (len(contents) % 2)

    return b"!<arch>\n" + member("debian-binary", b"2.0\n") + member("control.tar", b"odd") + member(name, data)


def unchanged(data: bytes) -> bytes:
    return data


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": unchanged,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("kind", ["tar", "deb"])
def test_members_are_rows(kind: str, suffix: str, tmp_path: Path) -> None:
    data = COMPRESSIONS[suffix](tar())
    package = tmp_path / ("p.deb" if kind == "deb" else f"p.tar{suffix}")
    package.write_bytes(deb(data, f"data.tar{suffix}") if kind == "deb" else data)
    given = {row.path.removeprefix(f"{package}!"): row for row in rows(tmp_path)}
    assert list(given) == ["usr/lib/a.so", "bin/b", "usr/lib/link.so"]
    assert all(row.error is None for row in given.values())
    assert (given["usr/lib/a.so"].exports, given["bin/b"].machine) == (1, "aarch64")
    assert given["usr/lib/link.so"].same_as == f"{package}!usr/lib/a.so"


def test_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "p-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    assert found(wheel) == {f"{wheel}!usr/lib/a.so": None, f"{wheel}!bin/b": None}


def bombs() -> dict[str, bytes]:
    zeros = b"\x7fELF" + bytes(1 << 20)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(150):
            archive.writestr(f"{number}.so", zeros)
    header = tarfile.TarInfo("huge.so")
    header.size = 1 << 28
    endless = gzip.compress(header.tobuf() + bytes(1 << 28))
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, 1 << 28
    return {"z.zip": zipped.getvalue(), "t.tar.gz": endless, "x.tar.gz": gzip.compress(pax.tobuf() + bytes(1 << 28))}


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_holes_are_not_read(form: str, tmp_path: Path) -> None:
    """A sparse member of a gibibyte takes ten kilobytes of its archive."""
    member, package = tmp_path / "big.so", tmp_path / "p.tar"
    member.write_bytes(IMAGE)
    os.truncate(member, (1 << 30) - 1)
    subprocess.run(["tar", "-C", tmp_path, "--sparse", f"--format={form}", "-cf", package, member.name], check=True)
    assert package.stat().st_size < 1 << 15
    assert found(package) == {str(package): "expands to more than 200 times its size: not read further"}


def test_a_directory_of_a_million_members_is_not_read(tmp_path: Path) -> None:
    """zipfile would make an object of each of them, and the archive holds none."""
    package, count = tmp_path / "p.zip", 1_000_000
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0) + b"a"
    size = count * len(entry)
    ends = (
        struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0),
        struct.pack("<4sIQI", b"PK\6\7", 0, size, 1),
        struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0),
    )
    package.write_bytes(entry * count + b"".join(ends))
    assert found(package) == {str(package): "its headers are out of proportion: not read further"}


def test_members_go_nowhere(tmp_path: Path) -> None:
    """Neither names that lead upwards nor packages inside of packages are more than names."""
    package = tmp_path / "in" / "p.tar"
    package.parent.mkdir()
    package.write_bytes(tar(**{"../../up.so": elf64(machine=8), "/etc/abs.so": elf64(machine=21), "nested.tar": tar()}))
    assert set(found(package)) == {f"{package}!{name}" for name in (
        "usr/lib/a.so", "bin/b", "../../up.so", "/etc/abs.so", "usr/lib/link.so"
    )}  # fmt: skip
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "p.tar"]


def test_what_expands_out_of_proportion_is_not_read(tmp_path: Path) -> None:
    for name, data in bombs().items():
        (tmp_path / name).write_bytes(data)
    errors = {Path(row.path).name: row.error or "" for row in rows(tmp_path) if row.error and "!" not in row.path}
    assert set(errors) == set(bombs())
    assert "out of proportion" in errors["x.tar.gz"]
    assert all("200 times" in errors[name] for name in ("z.zip", "t.tar.gz"))


@pytest.mark.parametrize("name", ["p.tar", "p.tar.gz", "p.tar.xz", "p.tar.bz2", "p.tar.zst", "p.deb", "p.zip"])
def test_damaged_packages_are_rows(name: str, tmp_path: Path) -> None:
    package = tmp_path / name
    if name == "p.zip":
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("a.so", IMAGE)
        whole = package.read_bytes()
    elif name == "p.deb":
        whole = deb(lzma.compress(tar()), "data.tar.xz")
    else:
        whole = COMPRESSIONS[name.removeprefix("p.tar")](tar())
    for seed in range(60):
        dice = random.Random(seed)
        data = bytearray(whole)
        for _ in range(dice.choice((1, 4))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if seed % 3 == 0:
            del data[dice.randrange(len(data)) :]
        package.write_bytes(data)
        rows(package)  # no exception but those that become rows
    package.write_bytes(whole[: min(len(whole) // 2, 700)])
    assert any(row.error for row in rows(package))


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("a.so", IMAGE)
    data = bytearray(package.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    package.write_bytes(data)
    assert [row.error for row in rows(package)] == ["damaged archive: a.so is encrypted"]


def test_a_member_of_2_to_the_63_bytes(tmp_path: Path) -> None:
    """tarfile would read on at the end of the archive for ever, to get over it."""
    for name, size in (("a", 2**63 - 1), ("b", 2**40), ("c", 2**34)):
        entry = tarfile.TarInfo("x.so")
        entry.size, entry.pax_headers = len(IMAGE), {"size": str(size)}
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            archive.addfile(entry, io.BytesIO(IMAGE))
    errors = {Path(row.path).name: row.error for row in rows(tmp_path)}
    assert errors == {
        **{f"{name}.tar": "damaged archive: ends in the middle of a member" for name in "abc"},
        "a.tar!x.so": f"has {2**63 - 1:,} bytes: members of up to 1,073,741,824 are read",
        "b.tar!x.so": f"has {2**40:,} bytes: members of up to 1,073,741,824 are read",
        "c.tar!x.so": f"has {2**34:,} bytes: members of up to 1,073,741,824 are read",
    }


def test_headers_about_headers_without_end(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, tarfile.BLOCKSIZE
    (tmp_path / "x.tar").write_bytes((header.tobuf(tarfile.GNU_FORMAT) + b"a" * tarfile.BLOCKSIZE) * 5000)
    ((path, error),) = found(tmp_path / "x.tar").items()
    assert path == f"{tmp_path}/x.tar"
    assert error
    assert error.startswith("damaged archive: ")
