"""One side of a comparison of Go builds: host or plugin, with what it records of its build."""

from __future__ import annotations

from soinspect.model.golang import GoBuildInfo, GoFacts, GoModule, GoPackageFolder
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One side: what to call it in a sentence, the name of its file, what it says about itself, source folders."""

    name: str
    file: str
    facts: GoFacts
    folders: tuple[GoPackageFolder, ...] = ()

    @property
    def info(self) -> GoBuildInfo | None:
        """The build information, if there is any."""
        return self.facts.build_info or None

    def folder(self, package: str) -> str | None:
        """The folder that a package was compiled from, as far as that is recorded."""
        return next((it.folder for it in self.folders if it.package == package), None)


def modules(info: GoBuildInfo) -> tuple[GoModule, ...]:
    """All modules of a build."""
    return (*info.dependencies, *filter(None, (info.main,)))


def module_of(package: str, info: GoBuildInfo) -> GoModule | None:
    """The module that holds a package: the one with the longest path that begins its import path."""
    holders = [m for m in modules(info) if package == m.path or package.startswith(f"{m.path}/")]
    return max(holders, key=lambda module: len(module.path), default=None)


def is_standard(package: str, *infos: GoBuildInfo) -> bool:
    """Whether a package belongs to Go itself."""
    return "." not in package.partition("/")[0] and all(module_of(package, info) is None for info in infos)
