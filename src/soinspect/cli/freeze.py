"""``soinspect freeze``."""

from __future__ import annotations

from soinspect.cli.options import OneFile, Output, write_to


def command(file: OneFile, output: Output = None) -> None:
    """Write down what others rely on in a file, one fact a line: a baseline to commit, and to give to diff as OLD."""
    from soinspect import api

    write_to(output, [api.freeze(file)])
