"""``soinspect check``: the first line, the exit codes, JSON, other files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from conftest import FIXTURES, ROOT, Compile, GoToolchains, Soinspect
from elfwriter import Sym, elf64
from gopairs import GoPairs, compare, really_open
from soinspect import api
from soinspect.model.verdict import Outcome, PluginVerdict

NEW, OLD = "1.27.3", "1.24.11"
PYTHON = Path(sys.executable).resolve()


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
        (PYTHON, 1, f"ABORT plugin-plain.so in {PYTHON.name}: a Go plugin works in Go programs only: "),
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


def test_requirements(pairs: GoPairs, cc: Compile, soinspect: Soinspect) -> None:
    host, plugin = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain")
    assert soinspect("check", host, plugin, "--require", "Run:func()", "--require", "Count").code == 0
    run = soinspect("check", host, plugin, "--require", "Rum")
    assert run.code == 1
    assert "did you mean Run? it exports Count, Run" in run.out
    library = cc("int run(void) { return 0; }", name="library.so")  # which a Go host gives no chance
    run = soinspect("check", host, plugin, library, "--require", "Run:func()")
    assert (run.code, "OK plugin-plain.so" in run.out) == (1, True)
    run = soinspect("check", host, plugin, "--require", "Run:func(then chan)")
    assert (run.code, "func(then chan): is no Go type" in run.err) == (2, True)
    run = soinspect("check", host, plugin, "--require", "Run@V1")
    assert (run.code, "what a Go plugin exports has no version" in run.err) == (2, True)
    assert soinspect("check", host, plugin, "--require", ":int").code == 2


def test_json_is_what_the_schema_says(pairs: GoPairs, soinspect: Soinspect) -> None:
    schema = json.loads(soinspect("schema").out)
    for host in (pairs.host(NEW, "plain"), pairs.host(NEW, "trimpath"), PYTHON):
        document = soinspect("check", host, pairs.plugin(NEW, "plain"), "--format", "json").json
        jsonschema.validate(document, schema)
    assert document["outcome"] == document["plugins"][0]["outcome"] == "aborts_host"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "file too short: is empty (0 bytes)"), (b"hello", "file too short: a text file"),
     (b"\x7fELF\x02\x01", "file too short"), (b"not in the least an object file" * 9, "invalid ELF header: a text")],
)  # fmt: skip
def test_plugins_that_are_not_elf_are_refused(
    content: bytes, said: str, pairs: GoPairs, c_host: Path, soinspect: Soinspect, tmp_path: Path
) -> None:
    path = tmp_path / "plugin.so"
    path.write_bytes(content)
    for host in (pairs.host(NEW, "plain"), c_host):
        run = soinspect("check", host, path)
        assert (run.code, run.out.startswith(f"FAIL plugin.so in {host.name}: {said}")) == (1, True), run.out
    assert (
        judged(pairs.host(NEW, "plain"), path)[0].reasons[0].message
        == really_open(pairs.host(NEW, "plain"), [path])[0].message
    )
    assert soinspect("check", path, path).code == 2
    assert soinspect("check", c_host, tmp_path / "missing.so").code == 2


def test_damaged_plugins_never_end_in_a_traceback(pairs: GoPairs, soinspect: Soinspect, tmp_path: Path) -> None:
    whole = pairs.plugin(NEW, "plain").read_bytes()
    path = tmp_path / "plugin.so"
    for content in (whole[: len(whole) // 2], whole[:5000], elf64((Sym(name=b"go:link.pkghashbytes.x"),))):
        path.write_bytes(content)
        for host in (pairs.host(NEW, "plain"), path):
            assert soinspect("check", host, path).code in (1, 2, 3)


# -- what dlopen objects to ----------------------------------------------------------------------------------


def judged(host: Path, *plugins: Path) -> list[PluginVerdict]:
    return list(api.check(host, *plugins).plugins)


def test_what_dlopen_refuses_does_not_reach_the_go_runtime(pairs: GoPairs, cc: Compile) -> None:
    broken = cc("int nowhere(void); int f(void) { return nowhere(); }", name="broken.so")
    missing = cc("int f(void);", "-Wl,--no-as-needed", str(cc("int gone;", name="libgone.so")), name="missing.so")
    (broken.parent / "libgone.so").unlink()
    host = pairs.host(NEW, "plain")
    for plugin, rule in ((broken, "check.dlopen.symbol"), (missing, "check.dlopen.library")):
        real, foreseen = compare(pairs, host, plugin, plugin)
        assert real == foreseen
        assert judged(host, plugin)[0].reasons[0].rule == rule


def test_go_opens_plugins_into_the_global_scope(pairs: GoPairs, cc: Compile) -> None:
    """What a refused C library defines, a later one finds."""
    first, host = cc("int shared(void) { return 1; }", name="first.so"), pairs.host(NEW, "plain")
    second = cc("int shared(void); int f(void) { return shared(); }", name="second.so")
    opened = pairs.plugin(NEW, "plain")
    real, foreseen = compare(pairs, host, opened, first, second)
    assert real == foreseen
    assert [it.outcome for it in real] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.REJECTED]
    assert [it.reasons[0].rule for it in judged(host, opened, first, second)[1:]] == ["check.go.not-a-plugin"] * 2
    assert judged(host, opened, second)[1].reasons[0].rule == "check.dlopen.symbol"


def test_a_go_plugin_works_in_go_programs_only(c_host: Path, soinspect: Soinspect) -> None:
    """dlopen loads it, and the call of any of its functions crashes."""
    run = soinspect("check", c_host, FIXTURES / "plugin1.so")
    assert run.code == 1
    assert run.out.startswith("ABORT plugin1.so in host: a Go plugin works in Go programs only: ")
    loaded = subprocess.run([c_host, FIXTURES / "plugin1.so"], capture_output=True, text=True, check=True)
    assert loaded.stdout == "loaded\n"
    called = soinspect("call", FIXTURES / "plugin1.so", "Run", "--host", "native")
    assert (called.code, "SIGSEGV" in called.out) == (1, True)


def test_libraries_are_no_hosts(cc: Compile, soinspect: Soinspect) -> None:
    library = cc("int f(void) { return 0; }", name="library.so")
    run = soinspect("check", library, library)
    assert (run.code, run.out.splitlines()[0]) == (
        3,
        "UNDECIDED library.so in library.so: the host is a library, or statically linked: it names no dynamic loader",
    )


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
    folder = FIXTURES / "plugins-for-dlopen"
    source = folder / "host-does-not-export.c"
    for name, flags in (
        ("server", (f'-DMORE="{source}"', folder / "host.c", "-ldl")),
        ("audit.so", ("-shared", "-fPIC", "-DPLUGIN", source)),
    ):
        subprocess.run(["gcc", *flags, "-o", tmp_path / name], check=True)
    mangled = b"int filter_init(int level) { return level; }"
    subprocess.run(["g++", "-shared", "-fPIC", "-xc++", "-", "-o", tmp_path / "filter.so"], input=mangled, check=True)
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


def test_a_host_with_its_runtime_in_a_shared_library_is_undecided(pairs: GoPairs, tmp_path: Path) -> None:
    """The names that -linkshared leaves stand where the hashes of packages stood."""
    host, plugin = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain")
    altered = host.read_bytes().replace(b"\0go:link.pkghashbytes.", b"\0go:link.abihash.lib.0")
    (tmp_path / "host").write_bytes(altered)
    (verdict,) = api.check(str(tmp_path / "host"), str(plugin)).plugins
    assert (verdict.outcome, verdict.reasons[0].rule) == (Outcome.UNDECIDED, "check.go.shared-runtime")


@pytest.mark.full
def test_a_host_built_with_linkshared(go_toolchains: GoToolchains, pairs: GoPairs, tmp_path: Path) -> None:
    source, toolchain = FIXTURES / "go-host-and-plugins" / "host", go_toolchains[NEW]
    packages = ("-pkgdir", tmp_path / "packages")
    toolchain.run("install", "-buildmode=shared", *packages, "std", cwd=source)
    toolchain.run("build", "-linkshared", *packages, "-o", tmp_path / "host", "main.go", cwd=source)
    plugin = pairs.plugin(NEW, "plain")
    (seen,) = really_open(tmp_path / "host", [plugin])
    assert seen.outcome is Outcome.REJECTED
    (verdict,) = api.check(str(tmp_path / "host"), str(plugin)).plugins
    assert (verdict.outcome, verdict.reasons[0].rule) == (Outcome.UNDECIDED, "check.go.shared-runtime")
