"""Real plugins in real Go hosts: what is answered, and that nothing survives."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gohosts import GoHosts, go_facts, survivors
from soinspect.errors import UsageError
from soinspect.model.calling import CallLimits, CallResult, Outcome, Sandbox, StepResult

if TYPE_CHECKING:
    from conftest import Compile, GoBuild, GoToolchains

pytestmark = pytest.mark.usefixtures("nothing_survives")

FIXTURES = Path(__file__).parents[2] / "fixtures"
DEMO = FIXTURES / "go-plugin-demo" / "plugins"
MISBEHAVE = FIXTURES / "go-plugin-that-misbehaves" / "misbehave.go"
WITH_C = FIXTURES / "go-plugin-with-c-code" / "withc.go"
KINDS = FIXTURES / "go-plugin-of-every-kind" / "kinds.go"
VERSIONS = ("1.21.13", "1.24.11", "1.27.3")
SHORT = CallLimits(timeout=1.0)


def only(result: CallResult) -> StepResult:
    (step,) = result.steps
    return step


@pytest.fixture(scope="module")
def hosts(go_toolchains: GoToolchains, test_cache: Path) -> GoHosts:
    return GoHosts(go_toolchains, test_cache)


@pytest.fixture
def nothing_survives() -> Iterator[None]:
    yield
    assert list(survivors()) == []


@pytest.fixture(scope="session")
def misbehaving(go_build: GoBuild) -> Path:
    return go_build("1.27.3", MISBEHAVE)


@pytest.fixture(scope="session")
def kinds(go_build: GoBuild) -> Path:
    return go_build("1.27.3", KINDS)


# -- the demonstration ---------------------------------------------------------------------------------------


def test_the_committed_plugin_is_initialised(hosts: GoHosts) -> None:
    result = hosts.call(FIXTURES / "plugin1.so", "--init")
    assert result.good
    assert result.summary == (
        "plugin1.so: init completed in a go1.27.3 host: 1 initialiser of its own ran (main.init.0)"
    )
    assert result.stdout == b"plugin 1: init has run, I = 7\n"
    assert "the state of the plugin's init task in the live process was 2 (done)" in result.evidence
    assert any(line.startswith("package hashes: all ") for line in result.evidence)


def test_what_the_committed_plugins_export(hosts: GoHosts) -> None:
    assert hosts.call(FIXTURES / "plugin2.so", "Run").stdout.endswith(b"plugin 2: Run was called\n")
    step = only(hosts.call(FIXTURES / "plugin1.so", "I"))
    assert (step.outcome, step.value, step.type) == (Outcome.READ, "7", "int")


@pytest.mark.parametrize("name", ["plugin1", "plugin2"])
def test_the_committed_plugins_are_what_their_build_line_makes(go_build: GoBuild, name: str) -> None:
    """Not byte for byte: the system's C compiler and linker have a part in it."""
    committed = go_facts(FIXTURES / f"{name}.so")
    built = go_facts(go_build("1.27.3", DEMO / f"{name}.go", "-trimpath", "-ldflags=-s -w"))
    assert committed.version.text == built.version.text
    assert committed.plugin
    assert built.plugin
    assert [(e.name, e.kind, e.type) for e in committed.plugin.exports] == [
        (e.name, e.kind, e.type) for e in built.plugin.exports
    ]
    own = (committed.plugin.path, built.plugin.path)
    hashes = [
        {(h.package, h.hash) for h in facts.package_hashes if h.package not in own}
        for facts in (committed.plugin, built.plugin)
    ]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_demonstration_in_one_line(hosts: GoHosts, go_build: GoBuild, version: str) -> None:
    plugin = go_build(version, DEMO / "plugin1.go", "-trimpath", "-ldflags=-s -w")
    result = hosts.call(plugin, "Run", "I", "I=8", "PrintI", versions=(version,))
    assert result.good
    assert [step.value for step in result.steps] == [None, "7", "8", None]
    assert result.stdout == b"plugin 1: init has run, I = 7\nplugin 1: Run was called\nplugin 1: I = 8\n"
    assert result.summary == f"plugin1.so: 4 steps completed in a go{version} host"


