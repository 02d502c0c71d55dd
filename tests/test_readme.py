"""Every command shown in README and docs runs, and prints what is shown."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELLIPSIS = "...\n"


def blocks() -> list[tuple[Path, str]]:
    return [(page, match.group(1)) for page in PAGES for match in BLOCK.finditer(page.read_text())]


def run(command: str) -> str:
    """Run a shown command in the project's folder; its output, and its exit code where that is not 0."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert "Traceback" not in done.stderr, done.stderr
    shown = done.stdout + done.stderr
    return shown if done.returncode == 0 else f"{shown}[exit code {done.returncode}]\n"


def matches(shown: str, real: str) -> bool:
    """Whether the real output is what is shown, where a line of three dots stands for any lines."""
    parts = [re.escape(part) for part in shown.split(ELLIPSIS)]
    return re.fullmatch(r"(?:.*\n)*".join(parts), real) is not None


@pytest.mark.parametrize(("page", "block"), blocks(), ids=lambda v: v.name if isinstance(v, Path) else v.split("\n")[0])
def test_shown_output_is_real(page: Path, block: str, pytestconfig: pytest.Config) -> None:
    rewritten = ""
    for step in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
        if not step:
            continue
        command, _, shown = step[2:].partition("\n")
        real = run(command)
        assert shlex.split(command)[0] in ("soinspect", "echo")
        if pytestconfig.getoption("--update-golden") and not matches(shown, real):
            shown = real
        assert matches(shown, real), f"$ {command}\n{real}"
        rewritten += f"$ {command}\n{shown}"
    if pytestconfig.getoption("--update-golden"):
        page.write_text(page.read_text().replace(block, rewritten))


def sessions() -> list[tuple[Path, str]]:
    """The Python of each page: its blocks are one session."""
    found = [(page, "\n".join(PYTHON.findall(page.read_text()))) for page in PAGES]
    return [(page, session) for page, session in found if session]


@pytest.mark.parametrize(("page", "session"), sessions(), ids=lambda v: v.name if isinstance(v, Path) else "")
def test_shown_python_is_real(page: Path, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_two_commands_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    assert "## Try it" in text
    assert "## Run the tests" in text
