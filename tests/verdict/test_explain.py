"""The words of loaders are recognised, whatever a program wraps around them; files are held against them."""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from conftest import FIXTURES, Compile, GoBuild, Soinspect
from gopairs import GoPairs, really_open
from soinspect import api
from soinspect.model.absence import Absent
from soinspect.model.explanation import Explanation
from soinspect.model.verdict import Outcome
from soinspect.saved.snapshotfile import write_snapshot
from soinspect.verdict.messages import MESSAGES

NEW, OLD = "1.27.3", "1.24.11"


def explained(text: str) -> Explanation:
    found = api.explain(text)
    assert isinstance(found, Explanation), text
    return found


def real_error(path: Path) -> str:
    """What this machine's loader says of a file."""
    with pytest.raises(OSError, match=re.escape(path.name)) as caught:
        ctypes.CDLL(str(path))
    return f"ImportError: {caught.value}"


def test_what_the_real_loader_says(cc: Compile, tmp_path: Path) -> None:
    empty, text, program = tmp_path / "empty.so", tmp_path / "text.so", tmp_path / "program"
    empty.write_bytes(b"")
    text.write_text("hello, this is no ELF file but long enough to look like one to whoever reads its header\n" * 2)
    subprocess.run(["gcc", "-pie", "-xc", "-", "-o", program], input=b"int main(void) { return 0; }", check=True)
    lost = cc("int lost;", "-Wl,-soname,liblost.so.1", name="liblost.so")
    user = cc("int f(void) { return 1; }", "-Wl,--no-as-needed", str(lost), name="user.so")
    undefined = cc("int nowhere(void); int f(void) { return nowhere(); }", "-Wl,-z,now", name="undefined.so")
    for path, known, named in (
        (empty, "ld.short", str(empty)),
        (text, "ld.not-elf", str(text)),
        (program, "ld.executable", str(program)),
        (undefined, "ld.undefined-symbol", "nowhere"),
    ):
        found = explained(real_error(path))
        assert (found.id, named in found.means) == (known, True)
    missing = explained("OSError: liblost.so.1: cannot open shared object file: No such file or directory")
    with pytest.raises(OSError, match=re.escape(missing.message)):
        ctypes.CDLL(str(user))


@pytest.mark.parametrize(
    ("text", "known", "means"),
    [
        ("x: /lib/libc.so.6: version `GLIBC_2.34' not found (required by ./p.so)", "ld.version", "version GLIBC_2.34"),
        ("Error relocating ./p.so: __isoc23_strtol: symbol not found", "musl.undefined-symbol", "__isoc23_strtol"),
        ("Error loading shared library libz.so.1: No such file or directory (needed by ./p.so)",
         "musl.missing-library", "libz.so.1"),
        ("Error relocating ./p.so: : initial-exec TLS resolves to dynamic definition in ./p.so",
         "musl.static-tls", "Go"),
        ("ImportError: p.so: cannot allocate memory in static TLS block", "ld.static-tls", "thread-local"),
        ("p.so: cannot enable executable stack as shared object requires: Invalid argument",
         "ld.executable-stack", "glibc 2.41"),
        ("p.so: wrong ELF class: ELFCLASS32", "ld.class", "ELFCLASS32"),
        ("dynamic module does not define module export function (PyInit_x)", "python.init", "PyInit_x"),
        ('plugin.Open("a/b"): realpath failed', "go.realpath", "a/b"),
        ("panic: interface conversion: plugin.Symbol is func(int), not func()", "go.type", "func(int)"),
        ("plugin: symbol Foo not found in plugin example.com/p", "go.symbol-not-found", "example.com/p"),
        ("fatal error: runtime: plugin has empty pluginpath", "go.empty-plugin-path", "sonic"),
    ],
)  # fmt: skip
def test_messages_are_recognised(text: str, known: str, means: str) -> None:
    found = explained(f"2026-11-22 ERROR [host] could not load: {text}\n  at main.go:7")
    assert found.id == known
    assert means in found.means


def test_every_template_can_be_filled() -> None:
    for message in MESSAGES:
        groups = dict.fromkeys(re.compile(message.pattern).groupindex, "x")
        assert message.means.format(**groups)
        assert message.fix.format(**groups)
    assert len({message.id for message in MESSAGES}) == len(MESSAGES)


def test_what_real_hosts_print_is_recognised_and_explained_by_their_files(pairs: GoPairs) -> None:
    for host, plugin in (
        (pairs.host(NEW, "plain"), pairs.plugin(NEW, "trimpath")),
        (pairs.host(NEW, "plain"), pairs.plugin(OLD, "plain")),
        (pairs.host(NEW, "without cgo"), pairs.plugin(NEW, "plain")),
        (pairs.host(NEW, "plain"), pairs.plugin(NEW, "renamed path")),
    ):
        (seen,) = really_open(host, [plugin])
        assert seen.message
        found = api.explain(seen.message, str(host), str(plugin))
        assert isinstance(found, Explanation)
        assert found.foreseen


