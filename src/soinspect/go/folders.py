"""From which folder a Go program took each package: without -trimpath, its hash covers the names of its files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from soinspect.elf.file import ElfFile
from soinspect.errors import FormatError
from soinspect.go.binary import GoBinary
from soinspect.go.pclntab import FunctionTable
from soinspect.model.golang import GoPackageFolder


def package_folders(elf: ElfFile, packages: Iterable[str]) -> tuple[GoPackageFolder, ...]:
    """The folders of ``packages`` and of package main, as far as the file has functions of them."""
    binary = GoBinary.of(elf)
    if not (binary and binary.functions):
        return ()
    own = binary.plugin.path if binary.plugin else "main"
    found = ((package, _folder(binary.functions, package)) for package in packages)
    main = _folder(binary.functions, own.replace("%2e", "."))
    folders = (("main", main), *found)
    return tuple(GoPackageFolder(package=package, folder=folder) for package, folder in folders if folder)


def _folder(functions: FunctionTable, package: str) -> str | None:
    """The folder of the first function that stands in a file; None if none does, or that cannot be read."""
    try:
        files = (PurePosixPath(it.file) for it in functions.functions_of(package) if it.file.endswith(".go"))
        return next((str(file.parent) for file in files), None)
    except FormatError:
        return None
