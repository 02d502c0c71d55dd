"""An object while its closure is being built: the open file, and how it got there."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from soinspect.elf.dynamic import DynamicSection
from soinspect.elf.file import ElfFile
from soinspect.elf.symtab import SymbolTable
from soinspect.loader.filesystem import FileId
from soinspect.loader.relocations import relocations_that_matter
from soinspect.model.constants import DynamicFlags, DynamicFlags1, DynamicTag
from soinspect.model.loadplan import Dependency, FoundBy

# Each begins with what it is quickly searched by: one pattern of both takes thirty times as long.
_GLIBC_BANNER = re.compile(rb"GNU C Library [^\n\0]{0,200}? version (\d+\.\d+)")
_MUSL_VERSION = re.compile(rb"(1(?<!\d1)\.\d{1,2}\.\d{1,3})(?:_git[-\w]{0,40})?\0")


@dataclass(eq=False, kw_only=True)
class Loaded:
    """A mapped object; ``names`` are those it answers to, ``direct`` the objects its DT_NEEDED entries led to."""

    path: str
    elf: ElfFile
    identity: FileId | None
    found_by: FoundBy
    loader: Loaded | None
    origin: str
    names: set[str]
    needs: list[Dependency] = field(default_factory=list)
    direct: list[Loaded] = field(default_factory=list)

    @cached_property
    def dynamic(self) -> DynamicSection | None:
        """The dynamic section."""
        return self.elf.dynamic if isinstance(self.elf.dynamic, DynamicSection) else None

    @cached_property
    def symbols(self) -> SymbolTable | None:
        """The dynamic symbols."""
        return self.elf.dynamic_symbols if isinstance(self.elf.dynamic_symbols, SymbolTable) else None

    @cached_property
    def relocations(self) -> array[int]:
        """The ``r_info`` of its relocations that matter here, each once."""
        return array("Q", relocations_that_matter(self.elf))

    @cached_property
    def soname(self) -> str | None:
        """DT_SONAME."""
        return self._string(DynamicTag.SONAME)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The DT_NEEDED entries."""
        return self.dynamic.strings_of(DynamicTag.NEEDED) if self.dynamic else ()

    @cached_property
    def runpath(self) -> str | None:
        """DT_RUNPATH."""
        return self._string(DynamicTag.RUNPATH)

    @cached_property
    def rpath(self) -> str | None:
        """DT_RPATH as written."""
        return self._string(DynamicTag.RPATH)

    @cached_property
    def flags(self) -> DynamicFlags:
        """DT_FLAGS."""
        return self.dynamic.flags if self.dynamic else DynamicFlags(0)

    @cached_property
    def flags_1(self) -> DynamicFlags1:
        """DT_FLAGS_1."""
        return self.dynamic.flags_1 if self.dynamic else DynamicFlags1(0)

    @property
    def binds_now(self) -> bool:
        """Whether it asks for all symbols to be bound when it is loaded."""
        return DynamicFlags.BIND_NOW in self.flags or DynamicFlags1.NOW in self.flags_1

    @cached_property
    def libc_version(self) -> str | None:
        """The release that a libc names in its banner."""
        data = self.elf.image.data
        match = _GLIBC_BANNER.search(data) or _MUSL_VERSION.search(data)
        return match[1].decode() if match else None

    def _string(self, tag: DynamicTag) -> str | None:
        return next(iter(self.dynamic.strings_of(tag)), None) if self.dynamic else None

    def answers_to(self, name: str) -> bool:
        """Whether glibc takes the object for the one that DT_NEEDED or a version calls ``name``."""
        return name in self.names or name == self.soname

    def exports(self, name: str, version: str | None) -> bool:
        """Whether dlsym finds ``name`` in it; with a ``version``, dlvsym."""
        table = self.symbols
        rows = [row for row, it in enumerate(table.names) if it == name] if table else []
        found = [it for it in (table.symbol(row) for row in rows if table) if it.exported]
        return any(it.version in (None, version) or (version is None and it.default_version) for it in found)

    def chain(self) -> Iterator[Loaded]:
        """The object itself, the one that asked for it, and so on up to the first."""
        user: Loaded | None = self
        while user is not None:
            yield user
            user = user.loader


def folder_of(path: str) -> str:
    """The folder of a path as ``$ORIGIN`` has it: absolute, links not followed, dots kept."""
    return os.path.dirname(os.path.join(os.getcwd(), path)) or "/"  # noqa: PTH109, PTH118, PTH120
