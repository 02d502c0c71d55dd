"""Compare ``soinspect scan`` with one ``nm -D`` process a file: CPU seconds of all processes, and peak memory.

python tests/bench/scan_speed.py [FOLDER]    # default: /usr
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def _measure(*commands: list[str]) -> tuple[float, float, int]:
    """CPU seconds and wall-clock seconds of all commands with their children, and the peak RSS of one in MiB."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = 0
    for command in commands:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            peak = max(peak, usage.ru_maxrss >> 10)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, time.perf_counter() - start, peak


def _shared_objects(folder: str) -> list[str]:
    """The ELF files called ``.so`` below a folder."""
    found = []
    for path in sorted(Path(folder).rglob("*.so*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found.append(str(path))
    return found


def main(folder: str) -> None:
    """Print one line a measurement, each taken twice in turn."""
    paths = _shared_objects(folder)
    size = sum(Path(path).stat().st_size for path in paths)
    sys.stdout.write(f"{len(paths):,} shared objects, {size / 1e9:.2f} GB, below {folder}\n")
    scan = [sys.executable, "-m", "soinspect", "scan"]
    with tempfile.TemporaryDirectory() as temporary:
        cache = f"{temporary}/cache"
        runs: dict[str, list[list[str]]] = {
            "nm -D, a process a file": [["nm", "-D", path] for path in paths],
            "scan, the same files": [[*scan, "--format", "csv", *paths]],
            "scan --symbols, the same files": [[*scan, "--symbols", "--format", "csv", *paths]],
            "scan, the whole folder": [[*scan, "--format", "csv", folder]],
            "scan, the whole folder, to a cache": [[*scan, "--format", "csv", "--cache", cache, folder]],
        }
        for _ in range(2):
            for name, commands in runs.items():
                spent, wall, peak = _measure(*commands)
                sys.stdout.write(f"{name}: {spent:.2f} s CPU, {wall:.1f} s, {peak} MiB\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "/usr")
