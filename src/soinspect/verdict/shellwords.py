"""Paths as words of a shell, for fixes that are copied."""

from __future__ import annotations

import shlex


def run(program: str) -> str:
    """The program as a command, or a library as LD_PRELOAD takes it: a bare name would be searched for elsewhere."""
    return shlex.quote(program if "/" in program else f"./{program}")
