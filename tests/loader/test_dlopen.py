"""What is predicted for a plugin is what a real host is told by the real dlopen, word for word."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import FIXTURES
from soinspect import api
from soinspect.loader.environment import LoaderEnv
from soinspect.model.loadplan import DlopenProblem, Effect

FOLDER = FIXTURES / "plugins-for-dlopen"
CASES = sorted(path for path in FOLDER.iterdir() if path.name not in ("host.c", "README.md"))


@dataclass(frozen=True, kw_only=True)
class Case:
    """The comments of a source: how to build it, and what to expect."""

    build: tuple[str, ...]
    effect: str
    kind: str
    subject: str
    fix: str

    @classmethod
    def of(cls, source: Path) -> Case:
        text = source.read_text()
        (expected,) = re.findall(r"^// expect: (.*)$", text, re.MULTILINE)
        what, _, fix = expected.partition("; ")
        effect, kind, subject = (*what.split(" "), "", "")[:3]
        return cls(
            build=tuple(re.findall(r"^// build: (.*)$", text, re.MULTILINE)),
            effect=effect,
            kind=kind,
            subject=subject,
            fix=fix,
        )


def run_host(folder: Path) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LD_")} | {"LC_ALL": "C"}
    done = subprocess.run(
        ["./host", "./plugin.so"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def stops(problem: DlopenProblem) -> bool:
    return problem.effect in (Effect.REFUSED, Effect.ABORTS)


@pytest.mark.parametrize("source", CASES, ids=lambda path: path.stem)
def test_the_prediction_is_what_dlopen_says(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of(source)
    for line in case.build:
        environment = {**os.environ, "S": str(source), "F": str(FOLDER)}
        subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, env=environment, check=True)
    monkeypatch.chdir(tmp_path)
    problems = api.dlopen_problems("./host", "./plugin.so", LoaderEnv())
    code, said = run_host(tmp_path)
    stopping = next(filter(stops, problems), None)
    if case.effect == "accepted":
        assert problems == ()
    else:
        first = problems[0]
        assert (first.effect, first.kind, first.subject) == (case.effect, case.kind, case.subject)
        assert case.fix in f"{first.fix} {first.evidence}"
    if stopping is None:
        assert (code, said) == (0, "loaded")
    elif stopping.effect is Effect.ABORTS:
        # A signal, or an assertion of the loader's own, at a line that depends on its release.
        assert code < 0 or (code == 127 and re.sub(r"\.c: \d+:", ".c:", said) == stopping.message)
    else:
        assert (code, said) == (0, stopping.message)
