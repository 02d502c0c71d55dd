"""The picture in the README shows what the commands really print."""

from __future__ import annotations

import html
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "terminal.svg"
COMMANDS = (
    "soinspect symbols fixtures/plugin1.so --format table",
    "soinspect call fixtures/plugin1.so Run I",
    "soinspect diff fixtures/plugin1.so fixtures/plugin2.so",
)
WIDTH = 116
LINES = 9


def draw() -> str:
    """The commands and the beginning of what they print, as an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in COMMANDS:
        environment = {**os.environ, "PATH": path, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=600
        )
        console.print(Text(f"$ {command}", style="bold"))
        for line in done.stdout.splitlines()[:LINES]:
            console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis")
        console.print()
    return console.export_svg(title="soinspect")


def words(svg: str) -> list[str]:
    """What can be read in the picture: the drawing around it may change with the version of rich."""
    return [html.unescape(text).replace("\xa0", " ") for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def test_the_picture_is_real(pytestconfig: pytest.Config) -> None:
    svg = draw()
    if pytestconfig.getoption("--update-golden"):
        PICTURE.write_text(svg)
    assert words(svg) == words(PICTURE.read_text())
