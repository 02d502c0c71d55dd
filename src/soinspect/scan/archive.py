"""The ELF objects inside of packages (.deb, .whl, .zip, .tar and compressed .tar), read as a stream.

Nothing is written to disk, and one member at a time is in memory. What an archive says of itself is not trusted: it
may not expand out of proportion to its size. Archives inside of archives are left alone.
"""

from __future__ import annotations

import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader, FileIO
from lzma import LZMAError
from mmap import mmap
from typing import IO

from soinspect.errors import InputError
from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass
from soinspect.scan.decompress import Budget, Metered, expand

_NAME = re.compile(r".+\.(deb|whl|zip|tar(\.(gz|xz|bz2|zst))?|tgz|txz|tbz2?|tzst)", re.IGNORECASE | re.DOTALL)
_ELF = b"\x7fELF"
_MAX_MEMBER = 1 << 30
# What tarfile reads between two members: long names and extended headers.
_MAX_HEADERS = 16 << 20
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = struct.Struct("16s12s6s6s8s10s2s")  # name, mtime, uid, gid, mode, size, end (ar(5))
# What tarfile, zipfile and the decompressors raise for damaged input.
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RecursionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An ELF object of an archive: its name there, and its bytes, or why they are not read.

    ``same_as`` is the name of the earlier member that it is a hard link of.
    """

    name: str
    data: bytes | mmap | Absent
    same_as: str | None = None


def is_archive(name: str) -> bool:
    """Whether a file of this name is looked into for members."""
    return _NAME.fullmatch(name) is not None


def elf_members(path: str, file: BufferedReader[FileIO], size: int) -> Iterator[Member]:
    """The ELF objects of the open archive of ``size`` bytes.

    :raises InputError: it is damaged, or expands out of proportion; the members before that place are given.
    """
    budget = Budget(path, size)
    magic = file.peek(len(_AR_MAGIC))
    try:
        if magic.startswith(b"PK"):
            yield from _zip_members(file, budget)
        elif magic.startswith(_AR_MAGIC):
            yield from _tar_members(expand(path, _debian_data(file), budget), budget)
        else:
            yield from _tar_members(expand(path, file, budget), budget)
    except _DAMAGE as error:
        raise InputError(path, f"damaged archive: {str(error) or type(error).__name__}") from None


def _debian_data(file: BufferedReader[FileIO]) -> BufferedReader[FileIO]:
    """The file, at the beginning of the member of a Debian package that holds what is installed (deb(5))."""
    file.seek(len(_AR_MAGIC))
    while header := file.read(_AR_HEADER.size):
        name, *_, digits, _end = _AR_HEADER.unpack(header)
        if name.startswith(b"data.tar"):
            return file  # it is the last member; the end of a tar archive is marked, and so are those of streams
        size = int(digits)
        file.seek(size + size % 2, os.SEEK_CUR)
    raise EOFError("a Debian package without data.tar")


def _tar_members(stream: Metered, budget: Budget) -> Iterator[Member]:
    found: set[str] = set()
    budget.step = _MAX_HEADERS
    with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
        while (entry := archive.next()) is not None:
            archive.members.clear()  # or all headers would be kept
            budget.step = entry.size + _MAX_HEADERS
            name = entry.name.removeprefix("./")
            if entry.islnk() and entry.linkname.removeprefix("./") in found:
                yield Member(name=name, data=b"", same_as=entry.linkname.removeprefix("./"))
            elif entry.isreg() and entry.size:
                opened = archive.extractfile(entry)
                assert opened is not None  # noqa: S101  (it is a regular file)
                if opened.read(len(_ELF)) == _ELF:
                    found.add(name)
                    if entry.issparse():  # its holes take no bytes of the archive
                        budget.spend(entry.size)
                    yield Member(name=name, data=_whole(opened, entry.size))


def _zip_members(file: BufferedReader[FileIO], budget: Budget) -> Iterator[Member]:
    with zipfile.ZipFile(_Zip(file.fileno(), budget)) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or not entry.file_size:
                continue
            if entry.flag_bits & _ENCRYPTED:
                raise EOFError(f"{entry.filename} is encrypted")
            with archive.open(entry) as opened:
                if opened.read(len(_ELF)) == _ELF:
                    budget.spend(entry.file_size)
                    yield Member(name=entry.filename, data=_whole(opened, entry.file_size))


class _Zip(FileIO):
    """A zip archive whose directory, which zipfile reads at once and makes objects of, is in proportion."""

    def __init__(self, descriptor: int, budget: Budget) -> None:
        super().__init__(descriptor, closefd=False)
        self._budget = budget

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_HEADERS:
            self._budget.refuse_headers()
        return super().read(size)


def _whole(opened: IO[bytes], size: int) -> mmap | Absent:
    """The bytes of a member of which the first four have been read."""
    if size > _MAX_MEMBER:
        return Absent(f"has {size:,} bytes: members of up to {_MAX_MEMBER:,} are read")
    data = mmap(-1, size)
    data.write(_ELF)
    while chunk := opened.read(_CHUNK):
        data.write(chunk)
    if data.tell() < size:
        raise EOFError("ends in the middle of a member")
    return data
