"""``soinspect snapshot``."""

from __future__ import annotations

from soinspect.cli.options import OneFile, Output, write_to


def command(file: OneFile, output: Output = None) -> None:
    """Save all facts of a file as JSON; a snapshot stands in for its file in every command but call."""
    from soinspect import api
    from soinspect.saved.snapshotfile import write_snapshot

    write_to(output, write_snapshot(api.facts_of(file, with_loading=True)))
