"""What abidiff reports of the pairs in ``fixtures/rules/``, beside what we report: a table for the documentation.

pytest tests/bench/abidiff_table.py    # needs Debian's abigail-tools, writes docs/comparing-with-abidiff.md
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rulepairs import NEAR_MISS, RulePair, has_pair
from soinspect import api
from soinspect.comparing.rules import RULES
from soinspect.model.finding import Comparison, Severity

_PAGE = Path(__file__).parent.parent.parent / "docs" / "comparing-with-abidiff.md"
_SHOWN = (Severity.BREAKING, Severity.RISKY)
# abidiff's exit code is a sum of these (abidiff(1)).
_ERROR, _CHANGE, _INCOMPATIBLE = 1, 4, 8
_INTRODUCTION = """# Compared with abidiff

Every pair of small libraries in `fixtures/rules/`, compared by soinspect and by {version} (`{name}`). A pair is named
after the rule that it is made for; a *near miss* is a pair much like it in which that rule has nothing to find. What
abidiff says is its exit code: 0 no change, 4 a change that a person must look at, 8 an incompatible one (12 is both).
soinspect's exit code is 1 where something breaks.

{summary}

CPU seconds for all pairs, in one process a pair: abidiff {abidiff:.1f}, soinspect {soinspect:.1f}. Of the latter the
start of Python and of the command line is {start:.2f} s a pair. On large libraries it is the other way round:
`tests/bench/run.py diff` measures it.

`pytest tests/bench/abidiff_table.py` writes this page.

| pair | abidiff | soinspect | what soinspect finds, if it breaks or is a risk |
|---|---|---|---|
"""


def _run(*command: str | Path) -> tuple[int, float]:
    """The exit code of a command, and the CPU seconds it took."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def _row(name: str, code: int, found: Comparison) -> str:
    rules = dict.fromkeys(finding.rule for finding in found.findings if finding.severity in _SHOWN)
    return f"| {name.replace('/', ', ')} | {code} | {_worst(found)} | {', '.join(rules)} |\n"


def _worst(found: Comparison) -> str:
    return str(found.findings[0].severity) if found.findings else "no difference"


def _summary(codes: list[tuple[str, int]]) -> str:
    """A table: how many pairs of each verdict of ours got each exit code of abidiff's."""
    count = Counter((worst, min(code & _INCOMPATIBLE or code & _CHANGE or code, 8)) for worst, code in codes)
    lines = [
        "| soinspect | pairs | abidiff: no change | look at it | incompatible | error |",
        "|---|---|---|---|---|---|",
    ]
    for worst in (*map(str, Severity), "no difference"):
        numbers = [count[worst, code] for code in (0, _CHANGE, _INCOMPATIBLE, _ERROR)]
        lines.append(f"| {worst} | {sum(numbers)} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def test_write_the_table(rule_pair: Callable[[str], RulePair]) -> None:
    names = [name for entry in RULES for name in (entry.rule.id, f"{entry.rule.id}/{NEAR_MISS}") if has_pair(name)]
    rows, codes = [], []
    seconds = {"abidiff": 0.0, "soinspect": 0.0}
    for name in names:
        pair = rule_pair(name)
        code, taken = _run("abidiff", pair.old, pair.new)
        seconds["abidiff"] += taken
        seconds["soinspect"] += _run(sys.executable, "-m", "soinspect", "diff", pair.old, pair.new)[1]
        found = api.compare(str(pair.old), str(pair.new))
        rows.append(_row(name, code, found))
        codes.append((_worst(found), code))
    version = subprocess.run(["abidiff", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    name, _, number = version.partition(": ")
    introduction = _INTRODUCTION.format(
        version=f"libabigail {number}",
        name=name,
        summary=_summary(codes),
        abidiff=seconds["abidiff"],
        soinspect=seconds["soinspect"],
        start=_run(sys.executable, "-m", "soinspect", "--version")[1],
    )
    _PAGE.write_text(introduction + "".join(rows))
