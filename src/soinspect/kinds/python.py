"""Python extension modules: what the file's name promises (PEP 3149, PEP 384), and whether the file keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soinspect.kinds.pluginfile import PluginFile
from soinspect.kinds.readers import fact
from soinspect.model.constants import ElfClass, Machine
from soinspect.model.pluginkind import KindFact, KindProblem

FILE_NAME = re.compile(r"[^.]+\.(?P<tag>(?:cpython|pypy|graalpy)[-\w]*|abi3(?:t)?)\.so")
_CPYTHON = re.compile(r"cpython-(?P<major>\d)(?P<minor>\d+)(?P<flags>[dmut]*)(?:-(?P<platform>.+))?")
_LIBPYTHON = re.compile(r"libpython(?P<version>\d\.\d+)(?P<flags>[dmut]*)\.so.*")
_FLAGS = {"d": "debug build", "m": "pymalloc", "u": "wide Unicode", "t": "free-threaded"}
_MACHINES = {
    "x86_64": (Machine.X86_64, ElfClass.ELF64),
    "i386": (Machine.I386, ElfClass.ELF32),
    "aarch64": (Machine.AARCH64, ElfClass.ELF64),
    "arm": (Machine.ARM, ElfClass.ELF32),
}
# Of the names that begin with an underscore, these belong to the stable ABI: its macros and functions need them
# (Misc/stable_abi.toml of CPython, "abi_only").
_STABLE_PRIVATE = frozenset(
    """
    _PyArg_ParseTupleAndKeywords_SizeT _PyArg_ParseTuple_SizeT _PyArg_Parse_SizeT
    _PyArg_VaParseTupleAndKeywords_SizeT _PyArg_VaParse_SizeT _PyErr_BadInternalCall _PyObject_CallFunction_SizeT
    _PyObject_CallMethod_SizeT _PyObject_GC_Malloc _PyObject_GC_New _PyObject_GC_NewVar _PyObject_GC_Resize
    _PyObject_New _PyObject_NewVar _PyState_AddModule _PyThreadState_Init _PyThreadState_Prealloc _PyTrash_delete_later
    _PyTrash_delete_nesting _PyTrash_deposit_object _PyTrash_destroy_chain _PyTrash_thread_deposit_object
    _PyTrash_thread_destroy_chain _PyWeakref_CallableProxyType _PyWeakref_ProxyType _PyWeakref_RefType
    _Py_BuildValue_SizeT _Py_CheckRecursionLimit _Py_CheckRecursiveCall _Py_Dealloc _Py_DecRef _Py_EllipsisObject
    _Py_FalseStruct _Py_IncRef _Py_NegativeRefcount _Py_NoneStruct _Py_NotImplementedStruct _Py_RefTotal
    _Py_SetRefcnt _Py_SwappedOp _Py_TrueStruct _Py_VaBuildValue_SizeT
    """.split()
)


def module_name(name: str) -> str | None:
    """The last part of the module's name, as ``PyInit_`` takes it; None for names that it would encode."""
    stem = name.partition(".")[0]
    return stem if stem.isascii() and name.endswith(".so") else None


def read(file: PluginFile) -> Iterator[KindFact]:
    """The tag in the file's name, and what it says."""
    tag = FILE_NAME.fullmatch(file.name)
    if tag is None:
        yield fact("tag", "none: any Python takes the file")
        return
    yield fact("tag", tag["tag"])
    match = _CPYTHON.fullmatch(tag["tag"])
    if match:
        flags = "".join(f", {_FLAGS[flag]}" for flag in match["flags"])
        yield fact("for", f"CPython {match['major']}.{match['minor']}{flags}")
    elif tag["tag"].startswith("abi3"):
        yield fact("for", "CPython 3, any release from the one it was made for on (stable ABI)")


def judge(file: PluginFile) -> Iterator[KindProblem]:
    """Whether the tag fits the file."""
    tag = FILE_NAME.fullmatch(file.name)
    if tag is None:
        return
    if tag["tag"].startswith("abi3"):
        yield from _beyond_the_stable_abi(file)
        return
    match = _CPYTHON.fullmatch(tag["tag"])
    if match is None:
        return
    header = file.elf.image.header
    promised = _MACHINES.get((match["platform"] or "").partition("-")[0])
    if promised and promised != (header.machine, header.elf_class):
        yield KindProblem(
            kind="python",
            summary=f"the tag {tag['tag']} is for {promised[0].name}, the file for {header.machine.name}",
            refused=True,
            fix="build it on, or for, the machine that the tag names",
        )
    for library in file.needed:
        linked = _LIBPYTHON.fullmatch(library)
        if linked and linked["version"] != f"{match['major']}.{match['minor']}":
            yield KindProblem(
                kind="python",
                summary=f"the tag {tag['tag']} is for Python {match['major']}.{match['minor']}, the file is linked"
                f" with {library}",
                refused=False,
                fix="build it with the Python that is to import it",
            )


def _beyond_the_stable_abi(file: PluginFile) -> Iterator[KindProblem]:
    table = file.elf.dynamic_symbols
    private = (s.name for s in table.starting_with("_Py") if not s.defined) if table else ()
    foreign = sorted(name for name in private if name not in _STABLE_PRIVATE)
    if foreign:
        yield KindProblem(
            kind="python",
            summary=f"named abi3, but imports what is not in the stable ABI: {', '.join(foreign)}",
            refused=False,
            fix="build it with -DPy_LIMITED_API=0x03080000 (the oldest Python to serve), or name it for one Python",
        )
