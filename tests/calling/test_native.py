"""Native calls: what the loader, the callee and the monitor do, on libraries built here and on Go plugins."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calls import FIXTURES, call
from soinspect import api
from soinspect.calling.worker import thunk
from soinspect.errors import FormatError, UsageError
from soinspect.model.calling import (
    CallLimits,
    CallResult,
    Crash,
    Outcome,
    Sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Compile, GoBuild

MISBEHAVING = FIXTURES / "callee-that-misbehaves"
pytestmark = pytest.mark.usefixtures("no_left_over_process")


def crash_of(result: CallResult) -> Crash:
    assert result.crash is not None
    assert not result.good
    return result.crash


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("misbehaving")

    def build(name: str) -> Path:
        library = folder / f"{name}.so"
        if not library.exists():
            flags = ("-shared", "-fPIC", "-O1", "-fstack-protector-all")
            subprocess.run(["gcc", *flags, "-w", "-o", library, MISBEHAVING / f"{name}.c"], check=True)
        return library

    return build


@pytest.fixture(scope="module")
def arguments_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_arguments(tmp_path_factory)


def build_arguments(tmp_path_factory: pytest.TempPathFactory, *flags: str) -> Path:
    library = tmp_path_factory.mktemp("arguments") / "arguments.so"
    source = FIXTURES / "callee-that-takes-arguments" / "arguments.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", *flags, "-o", library, source], check=True)
    return library


# -- what works


@pytest.mark.parametrize(
    ("symbol", "value"),
    [
        ("answer", "0x2a (42)"),
        ("minus_one", "0xffffffff (4294967295, or -1 if it is an int)"),
        ("big", "0xfedcba9876543210 (-81985529216486896)"),
    ],
)
def test_the_return_register_is_shown_raw(misbehaving: Callable[[str], Path], symbol: str, value: str) -> None:
    result = call(misbehaving("well_behaved"), symbol)
    assert result.good
    assert result.steps[0].outcome is Outcome.RETURNED
    assert result.steps[0].value == value
    assert result.steps[0].detail.startswith("return type unknown: ")


def test_a_returned_text_is_shown(misbehaving: Callable[[str], Path]) -> None:
    value = call(misbehaving("well_behaved"), "text").steps[0].value
    assert value is not None
    assert value.endswith('the address of "some text"')


@pytest.mark.parametrize(
    ("symbol", "value"),
    [
        ("counter", "42"),
        ("byte", "-56 (200 unsigned)"),
        ("half", "-2 (65534 unsigned)"),
        ("wide", str(1 << 40)),
        ("greeting", '"hello"'),
        ("per_thread", "99"),
    ],
)
def test_variables_are_read(misbehaving: Callable[[str], Path], symbol: str, value: str) -> None:
    result = call(misbehaving("well_behaved"), symbol)
    assert result.steps[0].outcome is Outcome.READ
    assert result.steps[0].value == value


def test_steps_share_one_process_in_order(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("well_behaved"), "counted", "counted", "counter")
    assert [step.value for step in result.steps] == ["0x2a (42)", "0x2b (43)", "44"]


def test_init_names_the_constructors_and_shows_what_they_print(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("well_behaved"), None)
    assert result.steps[0].outcome is Outcome.INITIALISED
    assert "first (DT_INIT_ARRAY[1]), second (DT_INIT_ARRAY[2])" in result.steps[0].detail
    assert result.stdout == b"first constructor\nsecond constructor\n"


def test_init_of_a_library_without_constructors_of_its_own(cc: Compile) -> None:
    assert call(cc("int f(void) { return 1; }"), None).steps[0].outcome is Outcome.NOTHING_TO_RUN


def test_init_calls_the_entry_points_that_are_safe_and_names_the_others(cc: Compile) -> None:
    library = cc(
        'const char *gst_plugin_x_get_desc(void) { return "x"; } int pam_sm_authenticate(void *p) { return *(int *)p; }'
    )
    detail = call(library, None).steps[0].detail
    assert "gst_plugin_x_get_desc (GStreamer entry point" in detail
    assert "pam_sm_authenticate (PAM entry point, int f(pam_handle_t *, int, int, const char **)): not called" in detail


def test_symbols_by_version_and_by_demangled_name(cc: Compile, tmp_path: Path) -> None:
    script = tmp_path / "versions"
    script.write_text("V1 { global: f; }; V2 { global: f; } V1;")
    library = cc(
        '__asm__(".symver one,f@V1"); __asm__(".symver two,f@@V2");'
        "int one(void) { return 1; } int two(void) { return 2; }",
        f"-Wl,--version-script={script}",
    )
    assert [step.value for step in call(library, "f", "f@V1", "f@@V2").steps] == ["0x2 (2)", "0x1 (1)", "0x2 (2)"]
    source = tmp_path / "names.cpp"
    source.write_text(
        "namespace ns { int seven() { return 7; } int twice(int) { return 1; } int twice(long) { return 2; } }"
    )
    library = cc(source)
    assert call(library, "ns::seven").steps[0].value == "0x7 (7)"
    assert call(library, "ns::twice(long)(0)").steps[0].value == "0x2 (2)"
    with pytest.raises(UsageError, match="ambiguous"):
        call(library, "ns::twice")
    with pytest.raises(UsageError, match="near names: ns::seven"):
        call(library, "seven")


def test_near_names_are_suggested(misbehaving: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="near names: answer"):
        call(misbehaving("well_behaved"), "anser")


def test_it_works_from_any_thread(misbehaving: Callable[[str], Path]) -> None:
    library = misbehaving("departures")
    values: list[str | None] = []
    threads = [threading.Thread(target=lambda: values.append(call(library, "answer").steps[0].value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == ["0x2a (42)"] * 4


def test_the_environment_of_the_caller_stays_outside(cc: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOINSPECT_SECRET", "secret")
    library = cc('#include <stdlib.h>\nchar *get(void) { return getenv("SOINSPECT_SECRET"); }')
    assert call(library, "get").steps[0].value == "0x0 (0)"
    assert 'the address of "given"' in str(call(library, "get", SOINSPECT_SECRET="given").steps[0].value)


# -- repeated calls


def test_a_call_is_repeated_and_timed(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("well_behaved"), "counted", "counted", repeat=100)
    once, often = result.steps
    assert (once.value, once.timing) == ("0x2a (42)", None)
    assert often.value == f"{42 + 100:#x} (142)"
    assert often.timing is not None
    assert often.timing.calls == 100
    assert 0 < often.timing.minimum <= often.timing.median < 0.01
    assert "called 100 times: " in result.summary


def test_the_callbacks_of_the_last_repetition_are_shown(arguments_library: Path) -> None:
    assert "called back 2 times" in call(arguments_library, "apply(cb:ret=7, 5)", repeat=1000).steps[0].detail


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 assembly")
def test_repetition_ends_when_the_abi_is_violated(cc: Compile) -> None:
    library = cc(FIXTURES / "callee-that-breaks-the-abi" / "violations.S")
    (step,) = call(library, "breaks_rbx", repeat=50).steps
    assert step.outcome is Outcome.VIOLATED
    assert step.timing is not None
    assert step.timing.calls == 1


def test_only_functions_are_repeated(misbehaving: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="counter is a variable"):
        call(misbehaving("well_behaved"), "counter", repeat=2)
    with pytest.raises(UsageError, match="name one"):
        call(misbehaving("well_behaved"), None, repeat=2)


# -- prototypes


@pytest.fixture(scope="module")
def described_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_arguments(tmp_path_factory, "-g")


@pytest.mark.parametrize(
    ("step", "value", "type_text"),
    [
        ("add(40, 2)", "42", "int"),
        ("multiply(3, 4)", "12.0", "double"),
        ("halve(5)", "2.5", "float"),
        ("total_of_doubles(2, 1.5, f32:2.5)", "4.0", "double"),
        ("length(str:abc)", "3", "size_t"),
        ("fails", "-1", "int"),
    ],
)
def test_debug_information_gives_values_their_types(
    described_library: Path, step: str, value: str, type_text: str
) -> None:
    answer = call(described_library, step).steps[0]
    assert (answer.value, answer.type) == (value, type_text)
    assert "(from DWARF)" in answer.detail


def test_arguments_are_checked_against_the_prototype(described_library: Path) -> None:
    for step, why in (
        ("add(1)", "takes 2 arguments, not 1"),
        ("add(1, 2, 3)", "takes 2 arguments, not 3"),
        ("add(1.5, 2)", "cannot be passed as int"),
        ("add(0x100000000, 2)", "does not fit into int"),
        ("total()", "takes at least 1"),
    ):
        with pytest.raises(UsageError, match=why):
            call(described_library, step)


@pytest.mark.parametrize(
    ("kind", "lowest", "highest"),
    [
        *((f"int{bits}_t", -(1 << (bits - 1)), (1 << (bits - 1)) - 1) for bits in (8, 16, 32, 64)),
        *(("uchar" if bits == 8 else f"uint{bits}_t", 0, (1 << bits) - 1) for bits in (8, 16, 32, 64)),
        ("boolean", 0, 1),
    ],
)
def test_integers_are_those_that_the_type_has(kind: str, lowest: int, highest: int, described_library: Path) -> None:
    """In decimal they are numbers; in hexadecimal they are patterns of bits, which the callee takes for its own."""
    steps = call(described_library, f"same_{kind}({lowest})", f"same_{kind}({highest})").steps
    names = {"0": "false", "1": "true"} if kind == "boolean" else {}
    assert [it.value for it in steps] == [names.get(str(it), str(it)) for it in (lowest, highest)]
    for number in (lowest - 1, highest + 1):
        why = rf"^{number} does not fit into [\w ]+ \({lowest} to {highest}\): parameter value of \w"
        with pytest.raises(UsageError, match=why):
            call(described_library, f"same_{kind}({number})")
    if lowest:
        assert call(described_library, f"same_{kind}({highest - lowest - 1:#x})").steps[0].value == "-2"


ENUMERATION = "enum colour { RED = 1, GREEN, BLUE = -7 }; enum colour next_colour(enum colour);"


def test_enumerators_by_name(described_library: Path, arguments_library: Path, tmp_path: Path) -> None:
    steps = ("next_colour(RED)", "next_colour(GREEN)", "next_colour(BLUE)", "next_colour(-7)")
    (tmp_path / "colour.h").write_text(ENUMERATION.replace("};", "} __attribute__((aligned(4)));"))
    for result in (
        call(described_library, *steps),
        call(arguments_library, *steps, signatures=(ENUMERATION,)),
        call(arguments_library, *steps, headers=(str(tmp_path / "colour.h"),)),
    ):
        assert [it.value for it in result.steps] == ["2", "-7", "1", "1"]
    assert call(described_library, "coats({GREEN, coats=3})").steps[0].value == "203"
    for step, why in (
        ("next_colour(GREN)", "has no GREN; did you mean GREEN"),
        ("next_colour(red)", r"has no red; did you mean RED\? parameter c of enum colour next_colour"),
        ("add(RED, 1)", "RED cannot be passed as int"),
        ("coats({PINK})", "has no PINK; did you mean RED or GREEN or BLUE"),
        ("coats({RED, 256})", r"256 does not fit into uint8_t \(0 to 255\)"),
    ):
        with pytest.raises(UsageError, match=why):
            call(described_library, step)


def test_a_signature_of_the_user_comes_first(arguments_library: Path, described_library: Path) -> None:
    answer = call(arguments_library, "halve(5)", signatures=("float halve(float)",)).steps[0]
    assert answer.value == "2.5"
    assert "(from --sig)" in answer.detail
    answer = call(described_library, "add(40, 2)", signatures=("long add(long, int)",)).steps[0]
    assert "the prototypes disagree: the result is long in --sig, int in DWARF" in answer.detail
    answer = call(described_library, "add(40, 2)", signatures=("int add(int, int)",)).steps[0]
    assert "disagree" not in answer.detail


def test_a_number_too_large_for_a_float_is_refused(arguments_library: Path) -> None:
    with pytest.raises(UsageError, match="1e300 does not fit into float"):
        call(arguments_library, "halve(1e300)", signatures=("float halve(float)",))


# -- arguments


@pytest.mark.parametrize(
    ("step", "value"),
    [
        ("add(40, 2)", "0x2a (42)"),
        ("add(-1, 0x2)", "0x1 (1)"),
        ("many(1,2,3,4,5,6,7,8,9)", "0x11d (285)"),
        ('length("h\\u00e9llo, w")', "0x9 (9)"),
        ("length(str:abc)", "0x3 (3)"),
        ("length(null_if_asked)", None),
        ("total(3, 1, 2, 3)", "0x6 (6)"),
        ("apply(cb:ret=7, 5)", "0xe (14)"),
    ],
)
def test_arguments_of_the_integer_class(arguments_library: Path, step: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(UsageError, match="is not an argument"):
            call(arguments_library, step)
    else:
        assert call(arguments_library, step).steps[0].value == value


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("multiply(1.5, f64:4)", "6.0 as a double"),
        ("halve(f32:5)", "2.5 as a float"),
        ("mix(1, 2.0, 3, 4.0)", "1234.0 as a double"),
        ("total_of_doubles(2, 1.5, 2.5)", "4.0 as a double"),
        ("sum_of_point(&{i32:3, f64:1.5})", "5.5 as a double"),
    ],
)
def test_arguments_of_the_vector_class(arguments_library: Path, step: str, number: str) -> None:
    assert str(call(arguments_library, step).steps[0].value).endswith(number)


def test_what_the_callee_writes_is_shown(arguments_library: Path) -> None:
    step = call(arguments_library, "fill(buf:32, 32)").steps[0]
    assert [(change.argument, change.text) for change in step.changed] == [(1, '"filled 32"')]
    step = call(arguments_library, "sum_of_point(&{i32:3, f64:1.5})").steps[0]
    assert step.changed[0].text.startswith('"04 00 00 00')
    assert not call(arguments_library, "length(str:abc)").steps[0].changed


def test_callbacks_are_logged(arguments_library: Path) -> None:
    assert (
        "called back 2 times, with the integer registers (0x5, 0x2,"
        in call(arguments_library, "apply(cb:ret=7, 5)").steps[0].detail
    )


def test_errno_is_shown(arguments_library: Path) -> None:
    assert "errno = 2 (No such file or directory)" in call(arguments_library, "fails").steps[0].detail


def test_variables_are_assigned(arguments_library: Path) -> None:
    result = call(arguments_library, "counter=41", "get", "counter", "ratio=2.5", "multiply(1.0, 1.0)")
    assert [step.outcome for step in result.steps[:2]] == [Outcome.ASSIGNED, Outcome.RETURNED]
    assert [step.value for step in result.steps[1:3]] == ["0x29 (41)", "41"]
    with pytest.raises(UsageError, match="does not fit into 4 bytes"):
        call(arguments_library, "counter=0x100000000")
    with pytest.raises(UsageError, match="is a function"):
        call(arguments_library, "get=1")
    with pytest.raises(UsageError, match="is a variable"):
        call(arguments_library, "counter(1)")


def test_a_function_by_its_offset(arguments_library: Path) -> None:
    with api.open_elf(str(arguments_library)) as elf:
        symbol = (elf.dynamic_symbols or pytest.fail("no symbols")).get("add")
    assert symbol is not None
    assert call(arguments_library, f"+{symbol.value:#x}(1, 2)").steps[0].value == "0x3 (3)"


# -- deaths


@pytest.mark.parametrize(
    ("symbol", "signal", "why"),
    [
        ("null_dereference", "SIGSEGV", "a NULL pointer was used"),
        ("null_field", "SIGSEGV", "0x40 bytes after it"),
        ("wild_pointer", "SIGSEGV", "0xdeadbeefcafe0000"),
        ("dangling_pointer", "SIGSEGV", "memory at 0x123456789000 was used, where nothing is mapped"),
        ("write_to_constant", "SIGSEGV", "read-only memory was written to"),
        ("call_null", "SIGSEGV", "a NULL function pointer was called"),
        ("call_nowhere", "SIGSEGV", "jumped to 0x414141414141"),
        ("execute_data", "SIGSEGV", "not executable"),
        ("stack_overflow", "SIGSEGV", "the stack overflowed"),
        ("divide_by_zero", "SIGFPE", "divided by zero"),
        ("trap", "SIGILL", "must not be reached"),
        ("give_up", "SIGABRT", "abort() was called"),
        ("double_free", "SIGABRT", "the heap was damaged"),
        ("stack_smash", "SIGABRT", "a local array was overrun"),
        ("kill_itself", "SIGKILL", "killed outright"),
        ("terminate_itself", "SIGTERM", "sent by itself"),
    ],
)
def test_deaths_are_explained(misbehaving: Callable[[str], Path], symbol: str, signal: str, why: str) -> None:
    crash = crash_of(call(misbehaving("deaths"), symbol))
    assert crash.signal == signal
    assert why in crash.why
    assert crash.phase == f"calling {symbol}"
    assert crash.registers


def test_a_crash_names_the_place_and_ends_the_later_steps(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("deaths"), "null_field", "give_up")
    crash = crash_of(result)
    assert crash.address == 0x40
    assert crash.instruction
    assert crash.instruction.effect == "reads 4 bytes at 0x40"
    assert str(crash.location).startswith("null_field+0x")
    assert str(crash.location).endswith("in deaths.so")
    assert [step.outcome for step in result.steps] == [Outcome.CRASHED, Outcome.NOT_REACHED]


# -- departures


@pytest.mark.parametrize(
    ("symbol", "value"),
    [
        ("stop_itself", 7),
        ("close_everything", 8),
        ("handled_signal", 9),
        ("print_without_newline", 10),
        ("overwrite_the_answer", 13),
    ],
)
def test_survived(misbehaving: Callable[[str], Path], symbol: str, value: int) -> None:
    result = call(misbehaving("departures"), symbol)
    assert result.good
    assert result.steps[0].value == f"{value:#x} ({value})"


def test_text_left_in_the_buffers_of_stdio_is_shown(misbehaving: Callable[[str], Path]) -> None:
    assert call(misbehaving("departures"), "print_without_newline").stdout == b"unfinished"


@pytest.mark.parametrize(
    ("symbol", "code"), [("leave_with_3", 3), ("leave_at_once_with_4", 4), ("leave_with_success", 0)]
)
def test_a_callee_that_ends_the_process(misbehaving: Callable[[str], Path], symbol: str, code: int) -> None:
    result = call(misbehaving("departures"), symbol)
    assert not result.good
    assert result.steps[0].outcome is Outcome.EXITED
    assert f"exit code {code}" in result.steps[0].detail


@pytest.mark.parametrize("symbol", ["loop_for_ever", "sleep_for_ever", "block_signals_and_loop"])
def test_the_time_limit(misbehaving: Callable[[str], Path], symbol: str) -> None:
    result = call(misbehaving("departures"), symbol, timeout=0.5)
    assert result.steps[0].outcome is Outcome.TIMED_OUT
    assert crash_of(result).location


def test_endless_output_is_cut(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("departures"), "print_without_end")
    assert result.steps[0].outcome is Outcome.OVER_LIMIT
    assert result.truncated
    assert len(result.stdout) == CallLimits().output


# -- the sandbox


OPEN = Sandbox(on=False)


def test_the_caller_cannot_be_signalled(misbehaving: Callable[[str], Path]) -> None:
    step = call(misbehaving("departures"), "signal_the_parent").steps[0]
    assert step.value == "0xffffffffffffffff (-1)"
    assert "errno = 1 (Operation not permitted)" in step.detail


def test_the_walls_are_listed(misbehaving: Callable[[str], Path]) -> None:
    evidence = " ".join(call(misbehaving("departures"), "answer").evidence)
    assert "seccomp" in evidence
    assert "no new privileges" in evidence
    assert "seccomp" not in " ".join(call(misbehaving("departures"), "answer", sandbox=OPEN).evidence)


def test_a_folder_can_be_opened_for_writing(cc: Compile, tmp_path: Path) -> None:
    library = cc(
        "#include <fcntl.h>\n#include <stdlib.h>\n"
        'int make(void) { return open(getenv("WHERE"), O_CREAT | O_WRONLY, 0600) < 0 ? -1 : 0; }'
    )
    target = tmp_path / "made"
    assert call(library, "make", WHERE=str(target)).steps[0].value != "0x0 (0)"
    assert call(library, "make", WHERE="here").steps[0].value == "0x0 (0)"
    opened = Sandbox(writable=(str(tmp_path),))
    assert call(library, "make", sandbox=opened, WHERE=str(target)).steps[0].value == "0x0 (0)"
    assert target.exists()


def test_no_process_is_started_inside(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("departures"), "daemon_stays", "both_sides_of_a_fork_return")
    assert result.good
    assert "processes" not in " ".join(line for line in result.evidence if "sandbox" not in line)


@pytest.mark.parametrize("sandbox", [OPEN, Sandbox(processes=True)])
def test_processes_that_are_left_behind_are_killed(misbehaving: Callable[[str], Path], sandbox: Sandbox) -> None:
    result = call(misbehaving("departures"), "daemon_stays", sandbox=sandbox)
    assert result.steps[0].value == "0xc (12)"
    assert "1 process outlived the call and was killed" in result.evidence
    result = call(misbehaving("departures"), "both_sides_of_a_fork_return", sandbox=sandbox)
    assert result.steps[0].value == "0xb (11)"


def test_a_fork_bomb_is_stopped(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("departures"), "fork_bomb", sandbox=OPEN)
    assert result.steps[0].outcome is Outcome.OVER_LIMIT
    assert "too many processes" in result.summary


# -- the calling convention


def test_the_functions_of_a_good_library_keep_the_convention(misbehaving: Callable[[str], Path]) -> None:
    step = call(misbehaving("well_behaved"), "answer").steps[0]
    assert step.abi is not None
    assert step.abi.kept


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 assembly")
@pytest.mark.parametrize(
    ("symbol", "violation"),
    [
        *((f"breaks_{name}", f"{name} is not preserved") for name in ("rbx", "rbp", "r12", "r13", "r14", "r15")),
        ("breaks_rsp_high", "rsp is off by +8 bytes"),
        ("breaks_rsp_low", "rsp is off by -16 bytes"),
        ("breaks_direction_flag", "the direction flag is left set"),
        ("breaks_alignment_flag", "the alignment check flag is left set"),
        ("breaks_mxcsr", "MXCSR"),
        ("breaks_x87_control", "the x87 control word"),
        ("breaks_mmx_without_emms", "x87 registers are left in use"),
    ],
)
def test_violations_are_named(cc: Compile, symbol: str, violation: str) -> None:
    library = cc(FIXTURES / "callee-that-breaks-the-abi" / "violations.S")
    result = call(library, symbol, "kept")
    broken, kept = result.steps
    assert broken.outcome is Outcome.VIOLATED
    assert broken.value == "0x2a (42)"
    assert broken.abi is not None
    assert len(broken.abi.violations) == 1
    assert violation in broken.abi.violations[0]
    assert kept.outcome is Outcome.RETURNED


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 assembly")
def test_a_register_that_no_c_caller_fills(cc: Compile) -> None:
    crash = crash_of(call(cc(FIXTURES / "callee-that-breaks-the-abi" / "violations.S"), "uses_r14_as_input"))
    assert "took r14 for input" in crash.why


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="assembled by the system's gcc")
def test_the_thunk_is_what_its_source_says(tmp_path: Path) -> None:
    source = Path(thunk.__file__).with_name("thunk_x86_64.S")
    subprocess.run(["gcc", "-c", "-o", tmp_path / "thunk.o", source], check=True)
    with api.open_elf(str(tmp_path / "thunk.o")) as elf:
        text = elf.image.section(".text")
        assert text is not None
        assert elf.image.section_data(text) == thunk.ThunkX86.code


# -- backtraces


def test_a_frame_whose_stack_pointer_is_lost_ends_the_backtrace(cc: Callable[..., Path], tmp_path: Path) -> None:
    source = tmp_path / "lost.s"
    source.write_text("""
        .section .note.GNU-stack,"",@progbits
        .text
        .globl outer
        .type outer, @function
