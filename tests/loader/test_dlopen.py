"""What is predicted for a plugin is what a real host is told by the real dlopen, word for word."""

from __future__ import annotations

import os
import platform
import re
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile, Soinspect
from soinspect import api
from soinspect.elf.file import ElfFile
from soinspect.errors import InputError
from soinspect.loader.candidate import refusal_to_map
from soinspect.loader.environment import LoaderEnv, hwcaps_of
from soinspect.loader.plan import dlopen_plans
from soinspect.model.explanation import Explanation
from soinspect.model.loadplan import DlopenProblem, Effect, Libc, ProblemKind
from soinspect.model.verdict import Outcome
from soinspect.saved.snapshotfile import write_snapshot
from soinspect.verdict.dlopen import dlopen_problems
from soinspect.verdict.dlreason import dlopen_reason

FOLDER = FIXTURES / "plugins-for-dlopen"
CASES = sorted(path for path in FOLDER.iterdir() if path.name not in ("host.c", "README.md"))

OUTCOMES = {
    "accepted": Outcome.ACCEPTED,
    "risky": Outcome.ACCEPTED,
    "refused": Outcome.REJECTED,
    "aborts": Outcome.ABORTS_HOST,
}


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


def build(source: Path, folder: Path) -> None:
    """Build the pair of a source in ``folder``."""
    environment = {**os.environ, "S": str(source), "F": str(FOLDER)}
    for line in Case.of(source).build:
        subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=folder, env=environment, check=True)


