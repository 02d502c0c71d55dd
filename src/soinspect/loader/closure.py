"""Which objects are loaded, breadth first, as glibc's ``_dl_map_object_deps`` and musl's ``load_deps`` do it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

from soinspect.elf.file import ElfFile
from soinspect.elf.kind import interpreter as interpreter_of
from soinspect.errors import Unsupported
from soinspect.loader.candidate import NOT_TRIED, Refusal, open_candidate, refusal_to_map
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.loaded import Loaded, folder_of
from soinspect.loader.machines import loader_machine
from soinspect.loader.searchpath import SearchPath
from soinspect.loader.systempaths import glibc_paths, musl_paths
from soinspect.model.image import Header
from soinspect.model.loadplan import Attempt, Dependency, FoundBy, Libc

# The libraries that musl keeps in its loader.
_MUSL_OWN = tuple(f"lib{name}." for name in ("c", "pthread", "rt", "m", "dl", "util", "xnet", "crypt"))
# Far more than any program asks for: a file that names a million libraries is made to keep us busy.
_MAX_ATTEMPTS = 50_000


class Process:
    """A program while it loads: its objects in load order, and the search that finds them.

    Use it as a context manager: it keeps every file open until it ends.
    """

    def __init__(self, env: LoaderEnv, files: FileSystem, main: ElfFile, path: str) -> None:
        """Begin with the program (or the library taken for one) ``main``, which the program's user calls ``path``.

        :raises Unsupported: the loader of its machine is not known here.
        """
        self.header: Header = main.image.header
        machine = loader_machine(self.header)
        if machine is None:
            raise Unsupported(
                path,
                f"built for {self.header.machine.name}, whose loader is not known here",
                "x86, ARM, RISC-V, POWER, S/390 and LoongArch are",
            )
        self.machine = machine
        self.files = files
        self._resources = ExitStack()
        self._resources.callback(files.close, main)
        self.main = Loaded(
            path=path,
            elf=main,
            identity=files.identity(path),
            found_by=FoundBy.GIVEN,
            loader=None,
            origin=_program_origin(files, path),
            names={path},
        )
        self.libc = _libc_of(self.main, files)
        self.interpreter = interpreter_of(main) or (
            f"/lib/ld-musl-{machine.musl}.so.1" if self.libc is Libc.MUSL else machine.interpreter
        )
        system = (
            musl_paths(files, machine, self.interpreter)
            if self.libc is Libc.MUSL
            else glibc_paths(files, machine, self.header, self.interpreter)
        )
        self.remarks: list[str] = list(system.remarks)
        self._search = SearchPath(files, env, self.libc, machine, system)
        self.objects: list[Loaded] = [self.main]
        self.dlopened = False
        self._attempts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def load_dependencies(self, first: Loaded) -> list[Loaded]:
        """Load all that ``first`` needs; its search list: itself, then its dependencies breadth first.

        :raises Unsupported: it asks for more than any program does.
        """
        found: dict[Loaded, None] = {first: None}
        queue = [first]
        for user in queue:  # grows while it is walked
            if not user.needs:
                self._load_needed(user)
            for loaded in user.direct:
                if loaded not in found:
                    found[loaded] = None
                    queue.append(loaded)
        return queue

    def _load_needed(self, user: Loaded) -> None:
        for name in user.needed:
            need, loaded = self._load(name, user)
            user.needs.append(need)
            if loaded is not None:
                user.direct.append(loaded)

    def _load(self, name: str, user: Loaded) -> tuple[Dependency, Loaded | None]:
        self._count_attempt()
        known = self.named(name)
        if known is not None:
            return Dependency(name=name, path=known.path, found_by=FoundBy.LOADED, attempts=(), error=None), known
        if self._is_own(name):
            return self._load_loader(name, user)
        attempts: dict[str, Attempt] = {}
        refused = Refusal(said=NOT_TRIED, detail="")
        for candidate in self._search.candidates(name, user, self.main):
            if candidate.path in attempts:
                continue
            self._count_attempt()
            opened = open_candidate(self.files, candidate.path, self.header, self.libc)
            if not isinstance(opened, Refusal):
                return self._taken(name, candidate.path, candidate.place, user, opened, tuple(attempts.values()))
            attempts[candidate.path] = Attempt(place=candidate.place, path=candidate.path, result=opened.detail)
            if not opened.passed_over:
                return _failed(name, candidate.path, opened.said, tuple(attempts.values())), None
            if not refused.wrong_class:
                refused = opened
        return _failed(name, name, refused.said, tuple(attempts.values())), None

    def find(self, name: str) -> tuple[Dependency, Loaded | None]:
        """What ``dlopen(name)`` would open if the program itself called it; nothing stays loaded.

        :raises Unsupported: as for :meth:`load_dependencies`.
        """
        before = len(self.objects)
        found = self._load(name, self.main)
        self.unload(before)
        return found

    def program_loader(self) -> Dependency | None:
        """The loader that the program names, without which the kernel does not start it; None for a library."""
        if interpreter_of(self.main.elf) is None:
            return None
        found = self.files.identity(self.interpreter) is not None
        return Dependency(
            name=self.interpreter,
            path=self.interpreter if found else None,
            found_by=FoundBy.PATH if found else None,
            attempts=(),
            error=None if found else f"{self.interpreter}: no such file, so the kernel cannot start the program",
        )

    def _count_attempt(self) -> None:
        self._attempts += 1
        if self._attempts > _MAX_ATTEMPTS:
            raise Unsupported(
                self.main.path, f"asks for more than {_MAX_ATTEMPTS} paths", "no program asks for as many"
            )

    def _taken(
        self, name: str, path: str, place: FoundBy, user: Loaded, elf: ElfFile, attempts: tuple[Attempt, ...]
    ) -> tuple[Dependency, Loaded | None]:
        """An opened file becomes an object, unless it is one already or cannot be mapped."""
        identity = self.files.identity(path)
        same = next((it for it in self.objects if it.identity == identity is not None), None)
        if same is not None:
            self.files.close(elf)
            same.names.add(name)
            return Dependency(name=name, path=same.path, found_by=FoundBy.LOADED, attempts=attempts, error=None), same
        refused = refusal_to_map(elf, self.libc, self.libc_version, dlopened=self.dlopened)
        if refused is not None:
            self.files.close(elf)
            return _failed(name, name, refused, attempts), None
        loaded = self.add(elf, path, name, place, user)
        return Dependency(name=name, path=path, found_by=place, attempts=attempts, error=None), loaded

    def add(self, elf: ElfFile, path: str, name: str, place: FoundBy, user: Loaded | None) -> Loaded:
        """Map an open file as an object of the process."""
        self._resources.callback(self.files.close, elf)
        loaded = Loaded(
            path=path,
            elf=elf,
            identity=self.files.identity(path),
            found_by=place,
            loader=user,
            origin=folder_of(path),
            names={name, path},
        )
        self.objects.append(loaded)
        return loaded

    def unload(self, count: int) -> None:
        """Forget all but the first ``count`` objects, as the loader does when dlopen fails."""
        del self.objects[count:]

    def named(self, name: str) -> Loaded | None:
        """The object that answers to ``name``; musl knows no SONAMEs."""
        for loaded in self.objects:
            if name in loaded.names or (self.libc is Libc.GLIBC and loaded.answers_to(name)):
                return loaded
        return None

    @property
    def libc_version(self) -> str | None:
        """The release of the libc, once it is loaded."""
        libc = self.named("libc.so.6" if self.libc is Libc.GLIBC else "libc.so") or self.named(self.interpreter)
        return libc.libc_version if libc else None

    def _is_own(self, name: str) -> bool:
        """Whether the name means the loader, which is in memory before anything is searched for."""
        if name in (self.interpreter, self.interpreter.rpartition("/")[2]):
            return True
        return self.libc is Libc.MUSL and name.startswith(_MUSL_OWN)

    def _load_loader(self, name: str, user: Loaded) -> tuple[Dependency, Loaded | None]:
        opened = open_candidate(self.files, self.interpreter, self.header, self.libc)
        if isinstance(opened, Refusal):
            attempt = Attempt(place=FoundBy.LOADER, path=self.interpreter, result=opened.detail)
            return _failed(name, self.interpreter, opened.said, (attempt,)), None
        return self._taken(name, self.interpreter, FoundBy.LOADER, user, opened, ())


def _failed(name: str, subject: str, said: str, attempts: tuple[Attempt, ...]) -> Dependency:
    return Dependency(name=name, path=None, found_by=None, attempts=attempts, error=f"{subject}: {said}")


def relocation_order(objects: Sequence[Loaded]) -> Iterator[Loaded]:
    """The order in which new objects are relocated: dependencies first (glibc ``_dl_sort_maps``, depth first)."""
    new = set(objects)
    done: set[Loaded] = set()
    for last in reversed(objects):
        stack = [(last, iter(last.direct))] if last not in done else []
        done.add(last)
        while stack:
            user, rest = stack[-1]
            following = next((it for it in rest if it in new and it not in done), None)
            if following is None:
                stack.pop()
                yield user
            else:
                done.add(following)
                stack.append((following, iter(following.direct)))


def _program_origin(files: FileSystem, path: str) -> str:
    """``$ORIGIN`` of a program: the kernel names it without links."""
    place = files.outside(path) or path
    real = os.path.realpath(place)
    root = "" if files.root == "/" else files.root
    return folder_of(real[len(root) :] if real.startswith(root + "/") else real)


def _libc_of(main: Loaded, files: FileSystem) -> Libc:
    """Whose loader a file is for: its interpreter says it, its libc's name does, or what the system has."""
    asked = interpreter_of(main.elf)
    if asked is not None:
        return Libc.MUSL if "ld-musl" in asked else Libc.GLIBC
    for name in main.needed:
        if name.startswith("libc.musl-") or name == "libc.so":
            return Libc.MUSL
        if name == "libc.so.6" or name.startswith("ld-linux"):
            return Libc.GLIBC
    machine = loader_machine(main.elf.image.header)
    if machine is None or files.identity(machine.interpreter) is not None:
        return Libc.GLIBC
    musl = files.identity(f"/lib/ld-musl-{machine.musl}.so.1") is not None
    return Libc.MUSL if musl else Libc.GLIBC
