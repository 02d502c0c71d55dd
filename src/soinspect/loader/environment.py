"""The environment that the loader would see, as a value."""

from __future__ import annotations

from dataclasses import replace

from soinspect.model.lateclass import dataclass

# Features of the x86-64 psABI's levels, as /proc/cpuinfo names them; each level includes those below it.
_X86_64_LEVELS = (
    ("x86-64-v2", frozenset({"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"})),
    ("x86-64-v3", frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})),
    ("x86-64-v4", frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderEnv:
    """Where a program would run.

    ``root`` is the folder that is its ``/``; ``library_path`` are the folders of LD_LIBRARY_PATH; ``hwcaps`` the
    subfolders of ``glibc-hwcaps`` that its processor can use, best first. ``ignored_library_path`` is not searched: it
    is the LD_LIBRARY_PATH of the one who asks, who is told when it would find something else.
    """

    root: str = "/"
    library_path: tuple[str, ...] = ()
    hwcaps: tuple[str, ...] = ()
    ignored_library_path: tuple[str, ...] = ()

    def with_ignored(self) -> LoaderEnv:
        """The environment in which nothing is ignored."""
        return replace(self, library_path=self.ignored_library_path, ignored_library_path=())


def split_library_path(text: str) -> tuple[str, ...]:
    """The folders of an LD_LIBRARY_PATH; an empty one is the current folder, as the loader has it."""
    return tuple(text.replace(";", ":").split(":")) if text else ()


def hwcaps_of(cpuinfo: str) -> tuple[str, ...]:
    """The ``glibc-hwcaps`` subfolders for the processor that ``/proc/cpuinfo`` describes, best first."""
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    features = frozenset(line.partition(":")[2].split())
    usable: list[str] = []
    for name, needed in _X86_64_LEVELS:
        if not needed <= features:
            break
        usable.insert(0, name)
    return tuple(usable)
