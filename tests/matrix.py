"""Runs native calls of the matrix as another user: ``python matrix.py UID WORKER PYTHON``.

The cases come as JSON on stdin: ``[[library, step, timeout, open, traced], ...]``; the answers go to stdout. All is
imported first, since that user may not be able to read where soinspect is installed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import capstone  # noqa: F401
import pycxxfilt  # noqa: F401

from calls import call
from gohosts import MARK
from soinspect.calling import monitor, native, postmortem, ptrace, toolchain  # noqa: F401
from soinspect.model.calling import Sandbox


def main() -> None:
    user, worker, python = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    cases = json.load(sys.stdin)
    if user != os.getuid():
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    monitor._WORKER = worker
    sys.executable = python
    seize = ptrace.seize
    for library, step, timeout, is_open, traced in cases:
        ptrace.seize = seize if traced else refuse
        sandbox = Sandbox(on=not is_open)
        result = call(Path(library), step, timeout=timeout, sandbox=sandbox, SOINSPECT_TEST=os.environ[MARK.name])
        print(json.dumps([result.summary, result.steps[0].outcome]))  # noqa: T201


def refuse(pid: int) -> None:
    raise PermissionError(1, "Operation not permitted")


if __name__ == "__main__":
    main()