outer:  .cfi_startproc
        call inner
        ret
        .cfi_endproc
        .type inner, @function
inner:  .cfi_startproc
        .cfi_undefined rsp
        mov 0, %rax
        ret
        .cfi_endproc
    """)
    crash = crash_of(call(cc(source), "outer"))
    assert str(crash.location).startswith("inner+0x0")
    assert crash.backtrace == ()


def test_the_callers_are_named(misbehaving: Callable[[str], Path]) -> None:
    crash = crash_of(call(misbehaving("deaths"), "double_free"))
    frames = [frame.partition("+")[0] for frame in crash.backtrace]
    assert frames[-2:] == ["free", "double_free"]
    crash = crash_of(call(misbehaving("deaths"), "call_nowhere"))
    assert crash.backtrace[0].startswith("call_nowhere+")
    crash = crash_of(call(misbehaving("deaths"), "stack_overflow"))
    assert any("times)" in frame for frame in crash.backtrace)


def test_who_ended_the_process(misbehaving: Callable[[str], Path]) -> None:
    crash = crash_of(call(misbehaving("departures"), "leave_with_3"))
    assert any(frame.startswith("leave_with_3+") for frame in crash.backtrace)


# -- phases


def test_a_constructor_that_crashes(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("constructor_crashes"), "answer")
    assert crash_of(result).phase == "loading it"
    assert str(crash_of(result).location).startswith("boom+")
    assert result.steps[0].outcome is Outcome.CRASHED


def test_a_constructor_that_hangs(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("constructor_hangs"), None, timeout=0.5)
    assert result.steps[0].outcome is Outcome.TIMED_OUT
    assert "loading it" in result.summary


def test_a_destructor_that_crashes_spoils_a_good_call(misbehaving: Callable[[str], Path]) -> None:
    result = call(misbehaving("destructor_crashes"), "answer")
    assert result.steps[0].outcome is Outcome.RETURNED
    assert crash_of(result).phase == "unloading it"


# -- what cannot be loaded


def test_a_missing_library_is_named(cc: Compile, tmp_path: Path) -> None:
    good = cc("int g(void) { return 1; }", name="libgood.so")
    library = cc("int g(void); int f(void) { return g(); }", str(good), "-Wl,-soname,libbad.so", name="libbad.so")
    good.unlink()
    result = call(library, "f")
    assert result.steps[0].outcome is Outcome.REFUSED
    assert "libgood.so" in result.summary
    assert "was not found" in result.summary


def test_needed_libraries_are_found_where_the_user_says(cc: Compile, tmp_path: Path) -> None:
    good = cc("int g(void) { return 5; }", "-Wl,-soname,libgood.so", name="libgood.so")
    library = cc("int g(void); int f(void) { return g(); }", str(good), name="needs.so")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    good.rename(elsewhere / "libgood.so")
    assert not call(library, "f").good
    assert call(library, "f", library_paths=(str(elsewhere),)).steps[0].value == "0x5 (5)"


def test_functions_are_bound_at_their_first_call_when_asked(cc: Compile) -> None:
    library = cc(
        "static int one(void) { return 1; } static int resolved;"
        "static int (*choose(void))(void) { resolved++; return one; }"
        'int chosen(void) __attribute__((ifunc("choose")));'
        "int f(void) { return chosen(); } int times(void) { return resolved; }",
        "-Wl,-z,lazy",
    )
    assert call(library, "times", lazy=True).steps[0].value == "0x0 (0)"
    assert call(library, "times").steps[0].value == "0x1 (1)"


def test_undefined_symbols(cc: Compile) -> None:
    result = call(cc("extern int nowhere; int f(void) { return nowhere; }", name="data.so"), "f")
    assert result.steps[0].outcome is Outcome.REFUSED
    assert "it needs the symbol nowhere" in result.summary
    lazy = cc(
        "int missing(void); int f(void) { return missing(); } int g(void) { return 5; }", "-Wl,-z,lazy", name="lazy.so"
    )
    result = call(lazy, "g")
    assert result.good
    assert any("RTLD_LAZY" in line for line in result.evidence)
    result = call(lazy, "f")
    assert result.steps[0].outcome is Outcome.EXITED
    assert "needed a function that no library provides" in result.summary
    assert "undefined symbol: missing" in result.summary


def test_a_truncated_file_is_not_loaded(cc: Compile) -> None:
    library = cc(MISBEHAVING / "well_behaved.c")
    library.write_bytes(library.read_bytes()[:0x1010])
    with pytest.raises(FormatError, match="truncated"):
        call(library, None)


def test_a_program_is_not_loaded() -> None:
    result = call(Path("/bin/ls"), None)
    assert result.steps[0].outcome is Outcome.REFUSED
    assert "position-independent executable" in result.summary


def test_another_machine(cc: Compile) -> None:
    library = cc(MISBEHAVING / "well_behaved.c", "-g")
    data = bytearray(library.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")
    library.write_bytes(data)
    result = call(library, None, "answer", "greeting")
    assert result.summary.endswith("is built for aarch64, this machine is x86-64: nothing was run")
    assert [step.outcome for step in result.steps] == [Outcome.NOT_RUN] * 3
    assert "first, second" in result.steps[0].detail
    assert [step.detail for step in result.steps[1:]] == [
        "int answer(void) (from DWARF)",
        "const char[16] (from DWARF)",
    ]
    assert "docker run --platform linux/arm64" in str(result.fix)


# -- Go

STRIPPED_CALLEE = """package main

