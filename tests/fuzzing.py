"""Damaged files by the thousand, each read by every command; what goes wrong is shrunk to a file worth keeping.

python tests/fuzzing.py c.so 0 1000                  # mutants 0 to 999 of one sound file of victims.py
python tests/fuzzing.py c.so 17 --shrink small.so    # the smallest file found that goes wrong as mutant 17 does
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutation import UNDAMAGED, Edit, Mutator, apply
from victims import make

_WORKER = Path(__file__).with_name("fuzzworker.py")
_GO_TABLES = ("--packages", "--inits", "--functions", "--types", "--itabs", "--sizes")
_GO_DIFFERS = 'plugin.Open("mutant"): plugin was built with a different version of package runtime'
_UNDEFINED = "./mutant.so: undefined symbol: plugin_init"

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one command ended on one mutant: its exit code or signal, and what is wrong with that, if anything."""

    victim: str
    number: int
    command: Command
    ending: str
    trouble: str

    def __str__(self) -> str:
        return f"{self.victim} {self.number}: soinspect {' '.join(self.command)}\n{self.trouble}"


def questions_for(sound: Path) -> list[tuple[Command, ...]]:
    """Every reader there is, each in the ways in which its answer is written; {} is the mutant."""
    is_go = sound.name.startswith("go-")
    same = str(sound)
    return [
        (
            ("symbols", "{}", "--format", "plain"),
            ("symbols", "{}", "--format", "table"),
            ("symbols", "--all", "{}", "--format", "json"),
            ("symbols", "{}", "--format", "csv"),
        ),
        (("info", "--verbose", "{}"), ("info", "{}", "--format", "json")),
        tuple(("diff", "{}", same, "--format", form) for form in ("text", "markdown", "sarif", "github")),
        tuple(("diff", same, "{}", "--format", form) for form in ("json", "junit", "html", "text")),
        (("snapshot", "{}"),),
        (("freeze", "{}"),),
        (("deps", "--verbose", "{}"), ("deps", "{}", "--format", "json"), ("deps", "{}", "--format", "dot")),
        (("scan", "{}", "--format", "json"), ("scan", "{}", "--format", "csv", "--symbols"), ("scan", "{}")),
        (("check", same, "{}"), ("check", "{}", same, "--format", "json")),
        (("explain", _GO_DIFFERS if is_go else _UNDEFINED, same if is_go else sys.executable, "{}"),),
        *([(("go", table, "{}"), ("go", table, "{}", "--format", "json")) for table in _GO_TABLES] if is_go else
          [(("go", "{}"),), (("check", sys.executable, "{}"),)]),
    ]  # fmt: skip


def run(
    sound: Path, first: int, last: int, questions: Sequence[tuple[Command, ...]], *, share: int = 1
) -> Iterator[Outcome]:
    """What the mutants from one number to another lead to. A worker that was ended is started again.

    Each mutant is asked one in ``share`` of the questions in one way, the next mutant the next ones.
    """
    while first < last:
        worker = [sys.executable, str(_WORKER), str(sound), str(first), str(last), str(share), json.dumps(questions)]
        with subprocess.Popen(worker, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            rest = "\n"
            for line in process.stdout:
                number, which, way, rest = line.split(" ", 3)
                command = questions[int(which)][int(way)]
                if rest.endswith("\n"):
                    ending, trouble = json.loads(rest)
                    yield Outcome(
                        victim=sound.name, number=int(number), command=command, ending=ending, trouble=trouble
                    )
        if process.returncode == 0:
            return
        if rest:  # it was not at a command
            raise RuntimeError(f"the worker itself failed with {process.returncode}")
        end = signal.Signals(-process.returncode).name
        yield Outcome(victim=sound.name, number=int(number), command=command, ending=end, trouble=end)
        first = int(number) + 1


def troubles(sound: Path, first: int, last: int, *, share: int = 1) -> list[Outcome]:
    """What goes wrong with the mutants from one number to another, in any command.

    What exceeds its time must do so twice: a virtual machine may stand still while its clocks go on.
    """
    questions = questions_for(sound)
    processors = len(os.sched_getaffinity(0))
    part = -(-(last - first) // processors)

    def look(start: int) -> list[Outcome]:
        outcomes = run(sound, start, min(start + part, last), questions, share=share)
        return [outcome for outcome in outcomes if outcome.trouble]

    with ThreadPoolExecutor(processors) as pool:
        found = [outcome for outcomes in pool.map(look, range(first, last, part)) for outcome in outcomes]
    return [it for it in found if any(again.trouble for again in run(sound, it.number, it.number + 1, [(it.command,)]))]


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
    """Show what goes wrong, then how often each command ended in which way; or shrink one mutant."""
    with tempfile.TemporaryDirectory() as folder:
        sound = make(victim, Path(folder))
        questions = questions_for(sound)
        if rest[0] != "--shrink":
            endings: Counter[tuple[str, str]] = Counter()
            for outcome in run(sound, first, int(rest[0]), questions):
                endings[outcome.command[0], outcome.ending] += 1
                if outcome.trouble:
                    sys.stdout.write(f"{outcome}\n")
            sys.stdout.writelines(
                f"{victim}\t{command}\t{end}\t{endings[command, end]}\n" for command, end in sorted(endings)
            )
            return
        failure = next(outcome for outcome in run(sound, first, first + 1, questions) if outcome.trouble)
        trial = Path(folder, "trial", sound.name)
        trial.parent.mkdir()

        def goes_wrong(data: bytes) -> bool:
            trial.write_bytes(data)
            return any(outcome.trouble for outcome in run(trial, UNDAMAGED, 0, [(failure.command,)]))

        data = sound.read_bytes()
        Path(rest[1]).write_bytes(shrink(data, Mutator(data).edits(first), goes_wrong))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
