"""``soinspect snapshot``."""

from __future__ import annotations

from soinspect.cli.options import OneFile, Output, write_to


def command(file: OneFile, output: Output = None) -> None:
    """Save all facts of a file as JSON; a snapshot stands in for its file in every command but call."""
    from soinspect import api

    write_to(output, [api.snapshot(file)])
