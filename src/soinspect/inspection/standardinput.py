"""A file that comes through standard input, where users write ``-`` for its path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.errors import InputError

if TYPE_CHECKING:
    from typing import BinaryIO

STANDARD_INPUT = "-"
NAME = "standard input"
_MAX_SIZE = 1 << 31


def name_of(path: str) -> str:
    """What the file at ``path`` is called in answers."""
    return NAME if path == STANDARD_INPUT else path


def open_elf_file(path: str) -> ElfFile:
    """Open the ELF file at ``path``, or the one that standard input holds, of up to 2 GiB.

    :raises InputError: as :meth:`ElfFile.open`.
    """
    return ElfFile(Image(NAME, read_standard_input())) if path == STANDARD_INPUT else ElfFile.open(path)


def read_standard_input() -> bytes:
    """All that standard input holds.

    :raises InputError: it is empty, or has more than 2 GiB.
    """
    source: BinaryIO = sys.stdin.buffer
    data = source.read(_MAX_SIZE + 1)
    if not data:
        raise InputError(NAME, "is empty (0 bytes)")
    if len(data) > _MAX_SIZE:
        raise InputError(NAME, f"is longer than {_MAX_SIZE} bytes: give the file by its path")
    return data


@contextmanager
def kept_standard_input() -> Iterator[str]:
    """The path of a private file that holds what standard input does, for who must open it by a path.

    :raises InputError: as :func:`read_standard_input`.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="soinspect-") as folder:
        path = Path(folder, NAME)
        path.write_bytes(read_standard_input())
        yield str(path)
