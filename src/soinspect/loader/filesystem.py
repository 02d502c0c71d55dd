"""Files as a program would see them whose ``/`` is some folder: links never lead out of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.model.lateclass import dataclass

_MAX_LINKS = 40  # as many as Linux follows


@dataclass(frozen=True, slots=True)
class FileId:
    """What makes two paths the same file."""

    device: int
    inode: int


class FileSystem:
    """Paths inside of ``root`` (``"/"``: this machine's own).

    ``known`` are files that are open already, or that stand in for others, by the path that the program names.
    """

    def __init__(self, root: str = "/", known: Mapping[str, ElfFile] | None = None) -> None:
        self.root = os.path.realpath(root)
        self.known = known or {}

    def given(self, path: str) -> str:
        """A path that the user gave, as the program would name it; a file outside of the root keeps its name.

        It may be a path on this machine that lies in the root, or one as it is seen from inside.
        """
        if self.root == "/":
            return path
        real = os.path.realpath(path)
        if real.startswith(self.root + "/") and os.path.lexists(path):
            inside = os.path.relpath(os.path.abspath(path), self.root)  # noqa: PTH100  (links are kept)
            return real[len(self.root) :] if inside.startswith("..") else "/" + inside
        return path

    def place(self, path: str) -> str:
        """Where the file lies that the user gave as ``path``: inside of the root if it is there, else as given."""
        named = self.given(path)
        inside = self.outside(named) if self.identity(named) is not None else None
        return inside or path

    def real(self, path: str) -> str:
        """What the program calls the file that the user gave, once all links are followed."""
        real = os.path.realpath(self.place(path))
        inside = self.root != "/" and real.startswith(self.root + "/")
        return real[len(self.root) :] if inside else real

    def open(self, path: str) -> ElfFile:
        """The ELF file that the program names ``path``.

        :raises InputError: it cannot be read, or is no ELF file.
        """
        return self.known.get(path) or ElfFile.open(self.outside(path) or path)

    def close(self, elf: ElfFile) -> None:
        """Close a file that is not needed after all; those that were open already may have other uses."""
        if elf not in self.known.values():
            elf.image.close()

    def outside(self, path: str) -> str | None:
        """Where ``path`` lies on this machine: links are followed as if the root were ``/``; None where they loop."""
        if self.root == "/":
            return path
        pending = path.split("/")[::-1]
        followed: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if followed:
                    followed.pop()
                continue
            here = "/".join((self.root, *followed, part))
            target = ""
            with suppress(OSError, ValueError):
                target = os.readlink(here)  # noqa: PTH115
            if not target:
                followed.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            if target.startswith("/"):
                followed.clear()
            pending += target.split("/")[::-1]
        return "/".join((self.root, *followed))

    def identity(self, path: str) -> FileId | None:
        """Which file ``path`` is, or None if there is none."""
        place = self.outside(path)
        with suppress(OSError, ValueError):
            if place is not None:
                status = os.stat(place)  # noqa: PTH116
                return FileId(status.st_dev, status.st_ino)
        return None

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder."""
        place = self.outside(path)
        return place is not None and os.path.isdir(place)  # noqa: PTH112

    def read(self, path: str, limit: int) -> bytes | None:
        """The first ``limit`` bytes of a regular file, or None if there is none that can be read.

        :raises InputError: it is there, and is no regular file or cannot be read.
        """
        if path in self.known:
            return self.known[path].image.data[:limit]
        place = self.outside(path)
        if place is None:
            return None
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:  # noqa: PTH123
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise InputError(path, reason.lower()) from None

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The files that match a pattern whose last part alone has wildcards, sorted."""
        from fnmatch import fnmatchcase

        folder, _, last = pattern.rpartition("/")
        place = self.outside(folder or "/")
        names: list[str] = []
        with suppress(OSError, ValueError):
            if place is not None:
                names = os.listdir(place)  # noqa: PTH208
        return tuple(f"{folder}/{name}" for name in sorted(names) if fnmatchcase(name, last))