def test_the_hosts_own_program_agrees(
    go_toolchains: GoToolchains, go_build: GoBuild, hosts: GoHosts, tmp_path: Path
) -> None:
    """The demonstration's own host prints what the steps print."""
    toolchain = go_toolchains["1.27.3"]
    host = tmp_path / "host"
    toolchain.run("build", "-o", host, DEMO.parent / "main.go")
    plugin = go_build("1.27.3", DEMO / "plugin1.go")
    (tmp_path / "plugin1.so").symlink_to(plugin)
    printed = subprocess.run([host], cwd=tmp_path, capture_output=True, check=True).stdout
    stepped = hosts.call(plugin, "Run", "I", "I=8", "PrintI").stdout
    assert [line for line in printed.splitlines() if not line.startswith(b"host:")] == stepped.splitlines()


def test_a_plugin_without_an_initialiser(hosts: GoHosts, go_build: GoBuild, tmp_path: Path) -> None:
    source = tmp_path / "quiet.go"
    source.write_text("package main\n\nvar I = 7\n")
    result = hosts.call(go_build("1.27.3", source), "--init")
    assert only(result).outcome is Outcome.NOTHING_TO_RUN
    assert "no initialiser of its own" in result.summary


def test_a_plugin_in_a_module_with_dots_in_its_path(hosts: GoHosts, go_build: GoBuild, tmp_path: Path) -> None:
    files = {
        "go.mod": "module example.com/my.plug\n\ngo 1.21\n",
        "lib/lib.go": "package lib\n\nvar n = start()\n\nfunc start() int { return 40 }\n\n"
        "func Next() int { n++; return n }\n",
        "main.go": 'package main\n\nimport "example.com/my.plug/lib"\n\nvar Start = lib.Next()\n\n'
        "func init() { Start++ }\n\nfunc Fail() { panic(Start) }\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    result = hosts.call(go_build("1.27.3", tmp_path, name="my.so"), "--init", "Start", "Fail")
    assert result.steps[0].detail.endswith("2 initialisers of its own ran (main.init, main.init.0)")
    assert result.steps[1].value == "42"
    assert result.steps[2].detail.startswith("Fail panicked: 42 (int), in main.Fail (main.go:")


# -- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("Rum", "exports no Rum; did you mean Run?"),
        ("i", "exports no i; did you mean I?"),
        ("Zzz", "exports no Zzz; it exports I, Run, PrintI"),
        ("Run(", "'Run(' is no step of a Go plugin"),
        ("Run(1 2)", "Run: a comma is missing before 2"),
        ("Run(NaN)", "Run: NaN is not JSON"),
        ("I=", "'I=' is no step of a Go plugin"),
        ("I=1,2", "I= takes one value, not 2"),
        ('Run("\\ud800")', "is not JSON"),
        ("Run(" + "[" * 100_000 + ")", "is not JSON"),
    ],
)
def test_steps_that_make_no_sense_start_nothing(hosts: GoHosts, step: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        hosts.call(FIXTURES / "plugin1.so", step, versions=())
    assert message in str(caught.value)


# -- ways to end ---------------------------------------------------------------------------------------------

ENDS = {
    "Panics": (Outcome.PANICKED, "Panics panicked: out of luck (*errors.errorString), in main.Panics (misbehave.go:"),
    "Dereferences": (Outcome.PANICKED, "Dereferences panicked: runtime error: invalid memory address"),
    "Exits": (Outcome.EXITED, "Exits ended the process: exit status 3"),
    "ExitsWell": (Outcome.EXITED, "ExitsWell ended the process: exit status 0"),
    "Goexits": (Outcome.EXITED, "Goexits ended its goroutine (runtime.Goexit)"),
    "PanicsElsewhere": (
        Outcome.PANICKED,
        "PanicsElsewhere panicked in a goroutine that nobody guards: nobody catches this, in main.PanicsElsewhere",
    ),
    "WritesConcurrently": (
        Outcome.CRASHED,
        "WritesConcurrently was ended by the Go runtime: concurrent map writes, in main.WritesConcurrently.func1",
    ),
    "WritesWildly": (
        Outcome.CRASHED,
        "WritesWildly was ended by the Go runtime: it accessed the address 0xdead0000, where it must not, in main.W",
    ),
    "Recurses": (Outcome.CRASHED, "Recurses was ended by the Go runtime: stack overflow"),
    "Blocks": (Outcome.TIMED_OUT, "Blocks did not end within 1 s, in main.Blocks (misbehave.go:"),
    "Spins": (Outcome.TIMED_OUT, "Spins did not end within 1 s"),
    "Forges": (Outcome.EXITED, "Forges ended the process: exit status 9"),
    "ClosesDescriptors": (Outcome.RETURNED, "ClosesDescriptors returned"),
}


@pytest.mark.parametrize("name", ENDS)
def test_each_way_to_end_is_told(hosts: GoHosts, misbehaving: Path, name: str) -> None:
    outcome, detail = ENDS[name]
    result = hosts.call(misbehaving, name, "Panics", limits=SHORT if outcome is Outcome.TIMED_OUT else None)
    assert result.steps[0].outcome is outcome, result.steps[0].detail
    assert result.steps[0].detail.startswith(detail)
    if not outcome.good:
        assert result.steps[1].outcome is Outcome.NOT_REACHED
        assert result.summary == f"misbehave.so: {result.steps[0].detail}"


@pytest.mark.full
@pytest.mark.parametrize("version", VERSIONS[:2])
@pytest.mark.parametrize("name", ["Panics", "Goexits", "PanicsElsewhere", "WritesWildly", "Recurses", "Blocks"])
def test_older_releases_end_the_same_way(hosts: GoHosts, go_build: GoBuild, version: str, name: str) -> None:
    outcome, detail = ENDS[name]
    limits = SHORT if outcome is Outcome.TIMED_OUT else None
    step = only(hosts.call(go_build(version, MISBEHAVE), name, versions=(version,), limits=limits))
    assert step.outcome is outcome, step.detail
    assert step.detail.startswith(detail)


@pytest.mark.parametrize("name", ["Panics", "Exits", "Goexits", "PanicsElsewhere", "Blocks"])
def test_init_can_end_in_the_same_ways(hosts: GoHosts, misbehaving: Path, name: str) -> None:
    outcome, detail = ENDS[name]
    result = hosts.call(misbehaving, "--init", "Panics", limits=SHORT, MISBEHAVE_IN_INIT=name)
    assert result.steps[0].outcome is outcome
    assert result.steps[0].detail.startswith(detail.replace(name, "init", 1))
    assert result.steps[1].outcome is Outcome.NOT_REACHED


def test_a_panic_shows_the_plugins_part_of_the_stack(hosts: GoHosts, misbehaving: Path) -> None:
    step = only(hosts.call(misbehaving, "--init", MISBEHAVE_IN_INIT="Panics"))
    assert [frame.partition(" at ")[0] for frame in step.backtrace] == ["main.Panics", "main.init.0"]


def test_a_recursion_is_one_line(hosts: GoHosts, misbehaving: Path) -> None:
    (line,) = only(hosts.call(misbehaving, "Recurses")).backtrace
    assert line.startswith("main.deeper at ")
    assert line.endswith(" (50 times or more)")


def test_a_panic_after_the_return_is_blamed_on_the_step(hosts: GoHosts, misbehaving: Path) -> None:
    step = only(hosts.call(misbehaving, "PanicsLater"))
    assert step.outcome is Outcome.PANICKED
    assert step.detail.startswith("after PanicsLater, the plugin panicked in a goroutine that nobody guards: too late")


def test_a_wild_write_is_a_crash_with_its_address(hosts: GoHosts, misbehaving: Path) -> None:
    crash = hosts.call(misbehaving, "WritesWildly").crash
    assert crash is not None
    assert (crash.signal, crash.address) == ("SIGSEGV", 0xDEAD0000)
    assert str(crash.location).startswith("main.WritesWildly at ")


def test_memory_is_limited(hosts: GoHosts, misbehaving: Path) -> None:
    step = only(hosts.call(misbehaving, "Hoards", limits=CallLimits(memory=400 << 20)))
    assert step.outcome is Outcome.OVER_LIMIT
    assert step.detail.startswith("Hoards needed more memory than the limit of 400 MB")


def test_a_plugin_that_ignores_sigquit_is_killed(hosts: GoHosts, misbehaving: Path) -> None:
    step = only(hosts.call(misbehaving, "IgnoresQuit", limits=SHORT))
    assert step.outcome is Outcome.TIMED_OUT


def test_much_output_is_cut_in_the_middle(hosts: GoHosts, misbehaving: Path) -> None:
    result = hosts.call(misbehaving, "PrintsMuch", limits=CallLimits(output=1000))
    assert result.good
    assert result.truncated
    assert len(result.stdout) < 1100
    assert result.stdout.endswith(b"the last line\n")
    assert b"bytes left out" in result.stdout


@pytest.mark.parametrize("name", ["LeavesChild", "LeavesDaemon"])
def test_processes_left_behind_are_killed(hosts: GoHosts, misbehaving: Path, name: str) -> None:
    result = hosts.call(misbehaving, name, sandbox=Sandbox(processes=True))
    assert result.good
    assert "1 process(es) that the plugin left behind were killed" in result.evidence


def test_processes_are_limited(hosts: GoHosts, misbehaving: Path) -> None:
    result = hosts.call(misbehaving, "Multiplies", sandbox=Sandbox(processes=True))
    assert only(result).outcome is Outcome.OVER_LIMIT
    assert only(result).detail == "Multiplies was stopped because it started too many processes"


REACH = FIXTURES / "go-plugin-that-reaches-out" / "reach.go"


def test_a_plugin_is_kept_from_files_processes_and_the_network(
    hosts: GoHosts, go_build: GoBuild, tmp_path: Path
) -> None:
    plugin = go_build("1.27.3", REACH)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        steps = (f'Write("{tmp_path}/made")', "Start", "SignalParent", f'Connect("{address}")', "Temporary")
        kept = hosts.call(plugin, *steps)
        opened = Sandbox(network=True, processes=True, writable=(str(tmp_path),))
        free = hosts.call(plugin, *steps, sandbox=opened)
        open_ = hosts.call(plugin, *steps, sandbox=Sandbox(on=False))
    (walls,) = (line for line in kept.evidence if line.startswith("sandbox: "))
    shut = "network" in walls  # containers may not allow a namespace of one's own
    assert [step.value == "null" for step in kept.steps] == [False, False, False, not shut, True]
    assert [step.value == "null" for step in free.steps] == [True, True, False, True, True]  # Landlock keeps signals in
    assert [step.value for step in open_.steps] == ["null"] * 5
    assert not any(line.startswith("sandbox") for line in open_.evidence)


def test_goroutines_left_behind_are_named(hosts: GoHosts, misbehaving: Path) -> None:
    result = hosts.call(misbehaving, "--init", MISBEHAVE_IN_INIT="LeavesGoroutine")
    assert "1 goroutine(s) started by init were running" in result.evidence
    left = "1 goroutine(s) of the plugin were still running at the end, started by main.LeavesGoroutine"
    assert left in result.evidence


def test_c_code_in_a_plugin(hosts: GoHosts, go_build: GoBuild) -> None:
    plugin = go_build("1.27.3", WITH_C)
    assert only(hosts.call(plugin, "Adds")).value == "42"
    crashed = hosts.call(plugin, "Crashes")
    assert crashed.crash is not None
    assert (crashed.crash.signal, crashed.crash.address) == ("SIGSEGV", 8)
    assert crashed.summary.startswith("withc.so: Crashes crashed in C code with SIGSEGV, in main._Cfunc_crash")
    assert str(crashed.crash.location).startswith("main._Cfunc_crash at ")
    assert [frame.partition(" at ")[0] for frame in crashed.crash.backtrace] == ["main.Crashes"]
    aborted = only(hosts.call(plugin, "Aborts"))
    assert aborted.outcome is Outcome.CRASHED
    assert "crashed in C code with SIGABRT" in aborted.detail


def test_a_missing_c_library_is_told_in_the_loaders_words(
    hosts: GoHosts, go_build: GoBuild, cc: Compile, tmp_path: Path
) -> None:
    cc("int helper(void) { return 1; }", name="libhelper.so")
    source = tmp_path / "needy.go"
    source.write_text(
        "package main\n\n// #cgo LDFLAGS: -L" + str(tmp_path) + " -lhelper\n// int helper(void);\n"
        'import "C"\n\nfunc Run() int { return int(C.helper()) }\n'
    )
    plugin = go_build("1.27.3", source)
    result = hosts.call(plugin, "--init")
    assert only(result).outcome is Outcome.REFUSED
    assert "libhelper.so: cannot open shared object file: No such file or directory" in result.summary
    assert only(hosts.call(plugin, "Run", LD_LIBRARY_PATH=str(tmp_path))).value == "1"


# -- values --------------------------------------------------------------------------------------------------

READ = {
    "Small": ("-8", "int8"),
    "Large": ("18446744073709551615", "uint64"),
    "Ratio": ("0.5", "float64"),
    "Infinite": ('"+Inf"', "float64"),
    "Wave": ('"(1-2i)"', "complex128"),
    "Ready": ("true", "bool"),
    "Title": ('"héllo \\"world\\" <&>\\n"', "string"),
    "Raw": ('{"hex":"fffe00"}', "[]uint8"),
    "Names": ('["a","b"]', "[]string"),
    "Grid": ("[[1,2],[3,4]]", "[2][2]int"),
    "Ages": ('{"a":1,"b":2}', "map[string]int"),
    "ByPoint": ('[[{"X":1,"Y":0,"Label":"","seen":0},"one"]]', "map[main.Point]string"),
    "Here": ('{"X":3,"Y":4,"Label":"here","seen":1}', "main.Point"),
    "Pointer": ('{"X":5,"Y":0,"Label":"","seen":0}', "*main.Point"),
    "Nothing": ("null", "*main.Point"),
    "Square": ('{"Side":2}', "main.Shape"),
    "Empty": ("null", "main.Shape"),
    "Any": ('[1,"two",null]', "interface {}"),
    "Double": ('"(func(int) int)"', "func(int) int"),
    "Missing": ("null", "func()"),
    "Wait": ('"1m30s"', "time.Duration"),
    "Born": ('"2009-11-10T23:00:00Z"', "time.Time"),
    "Failure": ('"3 is odd"', "error"),
    "Circle": ('{"Name":"first","Next":"(cycle)"}', "*main.node"),
    "Queue": ('"(chan int)"', "chan int"),
    "Here.X": ("3", "int"),
    "Pointer.Label": ('""', "string"),
}

RETURNED = {
    "Add(40, 2)": ("42", "int"),
    "Tiny(-128)": ("-128", "int8"),
    "Half(3)": ("1.5", "float64"),
    'Half("-Inf")': ('"-Inf"', "float64"),
    'Turn("1+2i")': ('"(-2+1i)"', "complex128"),
    "Not(true)": ("false", "bool"),
    'Upper("straße")': ('"STRAßE"', "string"),
    'Length("abc")': ("3", "int"),
    "Length([1, 2])": ("2", "int"),
    "Triple([1,2,3])": ("6", "int"),
    'Keys({"1": "a", "2": "b"})': ('"ab"', "string"),
    'Norm({"X": 3, "Y": 4, "label": "x"})': ("25", "int"),
    'Year("2020-01-02T03:04:05Z")': ("2020", "int"),
    'Seconds("1m5s")': ("65", "float64"),
    "Seconds(1000000000)": ("1", "float64"),
    "Describe(5)": ('"int"', "string"),
    "Describe(5.5)": ('"float64"', "string"),
    'Describe({"a": [1]})': ('"map[string]interface {}"', "string"),
    'Join("-", "a", "b")': ('"a-b"', "string"),
    'Join("-")': ('""', "string"),
    'Text("boo")': ('"boo"', "string"),
    "Divide(7, 2)": ("3, null", "(int, error)"),
    "Divide(1, 0)": ('0, "division by zero"', "(int, error)"),
    'Greet("bob")': ('"hello bob, limited: true", null', "(string, error)"),
    'Greet(null, "bob")': ('"hello bob, limited: true", null', "(string, error)"),
    'Count("four")': ("4", "int"),
    "Double(21)": ("42", "int"),
    "Here.Sum()": ("7", "int"),
    "Square.Area()": ("4", "float64"),
    "Born.Year()": ("2009", "int"),
}

REFUSED = {
    "Tiny(128)": "argument 1: 128 is out of range for int8; its type is func(int8) int8",
    "Tiny(1.5)": "argument 1: 1.5 is not of type int8",
    'Tiny("1")': 'argument 1: "1" is not of type int8',
    "Add": "takes 2 argument(s), 0 given; its type is func(int, int) int",
    "Add(1,2,3)": "takes 2 argument(s), 3 given",
    "Join()": "takes at least 1 argument(s), 0 given",
    "Greet()": "takes 1 argument(s) besides the context, which the host makes, 0 given",
    'UseShape({"Side": 2})': "argument 1: main.Shape cannot be made from JSON; only null is possible",
    "Apply(5)": "argument 1: func(int) int cannot be made from JSON",
    'Norm({"Z": 1})': "argument 1: main.Point has no field Z; it has X, Y, Label",
    'Norm({"seen": 1})': "argument 1: field seen of main.Point is not exported",
    'Norm({"X": true})': "argument 1: .X: true is not of type int",
    "Triple([1,2])": "argument 1: [3]int needs 3 elements, 2 given",
    "Missing()": "is a nil func; its type is func()",
    "Small()": "is a variable and cannot be called; its type is int8",
    "Small=1000": "1000 is out of range for int8",
    "Add=5": "is a func: only variables can be assigned",
    "Here.Nope()": "Here: main.Point has no method or field Nope; methods: Move, Sum",
    "Here.seen": "Here: seen of main.Point is not exported",
    "Nothing.X": "Nothing: is nil, so it has no X",
    "Empty.Area()": "Empty: is nil, so it has no Area",
    'Write("x", "y")': 'argument 1: io.Writer is written "@stdout" or "@stderr"',
}


def test_variables_of_every_kind_are_read(hosts: GoHosts, kinds: Path) -> None:
    result = hosts.call(kinds, *READ)
    assert {step.step.text: (step.value, step.type) for step in result.steps} == READ
    assert all(step.outcome is Outcome.READ for step in result.steps)


def test_functions_take_and_give_values_of_every_kind(hosts: GoHosts, kinds: Path) -> None:
    result = hosts.call(kinds, *RETURNED)
    assert {step.step.text: (step.value, step.type) for step in result.steps} == RETURNED
    assert all(step.outcome is Outcome.RETURNED for step in result.steps)


@pytest.mark.parametrize("step", REFUSED)
def test_what_cannot_be_done_is_refused_clearly(hosts: GoHosts, kinds: Path, step: str) -> None:
    result = only(hosts.call(kinds, step))
    assert result.outcome is Outcome.UNFIT
    assert result.detail.startswith(f"{step}: {REFUSED[step]}")


def test_variables_are_set_and_methods_change_them(hosts: GoHosts, kinds: Path) -> None:
    steps = (
        "Here.Move(1, 2)",
        "Here.X=10",
        "Here",
        'Ages={"z": 26}',
        "Ages",
        "Names=null",
        "Names",
        "Pointer.Move(1, 1)",
    )
    result = hosts.call(kinds, *steps, "Pointer.X")
    assert result.good
    assert [step.value for step in result.steps] == [
        None, "10", '{"X":10,"Y":6,"Label":"here","seen":2}', '{"z":26}', '{"z":26}', "null", "null", None, "6",
    ]  # fmt: skip


def test_changed_arguments_are_shown(hosts: GoHosts, kinds: Path) -> None:
    result = hosts.call(kinds, 'Shift({"X": 1}, 5)', "Fill([1, 2])")
    assert [step.changed[0].text for step in result.steps] == ['{"X":6,"Y":5,"Label":"","seen":1}', "[99,2]"]
    assert result.steps[1].detail == "Fill([1, 2]) returned; argument 1 is now [99,2]"


def test_a_context_ends_before_our_patience(hosts: GoHosts, kinds: Path) -> None:
    result = hosts.call(kinds, "WaitFor()", limits=SHORT)
    assert only(result).value == '"context deadline exceeded"'


def test_errors_come_with_their_type(hosts: GoHosts, kinds: Path) -> None:
    step = only(hosts.call(kinds, "Even(3)"))
    assert step.detail == 'Even(3) returned "3 is odd" (*main.Odd) (error)'
    assert step.values[0].dynamic == "*main.Odd"


def test_a_writer_is_the_plugins_stdout(hosts: GoHosts, kinds: Path) -> None:
    assert hosts.call(kinds, 'Write("@stdout", "hi")').stdout == b"hi\n"


def test_a_huge_value_is_cut(hosts: GoHosts, kinds: Path) -> None:
    step = only(hosts.call(kinds, "Huge()"))
    assert step.values[0].cut
    assert len(step.detail) < 300


# -- the child's surroundings --------------------------------------------------------------------------------


def test_the_plugin_sees_no_secrets(
    hosts: GoHosts, go_build: GoBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "env.go"
    source.write_text('package main\n\nimport "os"\n\nfunc Environ() []string { return os.Environ() }\n')
    monkeypatch.setenv("TOP_SECRET", "x")
    value = only(hosts.call(go_build("1.27.3", source), "Environ()", GIVEN="yes")).value
    assert value is not None
    assert "TOP_SECRET" not in value
    assert '"GIVEN=yes"' in value


def test_no_descriptor_is_left_open(hosts: GoHosts) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    hosts.call(FIXTURES / "plugin1.so", "Run")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_no_plugin_is_refused(hosts: GoHosts, go_build: GoBuild) -> None:
    with pytest.raises(UsageError, match="cannot be opened by a Go host"):
        hosts.call(go_build("1.27.3", DEMO.parent / "main.go", mode="exe"), "--init")
