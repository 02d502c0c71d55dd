"""``soinspect check``: the first line, the exit codes, JSON, other files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from conftest import FIXTURES, ROOT, Soinspect
from elfwriter import Sym, elf64
from gopairs import GoPairs
from soinspect.model.absence import Absent
from soinspect.model.verdict import Outcome
from soinspect.verdict.check import judge

NEW, OLD = "1.27.3", "1.24.11"


def test_the_first_line_is_the_answer(pairs: GoPairs, soinspect: Soinspect) -> None:
    plugin = pairs.plugin(NEW, "plain")
    for host, code, start in (
        (pairs.host(NEW, "stripped"), 0, "OK plugin-plain.so in host-stripped: "),
        (pairs.host(NEW, "without cgo"), 1, "FAIL plugin-plain.so in host-without-cgo: the host was built without cgo"),
        (
            pairs.host(OLD, "plain"),
            1,
            "ABORT plugin-plain.so in host-plain: the host does not find",
        ),
        (Path(sys.executable).resolve(), 3, f"UNDECIDED plugin-plain.so in {Path(sys.executable).resolve().name}: "),
        (pairs.plugin(NEW, "second"), 3, "UNDECIDED plugin-plain.so in plugin-second.so: the host is a Go plugin"),
        (Path("/lib/missing"), 2, ""),
    ):
        run = soinspect("check", host, plugin)
        assert (run.code, run.out[: len(start)]) == (code, start)


def test_one_cause_stands_for_all_packages(pairs: GoPairs, soinspect: Soinspect) -> None:
    run = soinspect("check", pairs.host(NEW, "trimpath"), pairs.plugin(NEW, "plain"))
    first, *rest = run.out.splitlines()
    assert first.endswith(" shared packages differ: host built with -trimpath, plugin without")
    assert "  fix       go build -buildmode=plugin -trimpath -o plugin-plain.so ." in rest


def test_several_plugins_have_a_verdict_each_and_one_together(pairs: GoPairs, soinspect: Soinspect) -> None:
    host, first, second = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain"), pairs.plugin(NEW, "second")
    assert soinspect("check", host, first, second).out.startswith("OK all 2 plugins in host-plain, in this order\nOK ")
    run = soinspect("check", host, first, pairs.plugin(NEW, "trimpath"))
    assert run.out.startswith("FAIL 1 of 2 plugins in host-plain: plugin-trimpath.so\nOK ")


def test_requirements(pairs: GoPairs, soinspect: Soinspect) -> None:
    host, plugin = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain")
    assert soinspect("check", host, plugin, "--require", "Run:func()", "--require", "Count").code == 0
    run = soinspect("check", host, plugin, "--require", "Rum")
    assert run.code == 1
    assert "did you mean Run? it exports Count, Run" in run.out
    assert soinspect("check", host, plugin, "--require", ":int").code == 2


def test_json_is_what_the_schema_says(pairs: GoPairs, soinspect: Soinspect) -> None:
    schema = json.loads(soinspect("schema").out)
    for host in (pairs.host(NEW, "plain"), pairs.host(NEW, "trimpath"), Path(sys.executable)):
        document = soinspect("check", host, pairs.plugin(NEW, "plain"), "--format", "json").json
        jsonschema.validate(document, schema)
    assert document["outcome"] == document["plugins"][0]["outcome"] == "undecided"


@pytest.mark.parametrize("content", [b"", b"hello", b"\x7fELF\x02\x01"])
def test_files_that_cannot_be_read(content: bytes, pairs: GoPairs, soinspect: Soinspect, tmp_path: Path) -> None:
    path = tmp_path / "plugin.so"
    path.write_bytes(content)
    run = soinspect("check", pairs.host(NEW, "plain"), path)
    assert (run.code, run.out) == (2, "")


def test_damaged_plugins_never_end_in_a_traceback(pairs: GoPairs, soinspect: Soinspect, tmp_path: Path) -> None:
    whole = pairs.plugin(NEW, "plain").read_bytes()
    path = tmp_path / "plugin.so"
    for content in (whole[: len(whole) // 2], whole[:5000], elf64((Sym(name=b"go:link.pkghashbytes.x"),))):
        path.write_bytes(content)
        for host in (pairs.host(NEW, "plain"), path):
            assert soinspect("check", host, path).code in (1, 2, 3)


# -- what dlopen objects to, before anything of Go -----------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    kind: str
    effect: str
    message: str
    evidence: tuple[str, ...] = ()
    fix: str | None = None


UNDEFINED = Problem("symbol", "refused", "plugin.so: undefined symbol: f")
COPIES = Problem("copies", "risky", "two copies of libssl")


def test_what_dlopen_refuses_does_not_reach_the_go_runtime(pairs: GoPairs) -> None:
    host, guest = pairs.read_host(pairs.host(NEW, "plain")), pairs.read_guest(pairs.plugin(NEW, "trimpath"))
    (only,) = judge("host", host, [guest], problems={guest.path: (COPIES, UNDEFINED)}).plugins
    assert [reason.rule for reason in only.reasons] == ["check.dlopen.copies", "check.dlopen.symbol"]
    assert only.reasons[1].message == f'plugin.Open("{guest.path}"): plugin.so: undefined symbol: f'


def test_other_hosts_are_judged_by_dlopen_alone(pairs: GoPairs) -> None:
    guest = pairs.read_guest(pairs.plugin(NEW, "plain"))
    for problems, outcome in (((), Outcome.ACCEPTED), ((COPIES,), Outcome.ACCEPTED), ((UNDEFINED,), Outcome.REJECTED)):
        verdict = judge("host", Absent("not Go"), [guest], problems={guest.path: problems})
        assert verdict.outcome is outcome
        assert verdict.risky is bool(problems)


# -- what the documentation shows ----------------------------------------------------------------------------

BLOCK = re.compile(r"^```text\n(\$ soinspect check .*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/check.md"])
def test_what_is_shown_is_real(
    page: str, pairs: GoPairs, soinspect: Soinspect, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    for name, host in (("gateway", "plain"), ("trimmed-gateway", "trimpath")):
        shutil.copy(pairs.host(NEW, host), tmp_path / name)
    shutil.copy(pairs.host(OLD, "plain"), tmp_path / "old-gateway")
    for name, plugin in (("plugin1.so", "plugin1.so"), ("plugin2.so", "plugin2.so"), ("renamed.so", "plugin1.so")):
        shutil.copy(FIXTURES / plugin, tmp_path / name)
    text = (ROOT / page).read_text()
    blocks = BLOCK.findall(text)
    assert blocks
    for block in blocks:
        command = block.partition("\n")[0]
        run = soinspect(*shlex.split(command)[2:], cwd=tmp_path)
        real = f"{command}\n{run.out}" + (f"[exit code {run.code}]\n" if run.code else "")
        if pytestconfig.getoption("--update-golden"):
            text = text.replace(block, real)
            (ROOT / page).write_text(text)
        else:
            assert block == real
