"""What the dynamic loader would do with a file, as values: what it loads, from where, and what binds to what.

Objects are named by the path that the loader itself would use for them; lists are in the loader's own order.
"""

from __future__ import annotations

from enum import StrEnum

from soinspect.model.constants import ElfClass, Machine
from soinspect.model.lateclass import dataclass


class Libc(StrEnum):
    """Whose loader it is: each has its own search order, and its own words."""

    GLIBC = "glibc"
    MUSL = "musl"


class FoundBy(StrEnum):
    """By which rule of the loader a path was tried."""

    GIVEN = "given"
    LOADED = "already loaded"
    LOADER = "the loader itself"
    PATH = "path in DT_NEEDED"
    RPATH = "RPATH"
    LIBRARY_PATH = "LD_LIBRARY_PATH"
    RUNPATH = "RUNPATH"
    CACHE = "ld.so.cache"
    CONF = "ld.so.conf"
    DEFAULT = "default folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One path that was tried, by which rule, and why it was not taken."""

    place: FoundBy
    path: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One DT_NEEDED entry: the object it leads to, or what the loader says instead (``error``).

    ``attempts`` are the paths that were tried in vain; empty where the object was loaded already.
    """

    name: str
    path: str | None
    found_by: FoundBy | None
    attempts: tuple[Attempt, ...]
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedObject:
    """An object that the loader maps, with the facts that decide whether it may.

    ``needed_by`` is the object that asked for it first. ``executable_stack`` is what the loader makes of
    PT_GNU_STACK, or of its absence. ``tls_size`` is in bytes; ``static_tls`` tells that code of the object reaches
    thread-local storage at a fixed distance, so that the storage must fit into the static block. ``dynamic``
    is whether it has a dynamic section, ``binds_now`` whether that asks for every symbol to be bound at once (``-z
    now``), whatever dlopen is told. ``truncated`` says which segment lies past the end of the file.
    """

    path: str
    soname: str | None
    found_by: FoundBy
    needed_by: str | None
    elf_class: ElfClass
    machine: Machine
    needs: tuple[Dependency, ...]
    executable_stack: bool
    tls_size: int
    static_tls: bool
    text_relocations: bool
    dynamic: bool
    binds_now: bool
    truncated: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What an undefined symbol of ``user`` binds to; ``provider`` None: nothing in scope defines it.

    ``version`` is the one asked for, ``provided_version`` the one it gets. A weak symbol may stay unbound.
    ``provider_lost_versions``: the version is asked of the provider, which has no table of versions any more; glibc
    fails an assertion then, and ends the process. ``calls_only``: nothing but calls through the PLT ask for it, which
    RTLD_LAZY leaves to the first of them.
    """

    user: str
    symbol: str
    version: str | None
    weak: bool
    provider: str | None
    provided_version: str | None
    provider_lost_versions: bool
    calls_only: bool

    @property
    def unresolved(self) -> bool:
        """Whether it must be bound and cannot."""
        return self.provider is None and not self.weak


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUse:
    """A version that ``user`` needs of ``library``, and the symbols that force it.

    ``provider`` is the object found under that name (None: none was). ``provided`` is None where the provider
    defines no versions at all: the loader then prints a warning and goes on.
    """

    user: str
    library: str
    version: str
    weak: bool
    provider: str | None
    provided: bool | None
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interposition:
    """Symbols that ``definer`` defines and refers to, and for which it is bound to the definitions of ``by``."""

    definer: str
    by: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Objects that are one library in two versions (``libssl.so.1.1`` and ``libssl.so.3``)."""

    library: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolHint:
    """What may explain an unresolved symbol: names and versions that are there.

    ``hidden_in`` is an object that defines it without exporting it; ``versions`` are those in which it is exported;
    ``twins`` are exported names that are the same thing under another linkage or string ABI, or look alike.
    ``library`` is a library of the C or C++ implementation that is not loaded, and exports it. ``local_in`` is an
    object that exports it and came with an earlier plugin, ``opened``: RTLD_LOCAL keeps it from the later ones.
    """

    symbol: str
    hidden_in: str | None
    versions: tuple[str, ...]
    twins: tuple[str, ...]
    library: str | None
    local_in: str | None = None
    opened: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalLookup:
    """What a program finds in its global scope, by ``dlsym(RTLD_DEFAULT, ...)``.

    ``provider`` is the object that has it. If there is none (None), ``local`` are those that export it, and were opened
    with RTLD_LOCAL; ``hint`` is what else may explain it. ``needed`` tells that the program or a library of it asks for
    it by itself, ``complete`` that all of the program was found.
    """

    provider: str | None
    local: tuple[str, ...]
    hint: SymbolHint
    needed: bool
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """The objects in load order, ``objects[0]`` being the file itself, and everything that binds.

    ``loader`` is the interpreter that a program names in PT_INTERP, None for anything else. ``error`` is what the
    loader says of the file itself when it refuses it; ``objects`` is empty then.
    ``bindings`` are in the order of relocation (dependencies first), ``versions`` in the order in which they are
    checked. ``unknown`` says what could not be read, so that the plan may lack something; ``remarks`` what had to
    be assumed of the system.
    """

    path: str
    libc: Libc
    libc_version: str | None
    loader: Dependency | None
    error: str | None
    objects: tuple[LoadedObject, ...]
    bindings: tuple[Binding, ...]
    versions: tuple[VersionUse, ...]
    interpositions: tuple[Interposition, ...]
    copies: tuple[Copies, ...]
    hints: tuple[SymbolHint, ...]
    unknown: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def missing(self) -> tuple[Dependency, ...]:
        """What is needed and cannot be loaded, each name once; the loader itself first."""
        needs = [need for it in self.objects for need in it.needs]
        wanted = [self.loader, *needs] if self.loader is not None else needs
        return tuple({need.name: need for need in wanted if need.error is not None}.values())

    @property
    def unresolved(self) -> tuple[Binding, ...]:
        """The symbols that must be bound and cannot."""
        return tuple(it for it in self.bindings if it.unresolved)

    @property
    def version_problems(self) -> tuple[VersionUse, ...]:
        """The versions that the libraries found do not define."""
        return tuple(it for it in self.versions if it.provided is False and not it.weak)

    @property
    def unloaded_versions(self) -> tuple[VersionUse, ...]:
        """The versions of libraries that no DT_NEEDED asks for, where glibc takes for granted that one does."""
        missing = {need.name for need in self.missing}
        return tuple(it for it in self.versions if it.provider is None and it.library not in missing)

    @property
    def static_tls(self) -> int:
        """The bytes that must fit into the static block of thread-local storage."""
        return sum(it.tls_size for it in self.objects if it.static_tls)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, as far as it is known."""
        return not (self.error or self.missing or self.unresolved or self.version_problems or self.unloaded_versions)


