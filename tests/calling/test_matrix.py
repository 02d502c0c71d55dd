"""Every way to misbehave, as the user that runs the tests and, where that is root, as one without privileges."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from calls import FIXTURES
from gohosts import MARK, survivors
from soinspect.calling import worker
from soinspect.model.calling import Outcome

MISBEHAVING = FIXTURES / "callee-that-misbehaves"
TESTS = Path(__file__).parent.parent
NOBODY = 65534
USERS = (os.getuid(), NOBODY) if os.getuid() == 0 else (os.getuid(),)
LIMIT = 3.0

# Library, step, what the first line says; "open" cases run without a sandbox, "slow" ones until their time is over.
CASES = [
    ("well_behaved", "answer", "answer returned 0x2a (42)"),
    *(
        ("violations", f"breaks_{name}", f"violated: {what}")
        for name, what in {
            **{register: f"{register} is not preserved" for register in ("rbx", "rbp", "r12", "r13", "r14", "r15")},
            "rsp_high": "rsp is off by +8 bytes",
            "direction_flag": "the direction flag is left set",
            "mxcsr": "the control bits of MXCSR",
            "x87_control": "the x87 control word",
        }.items()
    ),
    ("deaths", "null_dereference", "SIGSEGV at null_dereference+"),
    ("deaths", "null_field", "0x40 bytes after it"),
    ("deaths", "wild_pointer", "0xdeadbeefcafe0000"),
    ("deaths", "write_to_constant", "read-only memory was written to"),
    ("deaths", "call_null", "a NULL function pointer was called"),
    ("deaths", "call_nowhere", "jumped to 0x414141414141"),
    ("deaths", "execute_data", "not executable"),
    ("deaths", "divide_by_zero", "divided by zero"),
    ("deaths", "trap", "must not be reached"),
    (
        "deaths",
        "return_overwritten",
        'return address on the stack was overwritten (it is 0x4141414141414141, the text "A',
    ),
    ("deaths", "double_free", "the heap was damaged"),
    ("deaths", "stack_smash", "a local array was overrun"),
    ("deaths", "stack_overflow", "the stack overflowed"),
    ("deaths", "give_up", "abort() was called"),
    ("departures", "leave_with_3", "exit code 3"),
    ("departures", "leave_at_once_with_4", "exit code 4"),
    ("slow departures", "loop_for_ever", "was not done after 0.4 s"),
    ("slow departures", "block_signals_and_loop", "was not done after 0.4 s"),
    ("slow departures", "sleep_for_ever", "was not done after 0.4 s"),
    ("deaths", "kill_itself", "killed outright"),
    ("departures", "stop_itself", "returned 0x7 (7)"),
    ("departures", "close_everything", "returned 0x8 (8)"),
    ("departures", "signal_the_parent", "returned 0xffffffffffffffff (-1)"),
    ("departures", "overwrite_the_answer", ""),
    ("exceptions", "throws", "a C++ exception left the function: std::runtime_error boom"),
    ("exceptions", "throws_a_number", "a C++ exception left the function: int"),
    ("exceptions", "catches", "catches returned 0x37 (55)"),
    ("plugin1", "Run", "a Go function was called as if it were a C function"),
    ("constructor_crashes", "answer", "loading it crashed with SIGSEGV at boom+"),
    ("slow constructor_hangs", "answer", "loading it: it was not done after 0.4 s"),
    ("destructor_crashes", "answer", "unloading it crashed with"),
    ("departures", "print_without_end", "it printed too much"),
    ("departures", "daemon_stays", "daemon_stays returned"),
    ("open departures", "daemon_stays", "daemon_stays returned"),
    ("constructor_daemon", "answer", "answer returned 0x2a (42)"),
    ("open constructor_daemon", "answer", "answer returned 0x2a (42)"),
    ("open departures", "fork_bomb", "too many processes"),
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder that every user can read, with the libraries and the worker."""
    with tempfile.TemporaryDirectory(prefix="soinspect-matrix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(Path(worker.__file__).parent, folder / "worker", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(FIXTURES / "plugin1.so", folder)
        flags = ("-shared", "-fPIC", "-O1", "-fstack-protector-all", "-w")
        sources = (
            *MISBEHAVING.glob("*.c"),
            *MISBEHAVING.glob("*.cpp"),
            FIXTURES / "callee-that-breaks-the-abi/violations.S",
        )
        for source in sources:
            compiler = "g++" if source.suffix == ".cpp" else "gcc"
            subprocess.run([compiler, *flags, "-o", folder / f"{source.stem}.so", source], check=True)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder


def python_for_all() -> str:
    """A Python that every user can run: the one of the tests, unless it lies in somebody's home."""
    found = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    for path in (os.path.realpath(sys.executable), found):
        if path and all(parent.stat().st_mode & stat.S_IXOTH for parent in (Path(path), *Path(path).parents)):
            return path
    pytest.fail("there is no Python that users without privileges can run")


@pytest.mark.parametrize(
    ("user", "traced"),
    [
        *((user, True) for user in USERS),
        (USERS[-1], False),
        *(pytest.param(user, False, marks=pytest.mark.full) for user in USERS[:-1]),
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 assembly")
def test_the_matrix(shared: Path, user: int, traced: bool) -> None:
    cases = [
        [str(shared / f"{name.split()[-1]}.so"), step, 0.4 if "slow" in name else LIMIT, "open" in name, traced]
        for name, step, _ in CASES
    ]
    done = subprocess.run(
        [sys.executable, TESTS / "matrix.py", str(user), shared / "worker" / "__main__.py", python_for_all()],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, MARK.name: MARK.value, "HOME": "/", "TMPDIR": "/tmp"},
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [
        (name, step, summary)
        for (name, step, expected), (summary, outcome) in zip(CASES, answers, strict=True)
        if expected not in summary or (outcome == Outcome.TIMED_OUT) != ("slow" in name)
    ]
    assert not wrong
    assert list(survivors()) == []
