"""The object files of a folder, with what they can be recognised by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from soinspect.elf.describe import dynamic_linking
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.go.binary import GoBinary
from soinspect.inspection.saved import is_saved, read_saved
from soinspect.model.absence import Absent
from soinspect.model.golang import GoPlugin
from soinspect.model.series import Candidate
from soinspect.model.snapshot import DynamicLinking

_MAGIC = b"\x7fELF"
_UNNAMED = "plugin/unnamed-"


def candidates(folder: str) -> Iterator[Candidate | InputError]:
    """The ELF files, snapshots and baselines below ``folder`` in the order of their paths; an error for those that
    cannot be read. Symbolic links are not followed: they name files a second time.
    """
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(where, name)  # noqa: PTH118  (names may hold any bytes)
            if os.path.islink(path) or not os.path.isfile(path):  # noqa: PTH113, PTH114
                continue
            try:
                found = _candidate(path, os.path.relpath(path, folder))
            except InputError as error:
                yield error
            else:
                if found:
                    yield found


def _candidate(path: str, relative: str) -> Candidate | None:
    """The file as a candidate, or None if it is no object file."""
    if is_saved(path):
        facts = read_saved(path).snapshot
        plugin = facts.go.plugin if facts.go else None
        return _identified(path, relative, facts.dynamic, plugin or None)
    try:
        with Path(path).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
    except OSError as error:
        raise InputError(path, (error.strerror or "cannot be read").lower()) from None
    with ElfFile.open(path) as elf:
        go = GoBinary.of(elf)
        return _identified(path, relative, dynamic_linking(elf), None if isinstance(go, Absent) else go.plugin or None)


def _identified(path: str, relative: str, dynamic: DynamicLinking | Absent, plugin: GoPlugin | None) -> Candidate:
    return Candidate(
        path=path,
        relative=relative,
        soname=dynamic.soname if dynamic else None,
        plugin_path=plugin.path if plugin and not plugin.path.startswith(_UNNAMED) else None,
    )
