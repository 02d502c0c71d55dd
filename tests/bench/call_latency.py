"""Compare an isolated call, with ABI check and sandbox, with Python's own start and with gdb doing the same call.

python tests/bench/call_latency.py    # needs gcc; gdb is left out where it is not installed
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from soinspect.calling.native import call_native
from soinspect.calling.toolchain import CallEnvironment
from soinspect.elf.file import ElfFile
from soinspect.inspection.facts import snapshot
from soinspect.model.calling import CallRequest, NativeFacts, Step

_RUNS = 15
_SOURCE = "int answer(void) { return 42; }\n"


def _paired(*actions: Callable[[], object]) -> list[float]:
    """The median wall-clock seconds of each action; they take turns, so that a busy moment hits all of them."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(_RUNS + 1):
        for times, action in zip(taken, actions, strict=True):
            start = time.perf_counter()
            action()
            times.append(time.perf_counter() - start)
    return [statistics.median(times[1:]) for times in taken]


def lines() -> Iterator[str]:
    """The medians and their ratios, as the rows of a table."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "answer.c"), Path(folder, "answer.so")
        source.write_text(_SOURCE)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        with ElfFile.open(str(library)) as elf:
            facts = NativeFacts.of(snapshot(elf))
        request = CallRequest(path=str(library), steps=(Step(symbol="answer"),))
        environment = CallEnvironment(variables={}, cache=Path(folder), site_packages=(), python=sys.executable)
        actions: list[tuple[str, Callable[[], object]]] = [
            ("isolated call", lambda: call_native(request, facts, environment)),
            ("python -I -S -c pass", lambda: subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)),
        ]
        gdb = shutil.which("gdb")
        if gdb:
            command = [gdb, "-nx", "-batch", "-ex", "set environment LD_PRELOAD " + str(library), "-ex", "break main",
                       "-ex", "run", "-ex", "print ((int(*)(void))answer)()", sys.executable]  # fmt: skip
            actions.append(("gdb -batch", lambda: subprocess.run(command, capture_output=True, check=True)))
        medians = _paired(*(action for _, action in actions))
    yield "| one call in wall-clock time | ms | isolated call / this |"
    yield "|---|---|---|"
    for (name, _), seconds in zip(actions, medians, strict=True):
        yield f"| {name} | {1000 * seconds:.1f} | {medians[0] / seconds:.2f} |"
    yield f"| budget: 1.6 times Python's start + 15 ms | {1600 * medians[1] + 15:.1f} | |"


if __name__ == "__main__":
    print("\n".join(lines()))
