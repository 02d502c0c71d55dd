"""zlib and SQLite, built here with debug information from sources that packages on PyPI carry (full run only)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from calls import ENVIRONMENT, call
from soinspect import api
from soinspect.calling.header import Header, read_header
from soinspect.calling.signature import differences, parse_signature
from soinspect.dwarf.callsignature import read_descriptions
from soinspect.model.calling import Outcome
from soinspect.model.signature import Signature

pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("no_left_over_process"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the check has been proven on x86-64 only"),
]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a library's sources are, and what a user would put in front of its prototypes."""

    package: str
    folder: str
    files: tuple[str, ...]
    header: str
    flags: tuple[str, ...]
    types: str


SOURCES = {
    "zlib": Source(
        package="pyminizip==0.2.6",
        folder="pyminizip-0.2.6/zlib-1.2.11",
        files=("adler32", "compress", "crc32", "deflate", "gzclose", "gzlib", "gzread", "gzwrite", "infback", "inffast",
               "inflate", "inftrees", "trees", "uncompr", "zutil"),
        header="zlib.h",
        flags=("-DHAVE_UNISTD_H", "-D_LARGEFILE64_SOURCE=1"),
        types="typedef unsigned uInt, z_crc_t; typedef unsigned long uLong; typedef long z_off_t, off64_t;"
        "typedef size_t z_size_t; typedef void *gzFile, *voidp, *voidpc, *voidpf, *z_streamp, *gz_headerp, *in_func,"
        " *out_func;",
    ),
    "sqlite3": Source(
        package="supersqlite==0.0.78",
        folder="supersqlite-0.0.78/supersqlite/third_party/sqlite3/raw",
        files=("sqlite3",),
        header="sqlite3.h",
        # With this, null pointers are an error that most functions report.
        flags=("-DSQLITE_ENABLE_API_ARMOR", "-DSQLITE_OMIT_LOAD_EXTENSION"),
        types="typedef long long sqlite3_int64, sqlite_int64; typedef unsigned long long sqlite3_uint64, sqlite_uint64;"
        "typedef void (*sqlite3_destructor_type)(void *); typedef void (*sqlite3_syscall_ptr)(void);"
        "typedef int (*sqlite3_callback)(void *, int, char **, char **);",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Built:
    source: Source
    library: Path
    header: Path
    declared: Header  # as libclang reads it
    preprocessed: Header
    recorded: dict[str, Signature]


@pytest.fixture(scope="module", params=SOURCES)
def built(request: pytest.FixtureRequest, test_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    source = SOURCES[request.param]
    folder = test_cache / "sources" / source.folder
    if not folder.exists():
        archive = tmp_path_factory.mktemp("sdist")
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--no-binary", ":all:", "--dest", archive, source.package],
            check=True,
        )  # fmt: skip
        with tarfile.open(next(archive.glob("*.tar.gz"))) as sdist:
            sdist.extractall(test_cache / "sources", filter="data")
    library = tmp_path_factory.mktemp("built") / f"lib{request.param}.so"
    files = [folder / f"{name}.c" for name in source.files]
    flags = ("-shared", "-fPIC", "-g", "-O1", "-w", *source.flags)
    subprocess.run(["gcc", *flags, "-I", folder, "-o", library, *files, "-lpthread", "-lm"], check=True)
    header = folder / source.header
    declared = read_header(str(header), ENVIRONMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "soinspect.calling.clangheader", None)
        preprocessed = read_header(str(header), ENVIRONMENT)
    with api.open_elf(str(library)) as elf:
        found = read_descriptions(elf, set(declared.functions)).functions
    return Built(
        source=source,
        library=library,
        header=header,
        declared=declared,
        preprocessed=preprocessed,
        recorded={name: signature for (name, _), signature in found.items()},
    )


def test_user_header_and_debug_information_agree_on_every_function(built: Built) -> None:
    assert len(built.recorded) > (70 if built.source.header == "zlib.h" else 200)
    for name, recorded in built.recorded.items():
        preprocessed = built.preprocessed.functions[name]
        given = parse_signature(f"{built.source.types} {preprocessed.text}")
        readings = (built.declared.functions[name], preprocessed, given, recorded)
        for one, other in combinations(readings, 2):
            assert not differences(one, other), name


ALTERED = {
    "zlib.h": [
        ("zlibCompileFlags", r"uLong(?= ZEXPORT zlibCompileFlags)", "int", "the result is int in"),
        ("gzputc", r"int(?= c\)\);)", "long", "parameter 2 is long in"),
        ("crc32", r", uInt len(?=\)\);\n/\*\n     Update a running CRC-32)", "", "2 parameters in"),
        ("gzopen", r"gzFile(?= ZEXPORT gzopen OF)", "double", "the result is double in"),
        ("compressBound", r"(?<=compressBound OF\(\()uLong", "char", "parameter 1 is char in"),
    ],
    "sqlite3.h": [
        ("sqlite3_sleep", r"(?<=sqlite3_sleep\()int", "double", "parameter 1 is double in"),
        ("sqlite3_errmsg", r"const char \*(?=sqlite3_errmsg\()", "int ", "the result is int in"),
        ("sqlite3_total_changes", r"(?<=sqlite3_total_changes\()sqlite3\*", "sqlite3*, int", "2 parameters in"),
        ("sqlite3_result_double", r"(?<=sqlite3_result_double\(sqlite3_context\*, )double", "float", "is float in"),
        ("sqlite3_last_insert_rowid", r"sqlite3_int64(?= sqlite3_last_insert)", "int", "the result is int in"),
    ],
}


def test_altered_headers_are_found_out(built: Built, tmp_path: Path) -> None:
    text = built.header.read_text()
    for other in built.header.parent.glob("*.h"):  # zlib.h includes one
        shutil.copy(other, tmp_path)
    altered = tmp_path / built.header.name
    for function, pattern, replacement, why in ALTERED[built.header.name]:
        altered.write_text(re.sub(pattern, replacement, text))
        declared = read_header(str(altered), ENVIRONMENT).functions
        found = {name: differences(declared[name], recorded) for name, recorded in built.recorded.items()}
        assert [name for name in found if found[name]] == [function]
        assert why in found[function][0]


def test_every_function_that_returns_keeps_the_convention(built: Built) -> None:
    """Called with zeros and null pointers; some end the process by contract, each in a process of its own."""
    steps = {
        name: call(built.library, f"{name}({', '.join('0' for _ in prototype.parameters)})", timeout=2.0).steps[0]
        for name, prototype in built.recorded.items()
    }
    returned = [step for step in steps.values() if step.outcome is Outcome.RETURNED]
    assert all(step.abi and step.abi.kept for step in returned)
    assert {step.detail for step in steps.values()} - {step.detail for step in returned} == {"it died of SIGSEGV"}
    assert len(returned) > 0.75 * len(steps)
