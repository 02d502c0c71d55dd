"""What every command says of a file it cannot serve: one line that names it, exit code 2, never a traceback."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import FIXTURES, Compile, Soinspect
from elfwriter import Sym, elf64

NOT_ELF = {
    "empty.so": (b"", "is empty (0 bytes)"),
    "text.so": (b"hello\n", "a text file, not an ELF file"),
    "libm.so": (b"/* GNU ld script */\nGROUP ( /lib/libm.so.6 )\n", "a linker script (text)"),
    "mac.so": (struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 6, 0, 0, 0, 0), "a Mach-O file (macOS dylib, X86_64)"),
    "broken-mac.so": (b"\xcf\xfa\xed\xfe" + bytes(8), "a Mach-O file (macOS"),
    "universal.so": (b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(40), "a Mach-O universal binary"),
    "windows.dll": (b"MZ" + bytes(100), "a PE file (Windows"),
    "archive.a": (b"!<arch>\n", "a static library (ar archive)"),
    "lfs.so": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "packed.so.gz": (b"\x1f\x8b\x08\0", "gzip data"),
    "zeros.so": (bytes(5000), "a file of zero bytes"),
    "noise.so": (bytes(range(128, 256)), "not an ELF file (it begins with 80 81 82 83"),
    "cut.so": (b"\x7fELF\x02\x01", "damaged ELF file: e_ident"),
}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("info", name) for name in NOT_ELF),
        *((c, n) for c in ("symbols", "diff", "call") for n in ("text.so", "cut.so")),
    ],
)
def test_other_files_are_named(command: str, name: str, tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / name
    path.write_bytes(NOT_ELF[name][0])
    more = {"diff": (path,), "call": ("--init",)}.get(command, ())
    run = soinspect(command, path, *more)
    assert run.code == 2
    assert run.out == ""
    assert run.err.count("\n") == 1
    assert run.err.startswith(f"soinspect: {path}: ")
    assert NOT_ELF[name][1] in run.err


def test_things_that_are_no_files(tmp_path: Path, soinspect: Soinspect) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, message in (
        (tmp_path, "is a directory: name a file in it"),
        (tmp_path / "no", "no such file"),
        (fifo, "not a regular file"),
    ):
        run = soinspect("info", path)
        assert (run.code, run.err) == (
            2,
            f"soinspect: {path}: {message if 'not' not in message else 'is ' + message}\n",
        )
    assert soinspect("info", "/dev/zero").code == 2
    assert "standard input: is empty" in soinspect("info", "-").err


def test_standard_input_stands_for_any_file(cc: Compile, soinspect: Soinspect) -> None:
    library = cc("int answer(void) { return 42; }", name="answer.so")
    data = library.read_bytes()
    for arguments in (
        ("deps",),
        ("check", sys.executable),
        ("info",),
        ("call", "answer()", "--sig", "int answer(void)"),
    ):
        command, *more = arguments
        before, after = (more, []) if command == "check" else ([], more)
        piped = soinspect(command, *before, "-", *after, stdin=data)
        named = soinspect(command, *before, library, *after)
        assert (piped.code, piped.err) == (named.code, "")
        assert piped.out == named.out.replace(str(library), "standard input").replace("answer.so", "standard input")


def test_a_program_and_a_snapshot_through_standard_input(cc: Compile, soinspect: Soinspect) -> None:
    library = cc("int answer(void) { return 42; }", name="answer.so")
    run = soinspect("check", "-", library, stdin=Path(sys.executable).read_bytes())
    assert (run.code, run.out) == (0, "OK answer.so in standard input: every check is passed\n")
    saved = soinspect("snapshot", library).out.encode()
    assert soinspect("deps", "-", stdin=saved).out.startswith("standard input: ")
    run = soinspect("call", "-", "answer", stdin=saved)
    assert (run.code, run.out) == (2, "")
    assert "holds no code to call" in run.err
    run = soinspect("check", "-", "-", stdin=Path(sys.executable).read_bytes())
    assert (run.code, run.err) == (2, "soinspect: standard input: is empty (0 bytes)\n")


@pytest.mark.parametrize("order", ["<", ">"])
def test_foreign_machines_are_read_but_not_called(order: str, tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "foreign.so"
    path.write_bytes(elf64((Sym(name=b"f"),), machine=21, order=order))
    assert soinspect("symbols", path).code == 0
    assert "ppc64" in soinspect("info", path).out
    assert soinspect("diff", path, path).code == 0
    run = soinspect("call", path, "f")
    assert run.code == 3
    assert "built for ppc64" in run.out
    assert "fix  " in run.out


def test_errors_in_json(tmp_path: Path, soinspect: Soinspect) -> None:
    path = tmp_path / "bad.so"
    path.write_bytes(elf64(overrides={56: b"\xf0\xff"}))
    run = soinspect("symbols", path, "--format", "json")
    assert run.code == 2
    (error,) = run.json["errors"]
    assert (error["field"], error["offset"], error["value"]) == ("e_phnum", 56, 0xFFF0)


def test_a_truncated_library_is_told_before_it_is_loaded(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    whole = cc(FIXTURES / "c-library" / "counter.c")
    cut = tmp_path / "cut.so"
    cut.write_bytes(whole.read_bytes()[:0x2000])
    assert "the file is truncated" in soinspect("info", cut).out
    for arguments in (("call", cut, "count"), ("diff", cut, whole), ("diff", whole, cut)):
        run = soinspect(*arguments)
        assert run.code == 2
        assert "truncated" in run.err
        assert "cut.so" in run.err


def test_what_is_left_of_a_truncated_go_plugin(tmp_path: Path, soinspect: Soinspect) -> None:
    cut = tmp_path / "cut.so"
    cut.write_bytes((FIXTURES / "plugin1.so").read_bytes()[:100_000])
    page = soinspect("go", cut)
    assert page.code == 0
    assert "Go binary of unknown kind" in page.out.splitlines()[0]
    assert "module data" in page.out
    listing = soinspect("symbols", cut, "--format", "json").json["files"][0]
    assert listing["symbols"] == []
    assert "truncated" in listing["remarks"][0]


def test_32_bit_libraries_are_read_but_not_called(cc: Compile, soinspect: Soinspect) -> None:
    library = cc("int answer = 42; int get(void) { return answer; }", "-m32", "-nostdlib", name="small.so")
    rows = [line.split("\t") for line in soinspect("symbols", library, "--defined").out.splitlines()]
    assert {(row[7], row[1], row[2]) for row in rows} >= {("answer", "4", "OBJECT"), ("get", rows[-1][1], "FUNC")}
    assert "32-bit little-endian ELF, i386" in soinspect("info", library).out
    assert soinspect("diff", library, library).code == 0
    run = soinspect("call", library, "get")
    assert run.code == 3
    assert "built for i386 (32-bit)" in run.out


def test_no_file_of_the_folder_stands_in_for_a_module(cc: Compile, tmp_path: Path) -> None:
    """Not even a plugin that has the name of one: only call loads foreign code."""
    library = cc('#include <stdio.h>\n__attribute__((constructor)) void ran(void) { puts("RAN"); }', name="copy.so")
    command = [sys.executable, "-m", "soinspect", "info", library.name]
    done = subprocess.run(command, cwd=library.parent, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("copy.so: shared library")
    assert "RAN" not in done.stdout


def test_a_file_that_is_cut_short_after_it_was_opened(cc: Compile) -> None:
    library = cc("int answer(void) { return 42; }", "-g", name="answer.so")
    script = f"""
