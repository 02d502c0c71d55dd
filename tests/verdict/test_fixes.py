"""A fix that is a line to copy is copied: afterwards the host accepts the plugin."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile, GoToolchains, Soinspect
from gopairs import GoPairs, really_open
from soinspect import api
from soinspect.model.verdict import Outcome, Reason

GOOD = "int run(void) { return 0; }"
NEW = "1.27.3"


def only_reason(host: str | Path, plugin: str | Path) -> Reason:
    (reason,) = api.check(str(host), str(plugin)).plugins[0].reasons
    return reason


def shell(line: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LD_")}
    done = subprocess.run(
        ["bash", "-euc", line], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def folder(c_host: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``./host``, which is the current one."""
    monkeypatch.chdir(c_host.parent)
    return c_host.parent


@pytest.mark.parametrize("size", [2000, 8192, 200_000])
def test_room_for_thread_local_storage(size: int, folder: Path, cc: Compile) -> None:
    source = f'static __thread char block[{size}] __attribute__((tls_model("initial-exec")));\n'
    cc(source + "char *run(void) { return block; }", name="plugin.so")
    reason = only_reason("./host", "./plugin.so")
    assert shell("./host ./plugin.so", folder) == reason.message
    assert shell(f"{reason.fix} ./plugin.so", folder) == "loaded"


def test_functions_of_the_mathematical_library(folder: Path, cc: Compile) -> None:
    source = "double sqrt(double), pow(double, double); double run(double x) { return sqrt(pow(x, 2)); }"
    cc(source, "-fno-builtin", name="plugin.so")
    reason = only_reason("./host", "./plugin.so")
    assert reason.message == shell("./host ./plugin.so", folder)
    assert reason.fix == "link ./plugin.so with -lm"
    assert "pow" in reason.evidence[0]
    cc(source, "-fno-builtin", reason.fix.split()[-1], name="plugin.so")
    assert api.check("./host", "./plugin.so").plugins[0].reasons == ()
    assert shell("./host ./plugin.so", folder) == "loaded"


def test_a_missing_library_is_one_reason(folder: Path, cc: Compile) -> None:
    library = cc("int api(void) { return 1; }", name="libapi.so")
    cc("int api(void); int run(void) { return api(); }", f"-L{folder}", "-lapi", name="plugin.so")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    library.rename(elsewhere / "libapi.so")
    reason = only_reason("./host", "./plugin.so")
    assert reason.message == shell("./host ./plugin.so", folder)
    assert reason.evidence[-1] == "whether it provides api, which nothing else does, is not known"
    line = reason.fix.partition("  ")[0].replace("DIR", str(elsewhere))
    assert shell(f"{line} ./plugin.so", folder) == "loaded"


def test_what_is_undefined_besides_a_missing_library_is_told(folder: Path, cc: Compile) -> None:
    """A version says which library a symbol comes from: one that is there, and lacks it, is a reason of its own."""
    (folder / "v.map").write_text("V1 { global: *; };")
    old, flag = "int api(void) { return 1; }", f"-Wl,--version-script={folder / 'v.map'}"
    cc(f"{old} int more(void) {{ return 1; }}", flag, name="libapi.so")
    cc("int gone;", name="libgone.so")
    cc("int api(void), more(void); int run(void) { return api() + more(); }",
       f"-L{folder}", "-Wl,--no-as-needed", "-lapi", "-lgone", "-Wl,-rpath,$ORIGIN", name="plugin.so")  # fmt: skip
    cc(old, flag, name="libapi.so")
    (folder / "libgone.so").unlink()
    reasons = api.check("./host", "./plugin.so").plugins[0].reasons
    assert [it.rule for it in reasons] == ["check.dlopen.library", "check.dlopen.symbol"]


def make(kind: str, plugin: Path, whole: Path) -> None:
    """Something at ``plugin`` that is no library, with the library ``whole`` in it where that can be."""
    match kind:
        case "object":
            shell(f"gcc -fPIC -c whole.so.c -o {plugin}", whole.parent)
        case "archive":
            shell(f"gcc -fPIC -c whole.so.c -o whole.o && ar rcs {plugin} whole.o", whole.parent)
        case "gzip":
            plugin.write_bytes(gzip.compress(whole.read_bytes()))
        case "xz":
            plugin.write_bytes(lzma.compress(whole.read_bytes()))
        case "script":
            plugin.write_text(f"/* GNU ld script */\nGROUP ( {whole} )\n")
        case "bitcode":
            plugin.write_bytes(b"BC\xc0\xde" + bytes(100))
        case "zip":
            with zipfile.ZipFile(plugin, "w") as archive:
                archive.write(whole, "inside.so")
        case "core":
            make("object", plugin, whole)
            data = bytearray(plugin.read_bytes())
            data[16] = 4  # ET_CORE
            plugin.write_bytes(data)


