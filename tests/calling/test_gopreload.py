"""Plugins in the user's own host program, without a Go toolchain at the time of the call."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gohosts import MARK, GoHosts, go_facts, survivors
from soinspect import api
from soinspect.calling.gopreload import call_in_own_host
from soinspect.errors import CannotRun, InputError, NotElf, UsageError
from soinspect.model.calling import CallLimits, CallRequest, CallResult, EnvironmentVariable, Outcome, Sandbox, Step
from soinspect.model.verdict import PluginVerdict

if TYPE_CHECKING:
    from conftest import GoBuild, GoToolchains, Soinspect

FIXTURES = Path(__file__).parents[2] / "fixtures"
DEMO = FIXTURES / "go-plugin-demo"
MISBEHAVE = FIXTURES / "go-plugin-that-misbehaves" / "misbehave.go"
KINDS = FIXTURES / "go-plugin-of-every-kind" / "kinds.go"
VERSIONS = ("1.21.13", "1.24.11", "1.27.3")

pytestmark = [
    pytest.mark.usefixtures("nothing_survives"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="own hosts are served on x86-64 only"),
]
OwnCall = Callable[..., CallResult]


@pytest.fixture
def nothing_survives() -> Iterator[None]:
    yield
    assert list(survivors()) == []


@pytest.fixture
def own_call(go_toolchains: GoToolchains, test_cache: Path) -> OwnCall:
    """``own_call(plugin, program, "--init", "Run")``: no Go toolchain is to be found meanwhile."""
    surroundings = GoHosts(go_toolchains, test_cache).surroundings()

    def call(
        plugin: Path, program: Path, *steps: str, limits: CallLimits | None = None, **variables: str
    ) -> CallResult:
        request = CallRequest(
            path=str(plugin),
            steps=tuple(Step(symbol=None if step == "--init" else step) for step in steps),
            limits=limits or CallLimits(),
            sandbox=Sandbox(processes=True),
            environment=(MARK, *(EnvironmentVariable(name=name, value=value) for name, value in variables.items())),
        )
        return call_in_own_host(request, go_facts(plugin), surroundings, str(program), lambda: judged(program, plugin))

    return call


def program(go_build: GoBuild, *flags: str, version: str = "1.27.3", mode: str = "exe") -> Path:
    return go_build(version, DEMO / "main.go", *flags, mode=mode)


def judged(program: Path, plugin: Path) -> PluginVerdict:
    return api.check(str(program), str(plugin)).plugins[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_demonstration_in_its_own_host(own_call: OwnCall, go_build: GoBuild, version: str) -> None:
    plugin = go_build(version, DEMO / "plugins" / "plugin1.go")
    result = own_call(plugin, program(go_build, version=version), "--init", "Run", "I", "I=8", "PrintI")
    assert result.good
    assert [step.value for step in result.steps] == [None, None, "7", "8", None]
    assert result.stdout == b"plugin 1: init has run, I = 7\nplugin 1: Run was called\nplugin 1: I = 8\n"
    assert result.steps[0].detail == ("init completed in the host main: 1 initialiser of its own ran (main.init.0)")
    assert "the state of the plugin's init task in the live process was 2 (done)" in result.evidence


@pytest.mark.parametrize(("flags", "mode"), [(("-trimpath", "-ldflags=-s -w"), "exe"), (("-trimpath",), "pie")])
def test_stripped_and_position_independent_hosts(
    own_call: OwnCall, go_build: GoBuild, flags: tuple[str, ...], mode: str
) -> None:
    result = own_call(FIXTURES / "plugin1.so", program(go_build, *flags, mode=mode), "Run", "I")
    assert result.good
    assert result.steps[1].value == "7"


def test_simple_values(own_call: OwnCall, go_build: GoBuild) -> None:
    expected = {
        "Add(40, 2)": ("42", "int"),
        "Tiny(-8)": ("-8", "int8"),
        "Half(3)": ("1.5", "float64"),
        'Half("NaN")': ('"NaN"', "float64"),
        "Not(true)": ("false", "bool"),
        'Upper("straße")': ('"STRAßE"', "string"),
        "Divide(1, 0)": ('0, "division by zero"', "(int, error)"),
        "Divide(7, 2)": ("3, null", "(int, error)"),
        "Even(3)": ('"3 is odd"', "error"),
        "Small": ("-8", "int8"),
        "Large": ("18446744073709551615", "uint64"),
        "Infinite": ('"+Inf"', "float64"),
        "Title": ('"héllo \\"world\\" <&>\\n"', "string"),
        "Ready=false": ("false", "bool"),
        "Ready": ("false", "bool"),
        'Title=""': ('""', "string"),
        "Ratio=0.1": ("0.1", "float64"),
    }
    result = own_call(go_build("1.27.3", KINDS), program(go_build), *expected)
    assert {step.step.text: (step.value, step.type) for step in result.steps} == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_the_stack_grows_and_the_collector_runs(
    own_call: OwnCall, go_build: GoBuild, tmp_path: Path, version: str
) -> None:
    source = tmp_path / f"deep{version}.go"
    source.write_text(
        'package main\n\nimport "runtime"\n\nfunc sink(n int) []byte { return make([]byte, n) }\n\n'
        "func Deep(n int) int {\n\tif n == 0 {\n\t\truntime.GC()\n\t\treturn 0\n\t}\n"
        "\tif n%50000 == 0 {\n\t\truntime.GC()\n\t}\n\treturn Deep(n-1) + len(sink(n%100)) - n%100 + 1\n}\n"
    )
    steps = ["Deep(200000)"] * 5
    result = own_call(go_build(version, source), program(go_build, version=version), *steps)
    assert [step.value for step in result.steps] == ["200000"] * 5


@pytest.mark.parametrize(
    ("name", "outcome", "detail"),
    [
        ("Panics", Outcome.PANICKED, "Panics panicked: out of luck, in main.Panics (misbehave.go:"),
        ("PanicsElsewhere", Outcome.PANICKED, "PanicsElsewhere panicked in a goroutine that nobody guards: nobody"),
        ("PanicsLater", Outcome.PANICKED, "after PanicsLater, the plugin panicked in a goroutine that nobody guards"),
        ("Exits", Outcome.EXITED, "Exits ended the process: exit status 3"),
        ("WritesWildly", Outcome.CRASHED, "WritesWildly was ended by the Go runtime: it accessed the address 0xdead"),
        ("Recurses", Outcome.CRASHED, "Recurses was ended by the Go runtime: stack overflow"),
        ("Blocks", Outcome.TIMED_OUT, "Blocks did not end within 1 s, in main.Blocks (misbehave.go:"),
        ("LeavesDaemon", Outcome.RETURNED, "LeavesDaemon returned"),
    ],
)
def test_ways_to_end(own_call: OwnCall, go_build: GoBuild, name: str, outcome: Outcome, detail: str) -> None:
    limits = CallLimits(timeout=1.0) if outcome is Outcome.TIMED_OUT else None
    (step,) = own_call(go_build("1.27.3", MISBEHAVE), program(go_build), name, limits=limits).steps
    assert step.outcome is outcome, step.detail
    assert step.detail.startswith(detail)


def test_memory_is_limited(own_call: OwnCall, go_build: GoBuild) -> None:
    limits = CallLimits(memory=400 << 20)
    (step,) = own_call(go_build("1.27.3", MISBEHAVE), program(go_build), "Hoards", limits=limits).steps
    assert step.outcome is Outcome.OVER_LIMIT


def test_init_is_told_apart_from_the_programs_own(own_call: OwnCall, go_build: GoBuild, tmp_path: Path) -> None:
    result = own_call(go_build("1.27.3", MISBEHAVE), program(go_build), "--init", MISBEHAVE_IN_INIT="Panics")
    assert result.summary.startswith("misbehave.so: init panicked: out of luck")
    source = tmp_path / "early.go"
    source.write_text(
        'package main\n\nimport (\n\t"fmt"\n\t"os"\n\t"plugin"\n)\n\nfunc init() { os.Exit(5) }\n\n'
        'func main() { fmt.Println(plugin.Open("x")) }\n'
    )
    early = own_call(go_build("1.27.3", MISBEHAVE), go_build("1.27.3", source, mode="exe"), "--init")
    assert early.summary == (
        "misbehave.so: before the plugin was opened, the initialisers of the host program ended the process:"
        " exit status 5"
    )


def test_a_host_that_would_not_accept_it_is_not_started(own_call: OwnCall, go_build: GoBuild) -> None:
    result = own_call(FIXTURES / "plugin1.so", program(go_build), "--init", "Run")
    assert [step.outcome for step in result.steps] == [Outcome.REFUSED, Outcome.NOT_REACHED]
    (reason,) = judged(program(go_build), FIXTURES / "plugin1.so").reasons
    cause = "59 of 59 shared packages differ: plugin built with -trimpath, host without"
    assert result.summary == f"plugin1.so: the host main would not accept it: {cause}; nothing was started"
    assert result.evidence == (reason.message, *reason.evidence)
    assert result.fix == reason.fix == "go build -buildmode=plugin -o plugin1.so ."


def test_the_command_line_gives_the_cause_too(go_build: GoBuild, c_host: Path, soinspect: Soinspect) -> None:
    run = soinspect("call", FIXTURES / "plugin1.so", "Run", "--host", program(go_build))
    assert run.code == 1
    assert "plugin built with -trimpath, host without" in run.out.splitlines()[0]
    assert run.out.splitlines()[-1].split() == "fix go build -buildmode=plugin -o plugin1.so .".split()
    run = soinspect("call", FIXTURES / "plugin1.so", "Run", "--host", c_host)
    assert (run.code, run.err.splitlines()) == (
        3,
        [
            f"soinspect: {c_host} cannot open Go plugins: not a Go binary: no Go section, note or symbol",
            "fix: leave --host out: a small Go program opens the plugin then",
        ],
    )


def test_plugin_open_has_the_last_word(own_call: OwnCall, go_build: GoBuild, tmp_path: Path) -> None:
    """Hashes agree, yet the file cannot be loaded: the text is the loader's."""
    source = tmp_path / "lost.go"
    source.write_text(
        "package main\n\n// #cgo LDFLAGS: -Wl,--unresolved-symbols=ignore-all\n// int nowhere(void);\n"
        'import "C"\n\nfunc Run() int { return int(C.nowhere()) }\n'
    )
    result = own_call(go_build("1.27.3", source), program(go_build), "--init")
    assert result.steps[0].outcome is Outcome.REFUSED
    assert "undefined symbol: nowhere" in result.summary


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        ("Here", CannotRun, "needs the type main.Point"),
        ("Here.X", CannotRun, "needs fields and methods"),
        ('Join("-")', CannotRun, "needs the type ...string"),
        ("Text(null)", CannotRun, "needs a parameter of type error"),
        ("Failure", CannotRun, "needs a variable of type error"),
        ("Tiny(300)", UsageError, "300 is out of range for int8"),
        ("Not(1)", UsageError, "1 is not of type bool"),
        ("Add(1)", UsageError, "Add takes 2 argument(s), 1 given"),
        ("Add=1", UsageError, "Add is a func"),
        ("Small()", UsageError, "Small is a variable of type int8 and cannot be called"),
        ("Nope", UsageError, "exports no Nope"),
    ],
)
def test_what_it_cannot_do_is_said_before_anything_is_started(
    own_call: OwnCall, go_build: GoBuild, step: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        own_call(go_build("1.27.3", KINDS), program(go_build), step)
    assert message in str(caught.value)


def test_programs_that_cannot_be_hosts(own_call: OwnCall, go_build: GoBuild, tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="cannot open Go plugins: not a Go binary"):
        own_call(FIXTURES / "plugin1.so", Path("/bin/sh"), "Run")
    (tmp_path / "text").write_text("text")
    with pytest.raises(NotElf):
        own_call(FIXTURES / "plugin1.so", tmp_path / "text", "Run")
    with pytest.raises(InputError):
        own_call(FIXTURES / "plugin1.so", tmp_path / "missing", "Run")
    locked = tmp_path / "locked"
    locked.write_bytes(program(go_build, "-trimpath").read_bytes())
    with pytest.raises(CannotRun) as caught:
        own_call(FIXTURES / "plugin1.so", locked, "Run")
    assert caught.value.remedy == f"chmod +x {locked}"
