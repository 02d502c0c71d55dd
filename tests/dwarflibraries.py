"""Libraries with debug information, built once a run for each set of flags."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from conftest import FIXTURES

_C_SOURCES = tuple(sorted((FIXTURES / "library-of-every-c-type").glob("*.c")))
_CXX_SOURCES = (FIXTURES / "library-of-every-cxx-type" / "types.cpp",)


@cache
def library(compiler: str, *flags: str) -> Path:
    """A shared object of the sources with every type of C, or (``g++``, ``clang++``) of C++."""
    folder = tempfile.mkdtemp(prefix="soinspect-dwarf-")
    atexit.register(shutil.rmtree, folder)
    output = Path(folder) / "library.so"
    sources = _CXX_SOURCES if "++" in compiler else _C_SOURCES
    subprocess.run([compiler, "-w", "-shared", "-fPIC", *flags, "-o", output, *sources], check=True)
    return output