def run_host(folder: Path) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LD_")} | {"LC_ALL": "C"}
    done = subprocess.run(
        ["./host", "./plugin.so"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def opened(folder: Path, *plugins: str) -> list[str]:
    """What a real host says of each plugin, opened in this order."""
    done = subprocess.run(["./host", *plugins], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines()


def predicted(*plugins: str) -> list[str]:
    """What each is predicted to say."""
    answers = api.dlopen_problems("./host", plugins, LoaderEnv())
    return [next((str(it.message) for it in problems if stops(it)), "loaded") for problems in answers]


def stops(problem: DlopenProblem) -> bool:
    return problem.effect in (Effect.REFUSED, Effect.ABORTS)


@pytest.mark.parametrize("source", CASES, ids=lambda path: path.stem)
def test_the_prediction_is_what_dlopen_says(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of(source)
    build(source, tmp_path)
    monkeypatch.chdir(tmp_path)
    (problems,) = api.dlopen_problems("./host", ["./plugin.so"], LoaderEnv())
    code, said = run_host(tmp_path)
    stopping = next(filter(stops, problems), None)
    if case.effect == "accepted":
        assert problems == ()
    else:
        first = problems[0]
        assert (first.effect, first.kind, first.subject) == (case.effect, case.kind, case.subject)
        assert case.fix in f"{first.fix} {first.cause}"
    if stopping is None:
        assert (code, said) == (0, "loaded")
    elif stopping.effect is Effect.ABORTS:
        # A signal, or an assertion of the loader's own, at a line that depends on its release.
        assert code < 0 or (code == 127 and re.sub(r"\.c: \d+:", ".c:", said) == stopping.message)
    else:
        assert (code, said) == (0, stopping.message)
    if stopping is not None and said:
        elsewhere = f"ERROR cannot load: {said.replace('./plugin.so', '/srv/app/other.so')} (giving up)"
        explained = api.explain(elsewhere, "./host", "./plugin.so") if source.stem != "plugin-missing" else None
        assert explained is None or (isinstance(explained, Explanation) and explained.foreseen), elsewhere
    if source.stem in ("plugin-missing", "plugin-is-a-folder"):
        with pytest.raises(InputError, match=r"no such file|is a folder"):
            api.check("./host", "./plugin.so")
        return
    (checked,) = api.check("./host", "./plugin.so").plugins
    assert checked.outcome is OUTCOMES[case.effect]
    assert checked.reasons == tuple(dlopen_reason(it, "./plugin.so") for it in problems)
    if case.kind not in ("file", "truncated"):
        for name in ("host", "plugin.so"):
            saved = write_snapshot(api.facts_of(name, with_types=False, with_loading=True))
            Path(name).unlink()
            Path(name).write_text(saved)
        (again,) = api.check("./host", "./plugin.so").plugins
        # A link to a library that is loaded is that library; saved, it is a file of its own.
        assert again == (checked if source.stem != "library-is-loaded" else replace(checked, remarks=()))


FIRST_LINES = {
    "host-does-not-export": "FAIL plugin.so in host: undefined symbol: host_api: "
    "./host defines it, and does not export it",
    "misspelt": "FAIL plugin.so in host: undefined symbol: host_register_handler: "
    "what is provided is host_register_handlers",
    "library-of-other-machine": "FAIL plugin.so in host: libapi.so: cannot open shared object file: "
    "No such file or directory: built for aarch64, not x86-64",
    "plugin-is-short": "FAIL plugin.so in host: file too short: a Git LFS pointer",
    "truncated": "ABORT plugin.so in host: ./plugin.so is truncated: ",
    "interposed": "OK plugin.so in host: ",
}


@pytest.mark.parametrize("name", FIRST_LINES)
def test_the_first_line_is_the_answer_with_its_cause(name: str, tmp_path: Path, soinspect: Soinspect) -> None:
    (source,) = FOLDER.glob(f"{name}.c*")
    build(source, tmp_path)
    run = soinspect("check", "./host", "./plugin.so", cwd=tmp_path)
    assert run.out.startswith(FIRST_LINES[name])
    assert run.code == (0 if FIRST_LINES[name].startswith("OK") else 1)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["gcc", FOLDER / "host.c", "-o", tmp_path / "host", "-ldl"], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plugin_that_is_loaded_answers_to_its_soname(host: Path, cc: Compile) -> None:
    cc("int api(void) { return 1; }", "-Wl,-soname,libapi.so", name="first.so")
    cc("int api(void); int run(void) { return api(); }", f"-L{host}", "-l:first.so", name="second.so")
    for plugins in (("./first.so", "./second.so"), ("./second.so", "./first.so"), ("./first.so", "./first.so")):
        assert predicted(*plugins) == opened(host, *plugins)
    assert predicted("./second.so", "./first.so")[0] != "loaded"


def test_what_a_refused_plugin_brought_is_gone(host: Path, cc: Compile) -> None:
    cc("int api(void) { return 1; }", "-Wl,-soname,libapi.so", name="libapi.so")
    cc("int api(void), gone(void); int run(void) { return api() + gone(); }",
       f"-L{host}", "-lapi", "-Wl,-rpath,$ORIGIN", name="refused.so")  # fmt: skip
    cc("int api(void); int run(void) { return api(); }", f"-L{host}", "-lapi", name="after.so")
    plugins = ("./refused.so", "./after.so")
    assert predicted(*plugins) == opened(host, *plugins)
    assert predicted(*plugins)[1] == "libapi.so: cannot open shared object file: No such file or directory"


def test_plugins_share_the_static_block(host: Path, cc: Compile) -> None:
    names = [f"./tls{n}.so" for n in range(5)]
    for name in names:
        cc("__thread char block[480];\nchar *run(void) { return block; }", "-ftls-model=initial-exec", name=name[2:])
    assert predicted(*names) == opened(host, *names)
    assert predicted(*names)[-1] == "./tls4.so: cannot allocate memory in static TLS block"


def test_the_folder_for_the_processor_comes_first(host: Path, cc: Compile) -> None:
    usable = hwcaps_of(Path("/proc/cpuinfo").read_text())
    (host / "libs/glibc-hwcaps").mkdir(parents=True)
    cc("int api(void) { return 1; }", name="libs/libapi.so")
    cc("int api(void); int run(void) { return api(); }", f"-L{host}/libs", "-lapi", "-Wl,-rpath,$ORIGIN/libs",
       name="plugin.so")  # fmt: skip
    for level in ("x86-64-v2", "x86-64-v3", "x86-64-v4"):
        (host / f"libs/glibc-hwcaps/{level}").mkdir()
        cc("int other(void) { return 1; }", name=f"libs/glibc-hwcaps/{level}/libapi.so")
        environment = LoaderEnv(hwcaps=usable)
        (problems,) = api.dlopen_problems("./host", ["./plugin.so"], environment)
        assert [it.message for it in problems][:1] == [it for it in opened(host, "./plugin.so") if it != "loaded"]


def test_lib_stands_for_the_folder_that_the_loader_was_built_with(host: Path, cc: Compile) -> None:
    for folder in ("lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"):
        (host / folder).mkdir(exist_ok=True)
        cc(f"int {folder.replace('/', '_').replace('-', '_')}(void) {{ return 1; }}", name=f"{folder}/libapi.so")
    cc("int api(void);\nint run(void) { return api(); }", f"-L{host}/lib", "-Wl,--no-as-needed", "-lapi",
       "-Wl,-rpath,$ORIGIN/$LIB", name="plugin.so")  # fmt: skip
    assert predicted("./plugin.so") == opened(host, "./plugin.so")
    plan = api.dependencies(str(host / "plugin.so"), LoaderEnv())
    listed = subprocess.run(["ldd", host / "plugin.so"], capture_output=True, text=True, check=True).stdout
    assert f"libapi.so => {plan.objects[1].path} " in listed


@pytest.mark.parametrize(
    ("libc_version", "effect"),
    [("2.36", Effect.RISKY), ("2.40", Effect.RISKY), ("2.41", Effect.REFUSED), ("2.100", Effect.REFUSED),
     (None, Effect.UNDECIDED)],
)  # fmt: skip
def test_executable_stacks_are_refused_from_glibc_2_41_on(
    libc_version: str | None, effect: Effect, host: Path, cc: Compile
) -> None:
    cc("int run(void) { return 0; }", "-Wl,-z,execstack", name="plugin.so")
    (plan,) = dlopen_plans("./host", ["./plugin.so"], LoaderEnv())
    assert plan.host.libc_version == platform.libc_ver()[1]
    (problem,) = dlopen_problems(replace(plan, host=replace(plan.host, libc_version=libc_version)))
    assert (problem.kind, problem.effect) == (ProblemKind.EXECUTABLE_STACK, effect)
    if effect is Effect.REFUSED:
        assert problem.message == (
            "./plugin.so: cannot enable executable stack as shared object requires: Invalid argument"
        )


def test_a_host_whose_own_stack_is_executable_accepts_such_plugins(host: Path, cc: Compile) -> None:
    cc("int run(void) { return 0; }", "-Wl,-z,execstack", name="plugin.so")
    subprocess.run(["gcc", FOLDER / "host.c", "-o", host / "host", "-ldl", "-Wl,-z,execstack"], check=True)
    assert api.dlopen_problems("./host", ["./plugin.so"], LoaderEnv()) == ((),)


@pytest.mark.parametrize("alignment", [1, 64, 0x1001])
def test_segments_may_ask_for_less_alignment_than_a_page(alignment: int, host: Path, cc: Compile) -> None:
    plugin = bytearray(cc("int run(void) { return 0; }", name="plugin.so").read_bytes())
    first_align = 64 + 48  # p_align of the first LOAD, which the linker puts first
    struct.pack_into("<Q", plugin, first_align, alignment)
    (host / "plugin.so").write_bytes(plugin)
    assert predicted("./plugin.so") == opened(host, "./plugin.so") == ["loaded"]
    with ElfFile.open("plugin.so") as elf:
        refusals = {it: refusal_to_map(elf, Libc.GLIBC, it, dlopened=True) for it in ("2.34", "2.35", None)}
    assert refusals == {"2.34": "ELF load command alignment not page-aligned", "2.35": None, None: None}


def test_libraries_that_are_loaded_already_are_opened_once_more(host: Path) -> None:
    plan = api.dependencies("./host", LoaderEnv())
    libraries = [it.path for it in plan.objects[1:]]
    assert libraries
    names = (*libraries, *reversed(libraries))
    assert predicted(*names) == opened(host, *names)
    verdict = api.check("./host", *names)  # which has the files open, too
    assert verdict.outcome is Outcome.ACCEPTED


def test_a_static_host_is_undecided(host: Path, cc: Compile) -> None:
    cc("int run(void) { return 0; }", name="plugin.so")
    (host / "main.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-static", host / "main.c", "-o", host / "host"], check=True)
    ((problem, *_),) = api.dlopen_problems("./host", ["./plugin.so"], LoaderEnv())
    assert (problem.kind, problem.effect) == (ProblemKind.HOST, Effect.UNDECIDED)
    assert "statically linked" in problem.summary


def host_elsewhere(host: Path, cc: Compile) -> None:
    """A host that is linked with a library which is not on this machine."""
    gone = cc("int gone(void) { return 0; }", "-Wl,-soname,libgone.so", name="libgone.so")
    subprocess.run(["gcc", FOLDER / "host.c", "-o", host / "host", "-ldl", "-Wl,--no-as-needed", gone], check=True)


def test_a_host_whose_libraries_are_elsewhere_serves_what_asks_for_no_more(host: Path, cc: Compile) -> None:
    host_elsewhere(host, cc)
    cc('#include <stdio.h>\nint gone(void); int run(void) { return puts("") + gone(); }', f"-L{host}", "-lgone",
       name="plugin.so")  # fmt: skip
    (host / "libgone.so").unlink()
    ((problem,),) = api.dlopen_problems("./host", ["./plugin.so"], LoaderEnv())
    assert (problem.kind, problem.effect) == (ProblemKind.HOST, Effect.UNDECIDED)
    assert problem.evidence == ("whether there are, where it does start, is not known: symbol gone",)
    cc('#include <stdio.h>\nint run(void) { return puts(""); }', "-L.", name="plugin.so")
    ((problem,),) = api.dlopen_problems("./host", ["./plugin.so"], LoaderEnv())
    assert (problem.kind, problem.effect) == (ProblemKind.HOST, Effect.RISKY)
    assert problem.summary == (
        "the host does not start here: libgone.so: cannot open shared object file: No such file or directory"
    )


def test_what_asks_for_more_than_such_a_host_is_undecided(host: Path, cc: Compile) -> None:
    host_elsewhere(host, cc)
    other = cc("int other(void) { return 0; }", "-Wl,-soname,libother.so", name="libother.so")
    cc("int other(void); int run(void) { return other(); }", str(other), name="plugin.so")
    (host / "libgone.so").unlink()
    other.unlink()
    ((problem,),) = api.dlopen_problems("./host", ["./plugin.so"], LoaderEnv())
    assert problem.effect is Effect.UNDECIDED
    assert problem.evidence == ("whether there are, where it does start, is not known: libother.so, symbol other",)
