"""What the dynamic loader and Go's runtime look at in a file, and other readers do not."""

from __future__ import annotations

from collections.abc import Sequence

from soinspect.model.absence import Absent
from soinspect.model.golang import GoPackageFolder
from soinspect.model.goloading import HostPackage, ModuleShape, PluginSupport
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionName:
    """What an entry of .gnu.version stands for; ``library`` must provide it, None: the file defines it itself."""

    index: int
    name: str
    library: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoLoading:
    """What decides on loading Go plugins besides :class:`~soinspect.model.golang.GoFacts`.

    The file as a host is ``support``, ``host_shape`` and ``package_hashes``, as a plugin ``guest_shape``, and as both
    ``folders``; see :class:`~soinspect.model.goloading.GoHost` and :class:`~soinspect.model.goloading.Guest`.
    """

    support: PluginSupport
    host_shape: ModuleShape | Absent
    guest_shape: ModuleShape | Absent
    package_hashes: tuple[HostPackage, ...]
    folders: tuple[GoPackageFolder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingFacts:
    """What the loader looks at, besides what a snapshot tells anyway.

    ``flags`` and ``flags_1`` are DT_FLAGS and DT_FLAGS_1. ``tls_size`` is the size in bytes of PT_TLS,
    ``stack_flags`` are the flags of PT_GNU_STACK, both None where there is none. ``version_indexes`` is .gnu.version.
    ``relocations`` are the different ``r_info`` in their order; of Go plugins and their hosts, those that fill words
    with the file's own symbols are left out. ``hidden`` are functions and variables that the file defines and does not
    export, as far as it is not stripped.
    """

    flags: int
    flags_1: int
    tls_size: int | None
    stack_flags: int | None
    version_indexes: Sequence[int]
    version_names: tuple[VersionName, ...]
    relocations: Sequence[int]
    hidden: Sequence[str]
    go: GoLoading | Absent