def test_a_missing_version_is_one_reason(folder: Path, cc: Compile) -> None:
    for name, version in (("old", "V1"), ("new", "V2")):
        (folder / name).mkdir()
        (folder / "v.map").write_text(f"{version} {{ global: *; }};")
        cc("int api(void) { return 1; }", f"-Wl,--version-script={folder / 'v.map'}", "-Wl,-soname,libapi.so",
           name=f"{name}/libapi.so")  # fmt: skip
    cc("int api(void); int run(void) { return api(); }", f"-L{folder}/new", "-lapi", f"-Wl,-rpath,{folder}/old",
       name="plugin.so")  # fmt: skip
    reason = only_reason("./host", "./plugin.so")
    assert (reason.rule, reason.message) == ("check.dlopen.version", shell("./host ./plugin.so", folder))
    assert reason.evidence == ("forced by api",)


@pytest.mark.parametrize(
    ("kind", "fix", "made"),
    [
        ("object", "gcc -shared -o plugin.so ./plugin", "plugin.so"),
        ("archive", "gcc -shared -o plugin.so -Wl,--whole-archive ./plugin -Wl,--no-whole-archive", "plugin.so"),
        ("gzip", "gzip -dc ./plugin > plugin.unpacked.so", "plugin.unpacked.so"),
        ("xz", "xz -dc ./plugin > plugin.unpacked.so", "plugin.unpacked.so"),
        ("script", "soinspect check ./host WHOLE", None),
        ("bitcode", "clang -shared -o plugin.so ./plugin", None),
        ("zip", "unzip ./plugin", None),
        ("core", "gdb ./host ./plugin  (a core file is what a program left that died, no plugin)", None),
    ],
)
def test_what_is_no_library_is_named_and_mended(
    kind: str, fix: str, made: str | None, folder: Path, cc: Compile, soinspect: Soinspect
) -> None:
    whole, plugin = cc(GOOD, name="whole.so"), folder / "plugin"
    make(kind, plugin, whole)
    reason = only_reason("./host", "./plugin")
    assert reason.message == shell("./host ./plugin", folder)
    assert reason.fix == fix.replace("WHOLE", str(whole))
    if made:
        shell(reason.fix, folder)
        assert shell(f"./host ./{made}", folder) == "loaded"
    # As a host, or by itself, it is named in one line.
    for arguments in (("check", plugin, whole), ("deps", plugin)):
        run = soinspect(*arguments, cwd=folder)
        assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)


def test_a_link_to_nowhere_is_told_from_a_missing_file(folder: Path, cc: Compile, soinspect: Soinspect) -> None:
    whole, plugin = cc(GOOD, name="whole.so"), folder / "plugin.so"
    plugin.symlink_to("nowhere.so")
    for arguments in (("check", "./host", plugin), ("check", plugin, whole), ("deps", plugin)):
        run = soinspect(*arguments, cwd=folder)
        assert (run.code, run.err) == (2, f"soinspect: {plugin}: a link to nowhere.so, which does not exist\n")


def test_empty_and_cut_files(folder: Path, cc: Compile, soinspect: Soinspect) -> None:
    whole = cc(GOOD, name="whole.so").read_bytes()
    plugin = folder / "plugin.so"
    for content, message in ((b"", "./plugin.so: file too short"), (whole[:40], "./plugin.so: file too short")):
        plugin.write_bytes(content)
        reason = only_reason("./host", "./plugin.so")
        assert reason.message == message == shell("./host ./plugin.so", folder)
        assert reason.fix == "copy or build ./plugin.so again"
    plugin.write_bytes(whole[:3000])
    reason = only_reason("./host", "./plugin.so")
    assert (reason.rule, reason.message) == ("check.dlopen.truncated", None)
    died = subprocess.run(["./host", "./plugin.so"], capture_output=True, cwd=folder, check=False)
    assert (died.returncode < 0, died.stdout, died.stderr) == (True, b"", b"")
    assert soinspect("deps", "./plugin.so", cwd=folder).out.startswith("./plugin.so: cannot tell what it needs: ")


def test_a_go_program_is_to_be_built_as_a_plugin(
    pairs: GoPairs, go_toolchains: GoToolchains, c_host: Path, tmp_path: Path
) -> None:
    host, program = pairs.host(NEW, "trimpath"), tmp_path / "program"
    shutil.copy(pairs.host(NEW, "plain"), program)
    reason = only_reason(host, program)
    assert reason.summary == "cannot dynamically load executable: it is a Go program, not a plugin"
    assert really_open(host, [program])[0].message == reason.message
    assert reason.fix == "go build -buildmode=plugin -trimpath -o program.so ."
    shutil.copy(FIXTURES / "go-host-and-plugins/host/main.go", tmp_path)
    go_toolchains[NEW].run(*reason.fix.split()[1:-1], "main.go", cwd=tmp_path)
    assert [it.outcome for it in really_open(host, [tmp_path / "program.so"])] == [Outcome.ACCEPTED]
    assert only_reason(c_host, program).fix == "go build -buildmode=c-shared -o program.so ."
