"""Commands on mutants, one after the other in this process, which its limits end where a command exceeds them.

python fuzzworker.py SOUND FIRST LAST SHARE QUESTIONS    # run by fuzzing.py, whose questions these are, as JSON

Of the questions each mutant is asked one in SHARE, the next one the next. Each step is announced on standard output
before it begins: the number of the mutant, of the question and of the way it is asked, then either nothing or, as
JSON, how the command ended and what is wrong with that. So the parent knows what the process was at when it was ended.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bounded import judge, limit_memory, limit_next_step
from mutation import Mutator, apply
from soinspect.cli import app
from soinspect.elf.file import ElfFile
from soinspect.scan import pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@cache
def _command(name: str) -> Callable[[], object]:
    """The command line with this command. Building it takes longer than many an answer."""
    return typer.main.get_command(_command_line([name]))


_command_line = app.command_line
app.command_line = lambda arguments: _command(arguments[0])  # type: ignore[assignment, return-value]


@cache
def _kept(path: str) -> ElfFile:
    """A sound file, which stays open: reading the C library for each question takes most of the time."""
    elf = _open(path)
    elf.image.close = lambda: None  # type: ignore[method-assign]
    return elf


def _open_elf(path: str) -> ElfFile:
    return _open(path) if Path(path).stem == "mutant" else _kept(path)


_open = ElfFile.open
ElfFile.open = _open_elf  # type: ignore[method-assign]
pool.processes = lambda _: pool.in_process()  # type: ignore[assignment]  # the limits are those of this process


def run(arguments: Sequence[str]) -> tuple[str, str]:
    """How the command line ends, and what is wrong with its answer; empty if nothing is."""
    sys.argv = ["soinspect", *arguments]
    out, err = io.BytesIO(), io.BytesIO()
    sys.stdout, sys.stderr = io.TextIOWrapper(out, encoding="utf-8"), io.TextIOWrapper(err, encoding="utf-8")
    limit_next_step()
    code: object = 0
    try:
        app.main()
    except SystemExit as leave:
        code = leave.code or 0
    except BaseException as error:  # noqa: BLE001  (whatever escapes is what is looked for)
        return type(error).__name__, traceback.format_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    is_json = "json" in arguments or "sarif" in arguments
    return f"exit {int(str(code))}", judge(int(str(code)), out.getvalue(), err.getvalue(), is_json=is_json)


def work(sound: Path, first: int, last: int, share: int, questions: list[list[list[str]]]) -> None:
    """Ask the questions of each mutant of the sound file from one number to another."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    limit_memory()
    data = sound.read_bytes()
    mutator = Mutator(data)
    mutant = sound.parent / str(first) / f"mutant{sound.suffix}"  # another worker may be at other numbers
    mutant.parent.mkdir(exist_ok=True)
    for number in range(first, last):
        mutant.write_bytes(apply(data, mutator.edits(number)))
        for which in range(number % share, len(questions), share):
            way = number // share % len(questions[which])
            report.write(f"{number} {which} {way} ")
            report.flush()
            answer = run([str(mutant) if word == "{}" else word for word in questions[which][way]])
            report.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5]))
