"""What a command costs: CPU seconds and peak memory, in runs that take turns, so that a busy moment hits all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

RUNS = 5
SOINSPECT = [sys.executable, "-m", "soinspect"]
LIMIT = 60  # CPU seconds after which a command is stopped
# Python would compile all sources anew at every start, were it told not to keep what it compiled.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds (user and system), peak resident memory in bytes, and whether it was stopped before its end."""

    seconds: float
    memory: int
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A question, what soinspect is asked, and the peers that answer the same, or nearly so."""

    name: str
    ours: list[str]
    peers: dict[str, list[str]]


# A process inherits the peak memory of the one that started it: so a small one does. It prints seconds, kB, status.
_LAUNCHER = f"""
import os, resource, sys
pid = os.fork()
if not pid:
    resource.setrlimit(resource.RLIMIT_CPU, ({LIMIT}, {LIMIT}))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, int(os.WIFSIGNALED(status)))
"""


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command without its output."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    done = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, check=True)
    seconds, memory, stopped = done.stdout.split()
    return Cost(seconds=float(seconds), memory=int(memory) * 1024, stopped=stopped == "1")


def paired(commands: Mapping[str, Sequence[str]], runs: int = RUNS) -> dict[str, Cost]:
    """The median cost of each command; they take turns, and the first round, which fills caches, does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            if not any(cost.stopped for cost in costs[name]):  # what was stopped once is not tried again
                costs[name].append(cost_of(command))
    return {name: _median(taken if taken[0].stopped else taken[1:]) for name, taken in costs.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        seconds=median(cost.seconds for cost in costs),
        memory=int(median(cost.memory for cost in costs)),
        stopped=any(cost.stopped for cost in costs),
    )


def version_of(command: Sequence[str]) -> str:
    """The first line that a program prints about its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((done.stdout or done.stderr).splitlines()), "unknown").strip()
