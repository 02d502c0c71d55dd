"""The folders that a system's loader knows by itself: ld.so.cache, ld.so.conf, and what is compiled into it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soinspect.errors import InputError
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.ldcache import LdCache, parse_cache
from soinspect.loader.machines import LoaderMachine
from soinspect.model.image import Header
from soinspect.model.lateclass import dataclass

_CACHE = "/etc/ld.so.cache"
_CONF = "/etc/ld.so.conf"
_MAX_CACHE = 1 << 24
_MAX_CONF = 1 << 20
_MAX_CONF_FILES = 200
_MAX_INTERPRETER = 1 << 22
# glibc keeps its default folders as one run of NUL-terminated texts, each with a slash at its end.
_COMPILED_IN = re.compile(rb"(?:/[\x21-\x7e]{0,250}/\0){1,16}")
_MUSL_DEFAULT = "/lib:/usr/local/lib:/usr/lib"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPaths:
    """Where a loader looks by itself; ``cache`` None where there is none, ``conf`` then stands in for it.

    ``remarks`` says what had to be assumed.
    """

    cache: LdCache | None
    conf: tuple[str, ...]
    folders: tuple[str, ...]
    remarks: tuple[str, ...]


def glibc_paths(files: FileSystem, machine: LoaderMachine, header: Header, interpreter: str) -> SystemPaths:
    """The cache, and the default folders as the loader at ``interpreter`` has them compiled in."""
    remarks: list[str] = []
    cache = None
    data = _read(files, _CACHE, _MAX_CACHE, remarks)
    if data is not None:
        cache = parse_cache(data, header.byteorder)
        remarks += cache.remarks
    conf = tuple(_conf_folders(files, _CONF, set(), remarks)) if cache is None else ()
    if conf:
        remarks.append(f"no {_CACHE}: its place is taken by the folders of {_CONF}, as if ldconfig had been run")
    folders = _compiled_in(_read(files, interpreter, _MAX_INTERPRETER, remarks) or b"")
    if not folders:
        folders = machine.folders
        remarks.append(f"{interpreter} is not there to name its default folders: those of common systems are assumed")
    return SystemPaths(cache=cache, conf=conf, folders=folders, remarks=tuple(remarks))


def musl_paths(files: FileSystem, machine: LoaderMachine, interpreter: str) -> SystemPaths:
    """The folders of ``/etc/ld-musl-ARCH.path``, which takes the place of the default ones."""
    remarks: list[str] = []
    prefix = "/".join(interpreter.split("/")[:-2])
    data = _read(files, f"{prefix}/etc/ld-musl-{machine.musl}.path", _MAX_CONF, remarks)
    text = _MUSL_DEFAULT if data is None else data.decode("utf-8", "surrogateescape")
    folders = tuple(folder for folder in re.split(r"[:\n]", text) if folder)
    return SystemPaths(cache=None, conf=(), folders=folders, remarks=tuple(remarks))


def _read(files: FileSystem, path: str, limit: int, remarks: list[str]) -> bytes | None:
    try:
        return files.read(path, limit)
    except InputError as error:
        remarks.append(f"{path} cannot be read: {error.reason}")
        return None


def _compiled_in(loader: bytes) -> tuple[str, ...]:
    """The default folders in the bytes of a loader, or none if they are not found."""
    for match in _COMPILED_IN.finditer(loader):
        folders = match.group().decode().split("/\0")[:-1]
        if all("lib" in folder for folder in folders):
            return tuple(folders)
    return ()


def _conf_folders(files: FileSystem, path: str, seen: set[str], remarks: list[str]) -> Iterator[str]:
    """The folders of ld.so.conf and of what it includes, in order (ldconfig(8))."""
    if path in seen:
        return
    if len(seen) == _MAX_CONF_FILES:
        remarks.append(f"{_CONF} includes more than {_MAX_CONF_FILES} files: {path} is left out")
        return
    seen.add(path)
    text = (_read(files, path, _MAX_CONF, remarks) or b"").decode("utf-8", "surrogateescape")
    for raw in text.splitlines():
        words = raw.partition("#")[0].split()
        if words[:1] == ["include"]:
            base = path.rpartition("/")[0]
            for pattern in words[1:]:
                for included in files.glob(pattern if pattern.startswith("/") else f"{base}/{pattern}"):
                    yield from _conf_folders(files, included, seen, remarks)
        elif words and words[0] != "hwcap":
            # Since libc 5 a folder may be followed by "=" and a kind of library.
            yield from (folder for folder in re.split(r"[:,]+", ":".join(words).partition("=")[0]) if folder)
