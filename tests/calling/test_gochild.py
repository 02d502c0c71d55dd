"""The child process of a Go host, played by scripts that do what a hostile plugin can do."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from gohosts import MARK, survivors
from soinspect.calling.gochild import ChildRun, run_child
from soinspect.errors import CannotRun
from soinspect.model.calling import CallLimits, Sandbox

OPEN = Sandbox(on=False)


def run(
    tmp_path: Path, script: str, *, timeout: float = 10.0, request: bytes = b"{}", sandbox: Sandbox = OPEN
) -> ChildRun:
    host = tmp_path / "host"
    host.write_text(f"#!/bin/bash\n{script}\n")
    host.chmod(0o755)
    result = run_child(
        host,
        request,
        {"PATH": "/usr/bin:/bin", MARK.name: MARK.value},
        CallLimits(timeout=timeout, output=4096),
        sandbox,
    )
    assert list(survivors()) == []
    return result


def test_events_output_and_status(tmp_path: Path) -> None:
    result = run(
        tmp_path, 'echo out; echo err >&2; echo \'{"event":"opened","step":-1,"ns":5}\' >&$SOINSPECT_FD; exit 4'
    )
    assert (result.stdout, result.stderr, result.returncode, result.truncated) == (b"out\n", b"err\n", 4, False)
    (event,) = result.events
    assert (event.name, event.step, event.nanoseconds) == ("opened", -1, 5)


def test_the_request_arrives_whole(tmp_path: Path) -> None:
    result = run(tmp_path, "wc -c <&$SOINSPECT_FD", request=b"x" * 1_000_000)
    assert result.stdout == b"1000000\n"


def test_a_host_that_does_not_read_its_request(tmp_path: Path) -> None:
    assert run(tmp_path, "exit 3", request=b"x" * 10_000_000).returncode == 3
    assert run(tmp_path, "exec sleep 60", request=b"x" * 10_000_000, timeout=0.5).timed_out


@pytest.mark.parametrize(
    "line",
    ["", "no JSON", "[1]", "null", "[" * 5000, "1e999", '{"event":', "\\xff\\xfe", "9" * 5000],
)
def test_what_is_no_event_ends_the_events(tmp_path: Path, line: str) -> None:
    script = f'printf \'{{"event":"opening"}}\\n{line}\\n{{"event":"done"}}\\n\' >&$SOINSPECT_FD'
    assert [event.name for event in run(tmp_path, script).events] == ["opening"]


def test_fields_of_the_wrong_type_are_empty(tmp_path: Path) -> None:
    text = (
        '{"event":["done"],"step":"x","values":[1,{"value":{},"argument":"1"}],"raw":["0",7,"zz","00"],"ns":1'
        + "0" * 4000
        + "}"
    )
    (event,) = run(tmp_path, f"echo '{text}' >&$SOINSPECT_FD").events
    assert (event.name, event.step, event.nanoseconds, event.raw) == ("", 0, 0, (None, None, None, b"\0"))
    assert [value.argument for value in event.values] == [0]


def test_a_flood_on_every_stream_is_bounded(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(tmp_path, 'yes >&2 & yes & yes >&"$SOINSPECT_FD"', timeout=1.0)
    assert result.timed_out
    assert result.truncated
    assert len(result.stdout) < 5000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 << 10  # KiB


def test_children_that_hold_the_pipes_do_not_keep_us(tmp_path: Path) -> None:
    result = run(tmp_path, "yes & setsid sleep 60 & sleep 0.2; exit 0")
    assert (result.timed_out, result.left_behind) == (False, 2)


def test_a_stopped_host_is_killed(tmp_path: Path) -> None:
    result = run(tmp_path, "kill -STOP $$", timeout=0.5)
    assert (result.timed_out, result.returncode) == (True, -9)


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("soinspect.calling.gochild._drain", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "setsid sleep 60 & echo x; sleep 60")
    assert list(survivors()) == []


def test_a_host_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_child(tmp_path / "none", b"", {}, CallLimits(), OPEN)
    with pytest.raises(FileNotFoundError):
        run_child(tmp_path / "none", b"", {}, CallLimits(), Sandbox())


def test_the_launcher_builds_the_walls_and_leaves_no_trace(tmp_path: Path) -> None:
    script = (
        'echo \'{"event":"opened"}\' >&$SOINSPECT_FD; echo > "$TMPDIR/x" && echo "$TMPDIR"; echo > outside || exit 5'
    )
    result = run(tmp_path, script, sandbox=Sandbox())
    assert result.returncode == 5
    assert [event.name for event in result.events] == ["opened"]
    assert "no new privileges" in result.walls
    assert not Path(result.stdout.decode().strip()).exists()


def test_a_host_cannot_claim_to_be_the_launcher(tmp_path: Path) -> None:
    script = 'echo \'{"event":"opened"}\' >&$SOINSPECT_FD; echo \'{"event":"wall","reason":"x"}\' >&$SOINSPECT_FD'
    result = run(tmp_path, script, sandbox=Sandbox())
    assert [event.name for event in result.events] == ["opened", "wall"]
    assert "x" not in result.walls


def test_a_gap_in_the_sandbox_is_told_or_with_strict_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = tmp_path / "launcher.py"
    line = '{"event":"no-wall","reason":"Landlock (Function not implemented)"}'
    launcher.write_text(f"import os\nos.write(int(os.environ['SOINSPECT_FD']), b'{line}\\n')\n")
    monkeypatch.setattr("soinspect.calling.gochild._WORKER", launcher)
    assert run(tmp_path, "", sandbox=Sandbox()).missing == ("Landlock (Function not implemented)",)
    with pytest.raises(CannotRun, match=r"the sandbox would have a gap: Landlock \(Function not implemented\)"):
        run(tmp_path, "", sandbox=Sandbox(strict=True))
