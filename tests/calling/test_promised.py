"""Prototypes that the names of entry points promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import soinspect
from soinspect.calling.promised import promised_prototype
from soinspect.kinds.catalogue import KINDS, convention_of

if TYPE_CHECKING:
    from conftest import Compile

pytestmark = pytest.mark.usefixtures("no_left_over_process")
_MODULE = "int pam_sm_authenticate(void *handle, {} flags, int argc, const char **argv) {{ return flags + argc; }}"


def test_a_stripped_plugin_is_called_as_its_host_does(cc: Compile) -> None:
    library = str(cc(_MODULE.format("int")))
    result = soinspect.call(library, "pam_sm_authenticate(null, 3, 4, null)", "pam_sm_authenticate")
    typed, untyped = result.steps
    assert typed.value == "7"
    prototype = "int pam_sm_authenticate(pam_handle_t *, int, int, const char **)"
    assert typed.detail.startswith(f"{prototype} (from the convention of PAM)")
    assert f"not called as the convention of PAM has it: {prototype}" in untyped.detail


def test_a_plugin_that_its_host_calls_otherwise_is_a_finding(cc: Compile) -> None:
    step = "pam_sm_authenticate(null, 3, 4, null)"
    (result,) = soinspect.call(str(cc(_MODULE.format("int"), "-g")), step).steps
    assert "disagree" not in result.detail
    (result,) = soinspect.call(str(cc(_MODULE.format("long"), "-g", name="other.so")), step).steps
    differing = "the prototypes disagree: parameter 2 is long int in DWARF, int in the convention of PAM"
    assert differing in result.detail


def test_a_name_may_be_that_of_an_entry_point_by_chance(cc: Compile) -> None:
    (result,) = soinspect.call(str(cc("int boot_x(int a) { return a + 1; }", "-g")), "boot_x(3)").steps
    assert (result.value, "disagree" in result.detail) == ("4", False)


def test_most_conventions_are_prototypes() -> None:
    entries = [it for rule in KINDS for it in rule.entry_points if not it.variable]
    names = [name for it in entries if convention_of(name := it.pattern.replace("*", "x"))]
    told = [name for name in names if promised_prototype(name)]
    assert len(told) > 100
    assert {"PyInit_x", "sqlite3_x_init", "JNI_OnLoad", "C_GetFunctionList", "vk_icdGetInstanceProcAddr"} <= {*told}
    assert promised_prototype("qt_plugin_query_metadata_v2") is None  # a structure of C++ by value
    assert promised_prototype("openvpn_plugin_open_v2") is None  # its parameters are not all listed
