"""What LD_LIBRARY_PATH of the one who asks would change if it were that of the program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.model.loadplan import LoadPlan


def may_matter(plans: Sequence[LoadPlan], env: LoaderEnv) -> bool:
    """Whether a folder that is not searched has one of the libraries that are asked for."""
    files = FileSystem(env.root)
    names = {need.name for plan in plans for it in plan.objects for need in it.needs}
    return any(
        files.is_folder(f"{folder}/glibc-hwcaps") or any(files.identity(f"{folder}/{name}") for name in names)
        for folder in env.ignored_library_path
    )


def what_changes(plans: Sequence[LoadPlan], others: Sequence[LoadPlan], env: LoaderEnv) -> Iterator[str]:
    """In words, what ``others``, made with those folders, find and ``plans`` do not; at most one line."""
    files, before = FileSystem(env.root), _found(plans)
    moved = [
        f"{name} is {path}"
        for name, path in _found(others).items()
        if path and files.identity(path) != files.identity(before.get(name) or "")
    ]
    if moved:
        more = f" and {len(moved) - 1} more differ" if moved[1:] else ""
        yield f'LD_LIBRARY_PATH is not looked at; with --library-path "$LD_LIBRARY_PATH" {moved[0]}{more}'


def _found(plans: Sequence[LoadPlan]) -> dict[str, str | None]:
    return {need.name: need.path for plan in plans for it in plan.objects for need in it.needs}
