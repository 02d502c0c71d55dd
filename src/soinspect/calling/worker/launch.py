"""Becomes another program, inside of the walls: how a Go host is started."""

from __future__ import annotations

import json
import os
import sys

from .limits import limit
from .sandbox import build_walls


def main() -> None:
    """Confine this process as the JSON in the second argument says, and execute the program that it names.

    Each wall, and what keeps the program from starting, is told as a JSON line on the descriptor that the program
    reports on itself: these lines come first, when no foreign code has run yet.
    """
    asked = json.loads(sys.argv[2])
    standing, missing = build_walls(
        writable=tuple(os.fsencode(path) for path in asked["writable"]),
        network=asked["network"],
        processes=asked["processes"],
        executes=True,
    )
    for name, walls in (("wall", standing), ("no-wall", missing)):
        for wall in walls:
            _tell(name, wall)
    if missing and asked["strict"]:
        os._exit(0)
    limit(asked["parent"], asked["cpu_seconds"], asked["memory"])
    try:
        os.execve(asked["program"], [asked["program"]], {**os.environ, **asked["variables"]})  # noqa: S606
    except OSError as error:
        _tell("not-started", str(error.errno))
        os._exit(1)


def _tell(event: str, reason: str) -> None:
    line = json.dumps({"event": event, "reason": reason}) + "\n"
    os.write(int(os.environ["SOINSPECT_FD"]), line.encode())