import "C"

//go:noinline
func deepest(p *int) int { return *p }

//go:noinline
func inner(p *int, depth int) int {
	if depth == 0 {
		return deepest(p)
	}
	return inner(p, depth-1) + 1
}

//export Crash
func Crash() int { return inner(nil, 2) }

func main() {}
"""


def test_go_functions_are_named_without_a_symbol_table(go_build: GoBuild, tmp_path: Path) -> None:
    source = tmp_path / "callee.go"
    source.write_text(STRIPPED_CALLEE)
    crash = crash_of(call(go_build("1.27.3", source, "-ldflags=-s -w", mode="c-shared"), "Crash"))
    assert crash.signal == "SIGABRT"
    assert str(crash.location).startswith("runtime.raise+")
    frames = [frame.partition("+")[0] for frame in crash.backtrace]
    assert frames[frames.index("runtime.sigpanic") + 1 :][:2] == ["main.deepest", "main.inner"]
    assert any("main.inner+" in frame and "(2 times)" in frame for frame in crash.backtrace)


def test_a_go_function_dies_and_it_is_explained(demo_plugin: Path) -> None:
    result = call(demo_plugin, "Run")
    crash = crash_of(result)
    assert crash.signal == "SIGSEGV"
    assert "Go code needs the Go runtime" in crash.why
    assert "in plugin1.so" in str(crash.location)
    assert result.fix is not None
    assert "--host go" in result.fix


def test_a_go_variable_shows_what_the_linker_left(demo_plugin: Path) -> None:
    result = call(demo_plugin, "I")
    assert result.steps[0].value == "7"
    assert "before any Go initialiser ran" in result.steps[0].detail


def test_go_initialisers_do_not_run_natively(demo_plugin: Path) -> None:
    result = call(demo_plugin, None)
    assert result.steps[0].outcome is Outcome.REFUSED
    assert "none of its Go initialisers ran" in result.summary


def test_a_go_function_that_returns_proves_nothing(go_build: GoBuild, tmp_path: Path) -> None:
    source = tmp_path / "leaf.go"
    source.write_text("package main\n\nfunc Ten() int { return 10 }\n")
    for version in ("1.21.13", "1.27.3"):
        result = call(go_build(version, source), "Ten")
        assert result.steps[0].outcome is Outcome.RETURNED
        assert "proves nothing" in result.steps[0].detail
