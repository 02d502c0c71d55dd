"""Options that several commands share, defined once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from soinspect.cli.exits import Exit
from soinspect.errors import UsageError
from soinspect.regularfile import open_to_write, read_small

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from soinspect.loader.environment import LoaderEnv
    from soinspect.render.line import Line


_ROW_INDENT = 2
_TEXT_COLUMN = 14
_LEAST_WIDTH = 20
_MAX_SETTINGS = 1 << 20
# The variables of the environment by which rich is told that a pipe shows colours.
_COLOURS_WANTED = ("FORCE_COLOR", "TTY_COMPATIBLE")


class PageFormat(StrEnum):
    """Output of the commands that answer with a page."""

    TEXT = "text"
    JSON = "json"


Root = Annotated[str, typer.Option(metavar="DIR", help="The folder that is / for the file: an unpacked image.")]
LibraryPath = Annotated[str, typer.Option(metavar="DIR:...", help="LD_LIBRARY_PATH of the program.")]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="ELF files or snapshots; - is standard input.")]
OneFile = Annotated[str, typer.Argument(metavar="FILE", help="An ELF file; - is standard input.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="OUT", help="Default: standard output.")]
Page = Annotated[PageFormat, typer.Option("--format", help="text for people, json for programs.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show all the evidence, not only what matters most.")]


def console() -> Console:
    """Standard output as rich sees it: colours only on a terminal, NO_COLOR honoured, long lines whole in a pipe."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            leave_closed_pipe()

    return Output(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines; on a terminal that is too narrow for one, it goes on below, indented, unless it is to be copied."""
    if not sys.stdout.isatty() and not any(map(os.environ.get, _COLOURS_WANTED)):
        write_all(f"{line.plain}\n" for line in lines)  # a hundredth of what rich takes, and lists may be long
        return
    from rich.text import Text

    terminal = console()
    for line in lines:
        text = Text.assemble(*line.pieces)
        narrow = sys.stdout.isatty() and text.cell_len > terminal.width and not line.copied
        for part in _folded(text, terminal) if narrow else (text,):
            terminal.print(part, soft_wrap=True)


def _folded(line: Text, terminal: Console) -> Iterator[Text]:
    lead = len(line.plain) - len(line.plain.lstrip())
    # A row begins with a word; what follows it stands in the column of the texts.
    hanging = _TEXT_COLUMN if lead == _ROW_INDENT else lead + _ROW_INDENT
    parts = line[lead:].wrap(terminal, max(terminal.width - hanging, _LEAST_WIDTH))
    for number, part in enumerate(parts):
        part.pad_left(hanging if number else lead)
        yield part


def write(text: str) -> None:
    """Write to standard output; bytes that are not UTF-8 never stop it."""
    write_all((text,))


def write_all(texts: Iterable[str]) -> None:
    """Write one text after the other, as :func:`write` does."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        for text in texts:
            sys.stdout.write(text)
    except BrokenPipeError:
        leave_closed_pipe()


def write_to(path: Path | None, texts: Iterable[str]) -> None:
    """Write to a file, or to standard output if ``path`` is None.

    :raises UsageError: the file cannot be written.
    """
    if path is None:
        write_all(texts)
        return
    try:
        with TextIOWrapper(open_to_write(str(path)), encoding="utf-8", newline="") as file:
            file.writelines(texts)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'cannot be written').lower()}") from None


def read_settings(path: Path) -> str:
    """The text of a file that the user wrote.

    :raises InputError: it cannot be read, or is too large to be written by hand.
    :raises UsageError: it is no text.
    """
    try:
        return read_small(str(path), _MAX_SETTINGS).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None


def leave_closed_pipe() -> NoReturn:
    """End quietly: the reader (head, say) has what it wanted. The code is no verdict: the answer was not all read."""
    discard_output()
    raise SystemExit(Exit.CLOSED_PIPE)


def discard_output() -> None:
    """Let nothing more be written to standard output: Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def loader_environment(root: str, library_path: str) -> LoaderEnv:
    """The loader's environment from the options; the processor is this machine's, unless another root is given.

    :raises UsageError: the root is no folder.
    """
    from soinspect.loader.environment import LoaderEnv, hwcaps_of, split_library_path

    if not Path(root).is_dir():
        raise UsageError(f"--root {root}: is not a folder")
    own = os.path.realpath(root) == "/"
    return LoaderEnv(
        root=root,
        library_path=split_library_path(library_path),
        hwcaps=hwcaps_of(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")) if own else (),
        ignored_library_path=split_library_path(os.environ.get("LD_LIBRARY_PATH", ""))
        if own and not library_path
        else (),
    )
