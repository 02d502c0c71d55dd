"""``soinspect schema``."""

from __future__ import annotations

from importlib.resources import files

from soinspect.cli.options import write


def command() -> None:
    """Print the JSON Schema of what --format json prints."""
    write(files("soinspect.render").joinpath("schema.json").read_text(encoding="utf-8"))