class DlopenMode(StrEnum):
    """When dlopen is told to look functions up; what a C program tells it, its file does not show."""

    NOW = "RTLD_NOW"
    LAZY = "RTLD_LAZY"
    ASSUMED_NOW = "RTLD_NOW, as far as is known"


@dataclass(frozen=True, slots=True, kw_only=True)
class DlopenPlan:
    """A program as it runs, and a plugin that it opens with dlopen, in ``mode`` and with ``RTLD_LOCAL``.

    ``plugin.objects`` are those that the plugin brings; what the host has loaded already is not among them.
    ``already_loaded`` tells that the plugin itself is: dlopen returns a handle to it, and ``plugin.objects`` is it.
    ``static_tls_taken`` is what the plugins opened before have of the static block, in bytes. ``root`` is the folder
    that stands for ``/``.
    """

    host: LoadPlan
    plugin: LoadPlan
    already_loaded: bool
    static_tls_taken: int
    mode: DlopenMode
    root: str


class Effect(StrEnum):
    """What a problem does."""

    REFUSED = "refused"
    ABORTS = "aborts"
    RISKY = "risky"
    UNDECIDED = "undecided"


class ProblemKind(StrEnum):
    """What stands in the way of a plugin."""

    FILE = "file"
    HOST = "host"
    TRUNCATED = "truncated"
    EXECUTABLE_STACK = "executable-stack"
    LIBRARY = "library"
    LIBC = "libc"
    VERSION = "version"
    SYMBOL = "symbol"
    SYMBOL_AT_CALL = "symbol-at-first-call"
    STATIC_TLS = "static-tls"
    TEXT_RELOCATIONS = "text-relocations"
    INTERPOSED = "interposed"
    COPIES = "copies"


@dataclass(frozen=True, slots=True, kw_only=True)
class DlopenProblem:
    """One thing that goes wrong, or may, when a plugin is opened.

    ``subject`` is the file, library, version or symbol that it is about. ``summary`` is the problem in a few words,
    ``message`` what the loader will print, or None if it prints nothing. ``cause`` is what lies behind it, None where
    that is all there is to say, ``fix`` a line to copy, or None.
    """

    kind: ProblemKind
    effect: Effect
    subject: str
    summary: str
    message: str | None
    evidence: tuple[str, ...]
    fix: str | None
    cause: str | None = None
