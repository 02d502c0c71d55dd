"""In which order the loader tries paths for a name (ld.so(8); glibc ``_dl_map_object``, musl ``load_library``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.loaded import Loaded
from soinspect.loader.machines import LoaderMachine
from soinspect.loader.systempaths import SystemPaths
from soinspect.model.constants import DynamicFlags1
from soinspect.model.lateclass import dataclass
from soinspect.model.loadplan import FoundBy, Libc

_TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM))")
_MUSL_TOKEN = re.compile(r"\$(?:\{ORIGIN\}|ORIGIN)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A path that the loader tries, and by which rule."""

    place: FoundBy
    path: str


class SearchPath:
    """The search of one loader on one system."""

    def __init__(
        self, files: FileSystem, env: LoaderEnv, libc: Libc, machine: LoaderMachine, system: SystemPaths
    ) -> None:
        self._files = files
        self._env = env
        self._machine = machine
        self._system = system
        self._hwcaps_folders: dict[str, bool] = {}
        self._search: Callable[[str, Loaded, Loaded], Iterator[Candidate]] = (
            self._musl if libc is Libc.MUSL else self._glibc
        )

    def candidates(self, name: str, user: Loaded, main: Loaded) -> Iterator[Candidate]:
        """The paths tried for ``name``, which ``user`` needs in the program ``main``."""
        if "/" in name:
            yield Candidate(place=FoundBy.PATH, path=self._expand(name, user))
        else:
            yield from self._search(name, user, main)

    def _glibc(self, name: str, user: Loaded, main: Loaded) -> Iterator[Candidate]:
        if user.runpath is None:
            chain = list(user.chain())
            for holder in chain if main in chain else [*chain, main]:
                if holder.rpath is not None and holder.runpath is None:
                    yield from self._in_folders(FoundBy.RPATH, self._listed(holder.rpath, holder), name)
        library_path = [self._expand(folder, main) for folder in self._env.library_path]
        yield from self._in_folders(FoundBy.LIBRARY_PATH, library_path, name)
        if user.runpath is not None:
            yield from self._in_folders(FoundBy.RUNPATH, self._listed(user.runpath, user), name)
        no_default = DynamicFlags1.NODEFLIB in user.flags_1
        if self._system.cache is not None:
            path = self._system.cache.lookup(name, self._machine.cache, self._env.hwcaps)
            if path is not None and not (no_default and self._is_default(path)):
                yield Candidate(place=FoundBy.CACHE, path=path)
        yield from self._in_folders(FoundBy.CONF, self._system.conf, name)
        if not no_default:
            yield from self._in_folders(FoundBy.DEFAULT, self._system.folders, name)

    def _musl(self, name: str, user: Loaded, _main: Loaded) -> Iterator[Candidate]:
        for folder in self._env.library_path:
            yield Candidate(place=FoundBy.LIBRARY_PATH, path=f"{folder}/{name}")
        for holder in user.chain():
            listed = holder.runpath if holder.runpath is not None else holder.rpath
            if listed is None:
                continue
            expanded = _MUSL_TOKEN.sub(lambda _: holder.origin, listed)  # noqa: B023  (used at once)
            if "$" in expanded:
                continue  # musl ignores a path with any other token as a whole
            place = FoundBy.RPATH if holder.runpath is None else FoundBy.RUNPATH
            for folder in re.split(r"[:\n]", expanded):
                if folder:
                    yield Candidate(place=place, path=f"{folder}/{name}")
        for folder in self._system.folders:
            yield Candidate(place=FoundBy.DEFAULT, path=f"{folder}/{name}")

    def _in_folders(self, place: FoundBy, folders: Iterable[str], name: str
                    ) -> Iterator[Candidate]:  # fmt: skip
        for folder in folders:
            base = folder.rstrip("/") if folder else "."
            for hwcap in self._env.hwcaps:
                if self._has_hwcaps(base, hwcap):
                    yield Candidate(place=place, path=f"{base}/glibc-hwcaps/{hwcap}/{name}")
            yield Candidate(place=place, path=f"{base}/{name}")

    def _has_hwcaps(self, base: str, hwcap: str) -> bool:
        folder = f"{base}/glibc-hwcaps/{hwcap}"
        if folder not in self._hwcaps_folders:
            self._hwcaps_folders[folder] = self._files.is_folder(folder)
        return self._hwcaps_folders[folder]

    def _listed(self, path: str, holder: Loaded) -> list[str]:
        return [self._expand(folder, holder) for folder in path.split(":")] if path else []

    def _expand(self, text: str, holder: Loaded) -> str:
        if "$" not in text:
            return text
        values = {"ORIGIN": holder.origin, "LIB": self._lib, "PLATFORM": self._machine.platform}
        return _TOKEN.sub(lambda match: values[match[1] or match[2]], text)

    @property
    def _lib(self) -> str:
        """``$LIB``: what the loader was built with is the last part of its first default folder."""
        first = next(iter(self._system.folders), "")
        return first[1:] if first.startswith("/lib") else first.rpartition("/")[2]

    def _is_default(self, path: str) -> bool:
        return path.rpartition("/")[0] in self._system.folders
