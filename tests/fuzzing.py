"""Damaged files by the thousand, each read by every command; what goes wrong is shrunk to a file worth keeping.

python tests/fuzzing.py c.so 0 1000                  # mutants 0 to 999 of one sound file of victims.py
python tests/fuzzing.py c.so 17 --shrink small.so    # the smallest file found that goes wrong as mutant 17 does
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mutation import UNDAMAGED, Edit, Mutator, apply
from victims import make

_WORKER = Path(__file__).with_name("fuzzworker.py")
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A mutant that went wrong: of which sound file, which one, what it was asked, what it did."""

    victim: str
    number: int
    command: tuple[str, ...]
    trouble: str

    def __str__(self) -> str:
        return f"{self.victim} {self.number}: soinspect {' '.join(self.command)}\n{self.trouble}"


def commands_for(sound: Path) -> list[tuple[str, ...]]:
    """Every reader there is, in every format of output that is written differently; {} is the mutant."""
    either = [
        ("symbols", "{}", "--format", "plain"),
        ("symbols", "{}", "--format", "table"),
        ("symbols", "--all", "{}", "--format", "json"),
        ("symbols", "{}", "--format", "csv"),
        ("info", "--verbose", "{}"),
        ("info", "{}", "--format", "json"),
        ("diff", "{}", str(sound)),
        ("diff", str(sound), "{}", "--format", "json"),
        ("snapshot", "{}"),
        ("freeze", "{}"),
        ("deps", "--verbose", "{}"),
        ("deps", "{}", "--format", "json"),
    ]
    if sound.name.startswith("go-"):
        tables = ("--packages", "--inits", "--functions", "--types", "--itabs", "--sizes")
        return [*either, *(("go", table, "{}") for table in tables), ("go", *tables, "{}", "--format", "json"),
                ("check", str(sound), "{}")]  # fmt: skip
    return [*either, ("go", "{}"), ("check", "{}", str(sound)), ("check", sys.executable, "{}")]


def run(
    sound: Path, first: int, last: int, commands: Sequence[tuple[str, ...]], *, share: int = 1
) -> Iterator[Failure]:
    """What goes wrong with the mutants from one number to another. A worker that was ended is started again.

    Each mutant gets one in ``share`` of the commands, the next mutant the next ones.
    """
    texts = [_SEPARATOR.join(command) for command in commands]
    while first < last:
        worker = [sys.executable, str(_WORKER), str(sound), str(first), str(last), str(share), *texts]
        with subprocess.Popen(worker, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            trouble = "\n"
            for line in process.stdout:
                step, which, trouble = line.split(" ", 2)
                failed = partial(Failure, victim=sound.name, number=int(step), command=commands[int(which)])
                if trouble.endswith("\n") and json.loads(trouble):
                    yield failed(trouble=json.loads(trouble))
        if process.returncode == 0:
            return
        if trouble:  # it was not at a command
            raise RuntimeError(f"the worker itself failed with {process.returncode}")
        yield failed(trouble=signal.Signals(-process.returncode).name)
        first = int(step) + 1


def shrink(data: bytes, edits: list[Edit], goes_wrong: Callable[[bytes], bool]) -> bytes:
    """The smallest file found that still goes wrong: fewer edits, then zeros instead of what does not matter."""
    for edit in list(edits):
        without = [it for it in edits if it is not edit]
        if goes_wrong(apply(data, without)):
            edits = without
    small = bytearray(apply(data, edits))
    size = 1 << 16
    while size >= 16:
        if goes_wrong(bytes(small[:-size])):
            del small[-size:]
            continue
        for start in range(0, len(small), size):
            block = small[start : start + size]
            if any(block):
                small[start : start + size] = bytes(len(block))
                if not goes_wrong(bytes(small)):
                    small[start : start + size] = block
        size //= 4
    return bytes(small)


def main(victim: str, first: int, *rest: str) -> None:
    """Show what goes wrong, or shrink one mutant."""
    with tempfile.TemporaryDirectory() as folder:
        sound = make(victim, Path(folder))
        commands = commands_for(sound)
        if rest[0] != "--shrink":
            for failure in run(sound, first, int(rest[0]), commands):
                sys.stdout.write(f"{failure}\n")
            return
        failure = next(run(sound, first, first + 1, commands))
        trial = Path(folder, "trial", sound.name)
        trial.parent.mkdir()

        def goes_wrong(data: bytes) -> bool:
            trial.write_bytes(data)
            return any(run(trial, UNDAMAGED, 0, [failure.command]))

        data = sound.read_bytes()
        Path(rest[1]).write_bytes(shrink(data, Mutator(data).edits(first), goes_wrong))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
