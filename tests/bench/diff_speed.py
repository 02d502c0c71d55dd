"""Compare ``soinspect diff`` with abidiff: CPU seconds and peak memory, in paired runs (A B A B ...).

python tests/bench/diff_speed.py [NAME=OLD,NEW ...]    # more pairs, such as python=libpython3.12.so,libpython3.13.so

abidiff (Debian's abigail-tools) is measured where it is installed, and stopped after a minute.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Timer

_FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
_SYSTEM = Path("/usr/lib/x86_64-linux-gnu")
_RUNS = 5
_LIMIT = 60


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run took: CPU seconds (user and system), peak resident memory in bytes, whether it was stopped."""

    seconds: float
    memory: int
    stopped: bool


def measure(command: list[str]) -> Cost:
    """Run a command without its output."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    timer = Timer(_LIMIT, process.kill)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode > 1 and not command[0].endswith("abidiff"):
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return Cost(
        seconds=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss * 1024,
        stopped=os.WIFSIGNALED(status),
    )


def _pairs(folder: Path, given: list[str]) -> Iterator[tuple[str, Path, Path]]:
    tiny = folder / "old.so", folder / "new.so"
    for output in tiny:
        source = _FIXTURES / "rules" / "dwarf.member-added" / f"{output.stem}.c"
        subprocess.run(["gcc", "-g", "-shared", "-fPIC", "-o", output, source], check=True)
    yield "tiny pair", *tiny
    plugin = _FIXTURES / "plugin1.so"
    yield "identical Go plugins", plugin, plugin
    yield "Go plugins", plugin, _FIXTURES / "plugin2.so"
    llvm = _SYSTEM / "libLLVM-14.so.1", _SYSTEM / "libLLVM-15.so.1"
    if all(path.exists() for path in llvm):
        yield "libLLVM 14 to 15", *llvm
        yield "identical libLLVM", llvm[0], llvm[0]
    for text in given:
        name, _, paths = text.partition("=")
        old, _, new = paths.partition(",")
        yield name, Path(old), Path(new)


def main(given: list[str]) -> None:
    """Measure all pairs, and print a line each."""
    tools = {"soinspect": [sys.executable, "-m", "soinspect", "diff"]}
    abidiff = shutil.which("abidiff")
    if abidiff:
        tools["abidiff"] = [abidiff]
    with tempfile.TemporaryDirectory() as folder:
        for name, old, new in _pairs(Path(folder), given):
            costs: dict[str, list[Cost]] = {tool: [] for tool in tools}
            for _ in range(_RUNS):
                for tool, command in tools.items():
                    # What was stopped once is not tried again.
                    if not any(cost.stopped for cost in costs[tool]):
                        costs[tool].append(measure([*command, str(old), str(new)]))
            parts = [
                f"{tool} {'more than ' * any(it.stopped for it in taken)}{median(it.seconds for it in taken):.2f} s, "
                f"{max(it.memory for it in taken) / 1e6:.0f} MB"
                for tool, taken in costs.items()
            ]
            sys.stdout.write(f"{name}: {'; '.join(parts)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
