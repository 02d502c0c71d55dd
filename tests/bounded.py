"""The command line in a process that may take two seconds of CPU and 300 MB of memory, and not more.

What every answer to a hostile file must fulfil stands here too: an exit code that means something, no traceback,
text that cannot drive a terminal, JSON that can be read.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from conftest import Run

CPU_SECONDS = 2
MEMORY = 300 << 20  # bytes of private memory that can be written to; the mapped file does not count
_NEVER = 120  # seconds of wall time: only what waits for something that does not come takes so long


def limit_memory() -> None:
    """From now on, this process is refused memory beyond the limit."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_next_step() -> None:
    """From now on, this process is ended by SIGPROF when it has taken as many CPU seconds as one command may."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    limit_memory()


def bounded(*arguments: str | Path) -> Run:
    """Run ``soinspect`` with these arguments within the limits; what it said, which was checked."""
    done = subprocess.run(
        [sys.executable, "-m", "soinspect", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        preexec_fn=_limit,
        env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
        timeout=_NEVER,
    )
    if done.returncode < 0:
        raise AssertionError(f"{arguments[0]}: ended by {signal.Signals(-done.returncode).name}")
    trouble = judge(done.returncode, done.stdout, done.stderr, is_json="json" in arguments)
    assert not trouble, f"{' '.join(map(str, arguments))}: {trouble}"
    return Run(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def judge(code: int, out: bytes, err: bytes, *, is_json: bool) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if code not in (0, 1, 2, 3):
        return f"exit code {code}"
    if b"Traceback" in err:
        return err.decode("utf-8", "replace")
    try:
        texts = out.decode(), err.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error}"
    if is_json and out:
        try:
            json.loads(out, parse_constant=_no_number)
        except ValueError as error:
            return f"not JSON: {error}"
    for text in texts:
        odd = {c for c in text if not c.isprintable()} - set("\n\r\t")
        if odd:
            return f"not escaped: {sorted(odd)}"
    return ""


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is a number for Python alone")
