"""Which file a plugin is that is named without a slash: the shell means one in this folder, dlopen searches for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.inspection.saved import is_saved
from soinspect.inspection.standardinput import STANDARD_INPUT
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.plan import dlopen_searches
from soinspect.model.loadplan import Dependency


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The file that is judged, and what is to be said of the choice."""

    path: str
    remark: str | None


def chosen_files(
    host: str, plugins: Sequence[str], env: LoaderEnv, files: FileSystem, known: Mapping[str, ElfFile]
) -> Iterator[Chosen]:
    """The files that are meant by what a C program hands to dlopen, or the user to us.

    :raises InputError: the host cannot be read; or a name stands for no file, here or where dlopen looks.
    """
    bare = [it for it in plugins if "/" not in it and it != STANDARD_INPUT and not is_saved(it)]
    found = dict(zip(bare, dlopen_searches(host, bare, env, known), strict=True)) if bare else {}
    for name in plugins:
        yield _chosen(name, found[name], files) if name in found else Chosen(path=name, remark=None)


def _chosen(name: str, found: Dependency, files: FileSystem) -> Chosen:
    here = files.identity(files.given(name))
    if here is None and found.path is None:
        sought = ", ".join(it.path for it in found.attempts) or "nowhere"
        raise InputError(name, f"no such file here, and dlopen finds none either: sought {sought}")
    where = f"dlopen({name!r}) finds {found.path} ({found.found_by})".replace("'", '"')
    if here is None:
        assert found.path is not None  # noqa: S101  (else it was refused above)
        return Chosen(path=found.path, remark=f"{where}: that is judged, since {name} is not here")
    if found.path is None:
        remark = f'./{name} is judged; dlopen("{name}") finds nothing: without a slash, it does not look in this folder'
    elif files.identity(found.path) != here:
        remark = f"./{name} is judged; {where}, since there is no slash in it"
    else:
        return Chosen(path=name, remark=None)
    return Chosen(path=f"./{name}", remark=remark)
