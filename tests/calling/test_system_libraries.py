"""Functions of libraries of the system, called for real: all of them keep the calling convention."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from calls import ENVIRONMENT, call
from soinspect import api
from soinspect.calling.header import read_header
from soinspect.model.calling import Outcome

pytestmark = [
    pytest.mark.usefixtures("no_left_over_process"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the check has been proven on x86-64 only"),
]
# Called with zeros and null pointers these end the process, wait, or write where a null pointer leads, by contract.
ZLIB_NEEDS_SENSE = frozenset({"gzopen", "gzopen64", "gzdopen", "zError", "uncompress", "uncompress2", "compress",
                              "compress2", "gzerror", "crc32_combine_op"})  # fmt: skip
SQLITE = (
    "sqlite3_libversion", "sqlite3_sourceid", "sqlite3_libversion_number", "sqlite3_threadsafe",
    "sqlite3_initialize", "sqlite3_memory_used", "sqlite3_memory_highwater(0)", "sqlite3_compileoption_get(0)",
    "sqlite3_errstr(1)", "sqlite3_compileoption_used(str:THREADSAFE)", "sqlite3_complete(str:select;)",
    "sqlite3_malloc(16)", "sqlite3_sleep(0)", "sqlite3_randomness(8, buf:8)", "sqlite3_stricmp(str:a, str:B)",
    "sqlite3_strglob(str:a*, str:abc)", "sqlite3_release_memory(0)", "sqlite3_soft_heap_limit64(-1)",
    "sqlite3_keyword_count", "sqlite3_free(null)", "sqlite3_finalize(null)", "sqlite3_close(null)",
    "sqlite3_vfs_find(null)", "sqlite3_mprintf(str:%d-%s, 5, str:x)", "sqlite3_open(str::memory:, buf:8)",
    "sqlite3_str_new(null)", "sqlite3_reset_auto_extension", "sqlite3_shutdown",
)  # fmt: skip


def library(name: str) -> Path:
    """The file that the dynamic linker takes for a name."""
    ctypes.CDLL(name)
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(Path(line.split()[-1]) for line in lines if Path(line.split()[-1]).name.startswith(name.split(".")[0]))


def check_kept(path: Path, *steps: str, headers: tuple[str, ...] = ()) -> None:
    result = call(path, *steps, headers=headers)
    assert result.good, result.summary
    for step in result.steps:
        assert step.outcome is Outcome.RETURNED, step.detail
        assert step.abi is not None
        assert step.abi.kept, step.detail


def exports(path: Path) -> set[str]:
    return {s.symbol.name for s in api.inspect(str(path)).symbols or () if s.symbol.exported}


def test_the_functions_of_libm() -> None:
    path = library("libm.so.6")
    there = exports(path)
    steps = [
        f"{name}({', '.join(['0.5'] * len(function.parameters))})"
        for name, function in sorted(read_header("/usr/include/math.h", ENVIRONMENT).functions.items())
        if name in there and {p.type.text for p in function.parameters} <= {"double", "float"}
    ]
    assert len(steps) > 100
    check_kept(path, *steps, headers=("/usr/include/math.h",))


@pytest.mark.full
def test_the_functions_of_zlib() -> None:
    path = library("libz.so.1")
    there = exports(path)
    steps = [
        f"{name}({', '.join(['0'] * len(function.parameters))})"
        for name, function in sorted(read_header("/usr/include/zlib.h", ENVIRONMENT).functions.items())
        if name in there - ZLIB_NEEDS_SENSE and not function.variadic
    ]
    assert len(steps) > 50
    check_kept(path, *steps, headers=("/usr/include/zlib.h",))


@pytest.mark.full
def test_the_functions_of_sqlite3() -> None:
    check_kept(library("libsqlite3.so.0"), *SQLITE)
