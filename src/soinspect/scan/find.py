"""Finds the files to look into: every regular file below the given folders; links are not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from soinspect.loader.filesystem import FileSystem
from soinspect.model.scan import Candidate, ScanRow

# What such file systems hold are views of the kernel, /proc/kcore among them: an ELF file of 128 TiB.
_PSEUDO = frozenset(
    "binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue proc pstore "
    "securityfs selinuxfs sysfs tracefs".split()
)


def find(paths: Sequence[str], root: str = "/") -> Iterator[Candidate | ScanRow]:
    """The files at ``paths`` and below, in a fixed order; a row for what is named or below, and cannot be read.

    A path is a file, a folder or a pattern (``**`` for any folders but links), as it is seen by a program whose ``/``
    is ``root``. A folder is walked once, whatever leads to it.
    """
    finder = _Finder(FileSystem(root))
    for path in paths:
        matches = finder.expand(path)
        for given in matches or (path,):
            # What a pattern happens to match need not be an ELF file.
            yield from finder.at(given, named=not matches)


class _Finder:
    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._pseudo = frozenset(_pseudo_devices())
        self._walked: set[tuple[int, int]] = set()

    def expand(self, path: str) -> Sequence[str]:
        """What a pattern stands for; a path that exists is no pattern, and stands for nothing."""
        given = self._files.given(path)
        if not has_magic(given) or self._files.identity(given) is not None:
            return ()
        start = "/" if given.startswith("/") or self._files.root != "/" else ""
        matches: set[str] = set()
        pending = [(start, tuple(filter(None, given.split("/"))))]
        seen = set(pending)
        while pending:
            folder, (part, *rest) = pending.pop()
            names, below = self._names(folder, part), tuple(rest)
            steps = [(os.path.join(folder, name), below) for name in names]  # noqa: PTH118
            if part == "**":  # any folders, which may be none
                steps = [(step, (part, *below)) for step, _ in steps] + [(folder, below)]
            matches.update(step for step, left in steps if not left and self._files.identity(step or ".") is not None)
            fresh = {step for step in steps if step[1]} - seen
            seen |= fresh
            pending += fresh
        return sorted(matches)

    def _names(self, folder: str, part: str) -> Sequence[str]:
        """What one part of a pattern stands for in a folder; ``**`` follows no links, which may lead in circles."""
        if not has_magic(part):
            return (part,)
        place = self._files.outside(folder or ".")
        with suppress(OSError, ValueError), os.scandir(place) as entries:
            if part == "**":
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            return [entry.name for entry in entries if fnmatchcase(entry.name, part)]
        return ()

    def at(self, path: str, *, named: bool) -> Iterator[Candidate | ScanRow]:
        given = self._files.given(path)
        place = self._files.outside(given)
        try:
            real = os.path.realpath(place or "", strict=True)
            status = os.stat(real)  # noqa: PTH116
        except (OSError, ValueError) as error:
            yield ScanRow(path=given, error=_reason(error))
            return
        if S_ISDIR(status.st_mode):
            yield from self._walk(real, given)
        elif S_ISREG(status.st_mode):
            yield Candidate(path=real, shown=given, device=status.st_dev, inode=status.st_ino, named=named)
        else:
            yield ScanRow(path=given, error="is not a regular file")

    def _walk(self, real: str, shown: str) -> Iterator[Candidate | ScanRow]:
        pending = [(real, shown)]
        while pending:
            folder, name = pending.pop()
            try:
                status = os.stat(folder, follow_symlinks=False)  # noqa: PTH116
                # Bind mounts can make a tree contain itself.
                if status.st_dev in self._pseudo or (status.st_dev, status.st_ino) in self._walked:
                    continue
                self._walked.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                yield ScanRow(path=name, error=_reason(error))
                continue
            for entry in found:
                if entry.is_file(follow_symlinks=False):
                    yield Candidate(
                        path=entry.path,
                        shown=os.path.join(name, entry.name),  # noqa: PTH118
                        device=status.st_dev,
                        inode=entry.inode(),
                    )
            folders = (entry for entry in reversed(found) if entry.is_dir(follow_symlinks=False))
            pending += ((entry.path, os.path.join(name, entry.name)) for entry in folders)  # noqa: PTH118


def _pseudo_devices() -> Iterator[int]:
    """The devices of mounted file systems that hold no files (proc(5), "mountinfo")."""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            mount, _, source = line.partition(" - ")
            if source.split(" ", 1)[0] in _PSEUDO:
                yield os.makedev(*map(int, mount.split(" ")[2].split(":")))


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
