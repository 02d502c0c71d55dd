"""Which file a plugin is that is named without a slash: the shell means one in this folder, dlopen searches for one."""

from __future__ import annotations

from soinspect.errors import InputError
from soinspect.inspection.saved import is_saved
from soinspect.inspection.standardinput import STANDARD_INPUT
from soinspect.loader.filesystem import FileSystem
from soinspect.loader.plan import RunningProgram
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The file that is judged, and what is to be said of the choice."""

    path: str
    remark: str | None


def chosen_file(name: str, program: RunningProgram, files: FileSystem) -> Chosen:
    """The file that is meant by what a C program hands to dlopen, or the user to us.

    :raises InputError: the name stands for no file, here or where dlopen looks.
    """
    if "/" in name or name == STANDARD_INPUT or is_saved(name):
        return Chosen(path=name, remark=None)
    found = program.find(name)
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
