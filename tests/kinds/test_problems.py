"""What hosts will not like: files that are named wrong, entry points that are hidden, halves of things."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Compile, Soinspect
from soinspect import api
from soinspect.kinds.catalogue import convention_of
from soinspect.model.pluginkind import KindProblem

SPAM = "int PyInit_spam(void) { return 0; }"
TAG = "cpython-311-x86_64-linux-gnu"


def problems(path: Path) -> list[KindProblem]:
    return [problem for kind in api.plugin_kinds(str(path)) for problem in kind.problems]


@pytest.mark.parametrize(
    ("source", "name", "summary"),
    [
        (SPAM, f"eggs.{TAG}.so",
         f"PyInit_eggs is missing: the file is named eggs.{TAG}.so; it exports PyInit_spam"),
        (SPAM, "spam.cpython-311-aarch64-linux-gnu.so",
         "the tag cpython-311-aarch64-linux-gnu is for AARCH64, the file for X86_64"),
        ("int initspam(void) { return 0; }", f"spam.{TAG}.so",
         f"PyInit_spam is missing: the file is named spam.{TAG}.so"),
        ("int Init_b(void) { return rb_define_module(); }", "a.so",
         "Init_a is missing: the file is named a.so; it exports Init_b"),
        ("int luaopen_a_b(void) { return 0; }", "c.so",
         "luaopen_c is missing: the file is named c.so; it exports luaopen_a_b"),
        ("int gst_plugin_ogg_get_desc(void) { return other(); }", "libgsta.so",
         "gst_plugin_a_get_desc is missing: the file is named libgsta.so; it exports gst_plugin_ogg_get_desc"),
        ("int _nss_a_getpwnam_r(void) { return 0; }", "libnss_b.so.2",
         "_nss_b is missing: the file is named libnss_b.so.2; it exports _nss_a_getpwnam_r"),
        ("int pam_sm_authenticate(void) { return 0; }", "pam_a.so", "auth: pam_sm_setcred is missing"),
        ("int plugin_init(void) { return register_callback(); }", "a.so",
         "plugin_is_GPL_compatible is missing: GCC looks for it"),
        ("int emacs_module_init(void) { return 0; } int plugin_is_GPL_compatible(void) { return 0; }", "a.so",
         "plugin_is_GPL_compatible is a function, not a variable: Emacs expects int"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(source: str, name: str, summary: str, cc: Compile) -> None:
    (problem,) = problems(cc(source, "-w", name=name))
    assert problem.summary == summary


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (SPAM, "spam.so"),
        (SPAM, "spam.abi3.so"),
        (SPAM + "int PyInit_eggs(void) { return 0; }", "eggs.so"),
        ("int luaopen_socket_core(void) { return 0; }", "core.so"),
        ("int luaopen_core(void) { return 0; }", "v2-core.so"),
        ("int luaopen_cjson(void) { return 0; }", "liblua5.1-cjson.so.0"),
        ("int boot_A__B(void) { return Perl_croak(); }", "B.so"),
        ("int sqlite3_extension_init(void) { return 0; }", "libanything2.so"),
        ("int sqlite3_modspatialite_init(void) { return 0; }", "mod_spatialite.so.7"),
        ("int _nss_my_service_getpwnam_r(void) { return 0; }", "libnss_my_service.so.2"),
    ],
)
def test_what_fits_is_no_problem(source: str, name: str, cc: Compile) -> None:
    path = cc(source, "-w", name=name)
    assert len(api.plugin_kinds(str(path))) == 1
    assert problems(path) == []


def test_the_fix_says_where_the_entry_point_went(cc: Compile, tmp_path: Path) -> None:
    source = tmp_path / "spam.cpp"
    source.write_text("int PyInit_spam() { return 0; }")
    (problem,) = problems(cc(source, name=f"spam.{TAG}.so"))
    assert problem.fix == 'declare it extern "C": it is exported as _Z11PyInit_spamv'
    hidden = f'__attribute__((visibility("hidden"))) {SPAM}'
    (problem,) = problems(cc(hidden, name=f"spam.{TAG}.so"))
    assert problem.fix.endswith("PyInit_spam is defined, but local")


def test_the_stable_abi(cc: Compile) -> None:
    """_Py_NoneStruct belongs to it, _PyObject_GetDictPtr does not."""
    both = "extern int _Py_NoneStruct, _PyObject_GetDictPtr; int PyInit_a(void) { return _Py_NoneStruct"
    assert problems(cc(both + "; }", name="a.abi3.so")) == []
    (problem,) = problems(cc(both + " + _PyObject_GetDictPtr; }", name="a.abi3.so"))
    assert problem.summary == "named abi3, but imports what is not in the stable ABI: _PyObject_GetDictPtr"
    assert not problem.refused


def test_falco_capabilities_are_whole_or_not_there(cc: Compile) -> None:
    base = "required_api_version version name description contact last_error"
    source = "".join(f"int plugin_get_{name}(void) {{ return 0; }}" for name in base.split())
    source += "int plugin_init(void) { return 0; } int plugin_destroy(void) { return 0; }"
    (problem,) = problems(cc(source, name="a.so"))
    assert problem.summary == "it has no capability: no group of functions is complete"
    half, none = problems(cc(source + "int plugin_get_fields(void) { return 0; }", name="b.so"))
    assert half.summary == "field extraction is incomplete: plugin_extract_fields missing"
    assert none.refused


@pytest.mark.parametrize(
    "source",
    [
        "int core_module, toyModuleData[8], my_policy[4] = {9, 9};",  # structures of something else
        "int Init_b(void) { return 0; }",  # imports nothing of Ruby's
        "int a_Init(void) { return 0; }",  # nor of Tcl's
        "int luaopen_string(void) { return 0; } int lua_newstate(void) { return 0; }",  # Lua itself
        "int PyInit_sys(void) { return 0; } int Py_BytesMain(void) { return 0; }",  # Python itself
        "int get_module;",  # a variable
        "int plugin_init(void) { return 0; }",  # everybody's name
        "static int RedisModule_OnLoad(void) { return 0; } int f(void) { return RedisModule_OnLoad(); }",
        "int RedisModule_OnLoad(void); int f(void) { return RedisModule_OnLoad(); }",
    ],
)
def test_a_name_alone_proves_nothing(source: str, cc: Compile) -> None:
    assert api.plugin_kinds(str(cc(source, "-w", name="liba.so"))) == ()


def test_a_program_is_no_plugin(tmp_path: Path) -> None:
    source, program = tmp_path / "spam.c", tmp_path / "spam"
    source.write_text(SPAM + "int main(void) { return 0; }")
    subprocess.run(["gcc", "-rdynamic", "-o", program, source], check=True)
    assert api.plugin_kinds(str(program)) == ()


def test_the_page_and_its_json(cc: Compile, soinspect: Soinspect) -> None:
    plugin = cc(SPAM, name=f"eggs.{TAG}.so")
    page = soinspect("info", plugin)
    assert page.code == 0
    assert page.out.startswith(f"{plugin}: shared library (Python extension module), x86-64; 1 exported symbol, ")
    assert page.out.split("\n")[0].endswith("; its host will refuse it")
    assert "plugin for  Python: it exports PyInit_spam\n" in page.out
    assert "              refused: PyInit_eggs is missing: the file is named " in page.out
    (facts,) = soinspect("info", plugin, "--format", "json").json["files"]
    (kind,) = facts["plugin_kinds"]
    assert kind["id"] == "python"
    assert kind["facts"] == [{"name": "tag", "value": TAG}, {"name": "for", "value": "CPython 3.11"}]
    assert kind["problems"][0]["refused"] is True


def test_conventions_by_name_alone() -> None:
    convention = convention_of("PyInit_spam")
    assert convention is not None
    assert (convention.host, convention.callable, convention.uses_python) == ("Python", True, True)
    shared = convention_of("plugin_init")
    assert shared is not None
    assert shared.host == "Falco, GCC, nbdkit"
    assert shared.prototype == "differs between hosts"
    assert not shared.callable
    assert (
        convention_of("go:link.pkghashbytes.fmt")
        is convention_of("init")
        is convention_of("my_module")
        is convention_of("PyInit")
        is None
    )
