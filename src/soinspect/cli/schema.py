"""``soinspect schema``."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Annotated

import typer

from soinspect.cli.options import write


def command(
    snapshot: Annotated[bool, typer.Option("--snapshot", help="That of what soinspect snapshot saves.")] = False,
) -> None:
    """Print the JSON Schema of what --format json prints."""
    if snapshot:
        from soinspect.saved.snapshotfile import snapshot_schema

        write(json.dumps(snapshot_schema(), indent=2) + "\n")
        return
    write(files("soinspect.render").joinpath("schema.json").read_text(encoding="utf-8"))