def test_what_is_looked_up_and_not_there(go_build: GoBuild, soinspect: Soinspect) -> None:
    """The error of plugin.Lookup in a real host, and whose it may be."""
    host = go_build(NEW, FIXTURES / "go-plugin-host" / "main.go", mode="exe", name="host")
    plugin = go_build(NEW, FIXTURES / "go-type-assertions" / "plugin")
    done = subprocess.run([host, "Missing", plugin], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("lookup: ")
    run = soinspect("explain", f"gateway: {done.stdout}", host, plugin)
    assert (run.code, "plugin.so: rejected: it does not export Missing" in run.out) == (0, True)
    run = soinspect("explain", done.stdout.replace("Missing", "Add"), host, plugin)
    assert (run.code, "plugin.so: accepted" in run.out) == (1, True)
    run = soinspect("explain", done.stdout.replace("assertions", "other"), host, plugin)
    assert (run.code, "the message is about the plugin example.com/other/plugin" in run.out) == (1, True)


@pytest.mark.parametrize(
    ("text", "foreseen"),
    [
        ("plugin: symbol Run not found in plugin {path}", False),  # it is there
        ("plugin: symbol Rum not found in plugin {path}", True),
        ("plugin: symbol Rum not found in plugin example.com/other", False),
        ("interface conversion: plugin.Symbol is func(), not func() error", True),
        ("interface conversion: interface {} is func(), not func() error", True),
        ("interface conversion: plugin.Symbol is func(), not func()", False),  # it holds
        ("interface conversion: plugin.Symbol is func(int), not func()", False),  # no export is that
        ("interface conversion: *int is not fmt.Stringer: missing method String", None),  # this host has no fmt
        ("*int is not error: missing method Error", True),
        ("interface conversion: *int is not error: missing method Error", True),
        ("interface conversion: interface is nil, not func()", None),
        ("plugin already loaded", None),
        ('plugin.Open("plugin"): realpath failed', None),
        ("panic: runtime error: invalid memory address or nil pointer dereference", None),
        ("fatal error: runtime: no plugin module data", False),
        ("plugin was built with a different version of package runtime", False),
        ("p.so: undefined symbol: nowhere", None),
        ("libc.so.6: version `GLIBC_2.99' not found (required by p.so)", None),
    ],
)
def test_only_what_the_files_prove_is_said(text: str, foreseen: bool | None, pairs: GoPairs) -> None:
    host, plugin = pairs.host(NEW, "plain"), pairs.plugin(NEW, "plain")
    facts = pairs.read_guest(plugin).go
    assert facts
    assert facts.plugin
    found = api.explain(f"ERROR {text.replace('{path}', facts.plugin.path)}\n", str(host), str(plugin))
    assert isinstance(found, Explanation)
    assert found.foreseen is foreseen


@pytest.mark.parametrize(
    ("text", "foreseen"),
    [
        ("/srv/p.so: undefined symbol: missing", True),
        ("/srv/p.so: undefined symbol: hidden", True),
        ("/srv/p.so: undefined symbol: run, version V2", False),  # it knows no versions, and any is found
        ("/srv/p.so: undefined symbol: run", False),
        ("/srv/p.so: undefined symbol: puts", None),  # which is found here
        ("/srv/p.so: undefined symbol: malloc", None),  # which dlsym finds in the C library
        ("Symbol not found: missing", None),  # this host has no musl
        ("dynamic module does not define module export function (PyInit_p)", True),
        ("/srv/p.so: wrong ELF class: ELFCLASS32", None),
        ("/srv/p.so: invalid ELF header", None),
        ("/srv/p.so: ELF load command past end of file", None),
        ("Bus error (core dumped)", None),
        ("/srv/p.so: cannot open shared object file: Permission denied", None),
        ("symbol lookup error: /srv/p.so: undefined symbol: missing", True),
    ],
)
def test_only_what_c_files_prove_is_said(text: str, foreseen: bool | None, c_host: Path, cc: Compile) -> None:
    source = """
    #include <stdio.h>
    __attribute__((visibility("hidden"))) int hidden(void) { return 1; }
    int run(void) { return puts("run") + hidden(); }
    """
    found = api.explain(f"host: {text}", str(c_host), str(cc(source, name="plugin.so")))
    assert isinstance(found, Explanation)
    assert found.foreseen is foreseen


def test_a_message_that_names_a_plugin_asks_nothing_of_the_others(c_host: Path, cc: Compile) -> None:
    good = cc("int run(void) { return 1; }", name="good.so")
    bad = cc("int of_nobody(void); int run(void) { return of_nobody(); }", name="bad.so")
    found = api.explain("./bad.so: undefined symbol: of_nobody", c_host, good, bad)
    assert isinstance(found, Explanation)
    assert found.verdict
    assert [it.outcome for it in found.verdict.plugins] == [Outcome.ACCEPTED, Outcome.REJECTED]


def test_a_plugin_may_have_had_another_name_but_not_that_of_its_library(c_host: Path, cc: Compile) -> None:
    gone = cc("int api;", "-Wl,-soname,libgone.so.1", name="libgone.so")
    plugin = cc("extern int api; int run(void) { return api; }", str(gone), name="plugin.so")
    for text, foreseen in (("libgone.so.1", True), ("/lib/libgone.so.1", True), ("libother.so.1", None)):
        found = api.explain(
            f"{text}: cannot open shared object file: No such file or directory", str(c_host), str(plugin)
        )
        assert isinstance(found, Explanation)
        assert found.foreseen is foreseen


@pytest.fixture
def looking_host(tmp_path: Path) -> Path:
    """A host that opens a plugin, lazily, and looks a name up in its global scope, or with the plugin's handle."""
    (tmp_path / "looking.c").write_text(
        """
        #include <dlfcn.h>
        #include <stdio.h>
        int own(void) { return 1; }
        int main(int count, char **arguments) {
            void *handle = dlopen(arguments[1], RTLD_LAZY);
            if (handle && count > 2) handle = dlsym(count > 3 ? handle : RTLD_DEFAULT, arguments[2]);
            puts(handle ? "found" : dlerror());
            return 0;
        }
        """
    )
    for name, flags in (("looking", ()), ("exporting", ("-rdynamic",))):
        command = ["gcc", "looking.c", "-o", name, "-D_GNU_SOURCE", "-ldl", *flags]
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def held(folder: Path, text: str, host: str, *plugins: str) -> Explanation:
    """What ``explain`` says of a text, in the folder of the files."""
    with contextlib.chdir(folder):
        found = api.explain(text, host, *plugins)
    assert isinstance(found, Explanation)
    return found


def said(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.parametrize(
    ("host", "name", "remark", "fix"),
    [
        ("looking", "own", "./looking defines it, and does not export it", "link ./looking with -rdynamic"),
        ("looking", "of_plugin", "./plugin.so exports it, and dlopen keeps that to its handle, unless it is given",
         'dlopen("./plugin.so", RTLD_NOW | RTLD_GLOBAL), or dlsym with the handle'),
        ("looking", "sqrt", "it is in libm.so.6, which ./looking does not ask for", "link ./looking with -lm"),
        ("looking", "of_nobody", "and nothing that is loaded for all exports of_nobody", "soinspect info PLUGIN"),
        ("exporting", "own", None, None),
        ("looking", "puts", None, None),
    ],
)  # fmt: skip
def test_what_a_host_does_not_find_in_its_global_scope(
    host: str, name: str, remark: str | None, fix: str | None, looking_host: Path, cc: Compile
) -> None:
    """dlsym(RTLD_DEFAULT, ...) names the host in its message."""
    cc("int of_plugin(void) { return 1; }", name="plugin.so")
    message = f"./{host}: undefined symbol: {name}"
    found = held(looking_host, message, f"./{host}", "./plugin.so")
    really = said(looking_host, f"./{host}", "./plugin.so", name)
    if remark is None or fix is None:
        assert really == "found"
        assert found.foreseen is (False if name == "own" else None)  # another C library may lack puts
    else:
        assert (really, found.foreseen) == (message, True)
        assert any(remark in it for it in found.remarks)
        assert fix in found.fix
        plugin = looking_host / "plugin.so"
        plugin.write_text(write_snapshot(api.facts_of(str(plugin), with_types=False, with_loading=True)))
        assert held(looking_host, message, f"./{host}", "./plugin.so").remarks == found.remarks


def test_what_a_host_needs_itself(tmp_path: Path, cc: Compile) -> None:
    (tmp_path / "needy.c").write_text("int missing(void); int main(void) { return missing(); }")
    library = cc("int missing(void) { return 1; }", "-Wl,-soname,libneeded.so", name="libneeded.so")
    command = ["gcc", "needy.c", str(library), "-o", "needy", "-Wl,-z,lazy,-rpath,$ORIGIN"]
    subprocess.run(command, cwd=tmp_path, check=True)
    cc("int other;", "-Wl,-soname,libneeded.so", name=library.name)
    cc("int run(void) { return 1; }", name="plugin.so")
    done = subprocess.run(["./needy"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.startswith("./needy: symbol lookup error: ./needy: undefined symbol: missing")
    found = held(tmp_path, done.stderr, "./needy", "./plugin.so")
    assert found.foreseen
    assert found.remarks == ("./needy needs it itself, and nothing that is loaded for all exports missing",)


def test_a_name_without_a_slash_is_searched_for(looking_host: Path, cc: Compile) -> None:
    cc("int run(void) { return 1; }", name="plugin.so")
    text = said(looking_host, "./looking", "plugin.so")
    found = held(looking_host, text, "./looking", "plugin.so")
    assert (found.id, found.foreseen, found.fix.split(",")[0]) == ("ld.missing-library", True, 'dlopen("./plugin.so"')
    assert found.remarks[0] == "a name without a slash is searched for, and not in the working directory"
    assert any(it.startswith("sought /lib/") for it in found.remarks)
    assert said(looking_host, "./looking", "./plugin.so") == "found"
    libm = cc("int here;", name="libm.so.6")
    found = held(looking_host, text.replace("plugin.so", libm.name), "./looking", f"./{libm.name}")
    assert (found.foreseen, 'dlopen("libm.so.6") finds ' in found.remarks[0]) == (None, True)


def test_it_is_explained_by_the_symbol_that_it_names(looking_host: Path, cc: Compile) -> None:
    """One symbol that is missing does not explain a message about another."""
    plugin = "int own(void), second(void); int run(void) { return own() + second(); }"
    cc(plugin, name="plugin.so")
    lookup = said(looking_host, "./looking", "./plugin.so", "missing", "in the plugin")
    assert lookup == "./plugin.so: undefined symbol: missing"
    found = held(looking_host, lookup, "./looking", "./plugin.so")
    assert (found.foreseen, "RTLD_LAZY" in found.remarks[0]) == (None, True)
    cc(plugin, "-Wl,-z,now", name="plugin.so")
    at_once = said(looking_host, "./looking", "./plugin.so", "missing", "in the plugin")
    assert at_once == "./plugin.so: undefined symbol: own"
    found = held(looking_host, lookup, "./looking", "./plugin.so")
    assert (found.foreseen, found.remarks[0]) == (None, "plugin.so neither exports nor needs missing")
    for name, fix in (
        ("own", "link ./looking with -rdynamic"),
        ("second", "Link the host with -rdynamic, or the plugin"),
    ):
        found = held(looking_host, at_once.replace("own", name), "./looking", "./plugin.so")
        assert (name, found.foreseen, found.fix.startswith(fix)) == (name, True, True)


def test_files_that_do_not_explain_it(pairs: GoPairs, soinspect: Soinspect) -> None:
    host, plugin = pairs.host(NEW, "plain"), pairs.plugin(NEW, "trimpath")
    text = "plugin was built with a different version of package example.com/other"
    run = soinspect("explain", text, host, plugin)
    assert (run.code, "these files do not explain it" in run.out) == (1, True)
    run = soinspect("explain", "x.so: undefined symbol: f", host, plugin)
    assert (run.code, "cannot be told" in run.out) == (3, True)


def test_the_command(soinspect: Soinspect) -> None:
    assert soinspect("explain", "all is well").code == 3
    assert soinspect("explain", "plugin already loaded").code == 0
    assert soinspect("explain", "-", stdin=b"plugin already loaded\n").code == 0
    assert soinspect("explain", "plugin already loaded", FIXTURES / "plugin1.so").code == 2
    schema = json.loads(soinspect("schema").out)
    for text in ("all is well", "plugin already loaded"):
        jsonschema.validate(soinspect("explain", text, "--format", "json").json, schema)


def test_a_long_text_takes_no_long_time() -> None:
    assert isinstance(api.explain("x" * 1_000_000), Absent)


def test_each_plugin_is_asked_what_is_said_of_it(pairs: GoPairs, cc: Compile) -> None:
    """A C library among Go plugins has another way of looking up, and its message asks nothing of the others."""
    host = pairs.host(NEW, "plain")
    plugins = [str(pairs.plugin(NEW, "plain")), str(cc("int run(void) { return 0; }", name="library.so"))]
    found = api.explain("library.so: undefined symbol: missing, version V1", host, *plugins)
    assert isinstance(found, Explanation)
    assert found.verdict
    assert [it.outcome for it in found.verdict.plugins] == [Outcome.ACCEPTED, Outcome.REJECTED]
    named = pairs.read_guest(Path(plugins[0])).go
    assert named
    assert named.plugin
    text = f"plugin: symbol Missing not found in plugin {named.plugin.path}"
    found = api.explain(text, str(host), plugins[0], str(pairs.plugin(NEW, "second")))
    assert isinstance(found, Explanation)
    assert found.verdict
    assert (found.foreseen, [it.outcome for it in found.verdict.plugins]) == (
        True, [Outcome.REJECTED, Outcome.ACCEPTED],
    )  # fmt: skip
