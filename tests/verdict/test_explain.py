"""The words of loaders are recognised, whatever a program wraps around them; files are held against them."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from conftest import FIXTURES, Compile, Soinspect
from gopairs import GoPairs, really_open
from soinspect import api
from soinspect.model.absence import Absent
from soinspect.model.explanation import Explanation
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