import os
from soinspect.elf.file import ElfFile
with ElfFile.open({str(library)!r}) as elf:
    os.truncate({str(library)!r}, 0)
    print(*elf.dynamic_symbols.names)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert "answer" in done.stdout.split()


@pytest.mark.parametrize(
    ("section", "answer", "code"),
    [
        (".data", "1 library, found, every symbol resolved; truncated: {}", 3),
        (".rodata", "truncated: {}; 1 unresolved symbol: answer", 1),
    ],
)
def test_a_large_dependency_that_had_been_cut_short(
    section: str, answer: str, code: int, cc: Compile, c_host: Path, soinspect: Soinspect
) -> None:
    """It is mapped as far as it goes; what lies behind its end is told with its place."""
    size = 17 << 20
    library = cc(f'__asm__(".section {section}; .space 24 << 20"); int answer(void) {{ return 42; }}', name="answer.so")
    user = cc("int answer(void); int ask(void) { return answer(); }", "-nostdlib", str(library), name="user.so")
    os.truncate(library, size)
    end = f"past the end of the file ({size:#x}): the file is truncated"
    deps, check = soinspect("deps", user), soinspect("check", c_host, user)
    assert (deps.code, deps.out.splitlines()[0]) == (code, f"{user}: {answer.format(library)}")
    assert end in deps.out
    assert check.code == 1
    assert check.out.startswith(f"ABORT user.so in host: {library} is truncated")
    assert end in check.out


@pytest.mark.parametrize("found", [False, True], ids=["named", "found as a dependency"])
def test_a_large_file_that_is_cut_short_while_it_is_read(found: bool, cc: Compile) -> None:
    """It is mapped, and reading what is no longer there is SIGBUS: an error all the same, and no signal."""
    library = cc("int answer(void) { return 42; }", name="answer.so")
    user = cc("int answer(void); int ask(void) { return answer(); }", str(library), name="user.so")
    os.truncate(library, 32 << 20)
    arguments = ["deps", str(user)] if found else ["symbols", str(library)]
    script = f"""
import os, sys
from soinspect.cli import app
from soinspect.elf.image import Image
is_read = Image._read_segments
def cut_short(image):
    if image.path == {str(library)!r}:
        os.truncate(image.path, 0)
    return is_read(image)
Image._read_segments = cut_short
sys.argv = ["soinspect", *{arguments!r}]
app.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    told = "was cut short while it was read, to less than 0x40 bytes: run again when it is whole"
    assert done.stderr == f"soinspect: {library}: {told}\n"
