"""The parts of a demangled C++ name."""

from __future__ import annotations

import pytest

from soinspect.demangle.cxxname import read_function
from soinspect.demangle.scheme import demangle


@pytest.mark.parametrize(
    ("name", "result", "scopes", "own", "parameters", "qualifiers"),
    [
        ("_ZN2ns3addEdd", "", ("ns",), "add", ("double", "double"), ""),
        ("_Z3fooiz", "", (), "foo", ("int", "..."), ""),
        ("_ZN2ns2twIiEET_S1_", "int", ("ns",), "tw<int>", ("int",), ""),
        ("_ZNK2ns1A3getEv", "", ("ns", "A"), "get", (), "const"),
        ("_ZNKR1A1fEv", "", ("A",), "f", (), "const &"),
        ("_ZN2ns1AcvPKcEv", "", ("ns", "A"), "operator char const*", (), ""),
        ("_ZN2ns1AclEi", "", ("ns", "A"), "operator()", ("int",), ""),
        ("_ZN1AssERKS_", "", ("A",), "operator<=>", ("A const&",), ""),
        ("_Znwm", "", (), "operator new", ("unsigned long",), ""),
        ("_Zli2_kmx", "", (), 'operator"" _k', ("unsigned long", "long long"), ""),
        ("_ZlsIiEvT_", "void", (), "operator<<<int>", ("int",), ""),
        ("_ZN1AltIiEEvT_", "void", ("A",), "operator<<int>", ("int",), ""),
        ("_ZN1AptIiEEvv", "void", ("A",), "operator-><int>", (), ""),
        ("_Z1fIXgtLi3ELi2EEEvi", "void", (), "f<(3 > 2)>", ("int",), ""),
        ("_Z1fIXltLi3ELi2EEEvi", "void", (), "f<3 < 2>", ("int",), ""),
        ("_Z1fIXadL_ZltiiEEEvi", "void", (), "f<&operator<(int, int)>", ("int",), ""),
        ("_Z1fIiEDTptfp_1xET_", "decltype(fp->x)", (), "f<int>", ("int",), ""),
        ("_ZN12_GLOBAL__N_13fooEi", "", ("(anonymous namespace)",), "foo", ("int",), ""),
        ("_ZZ4mainENKUlvE_clEv", "", ("main", "'lambda'()"), "operator()", (), "const"),
        ("_Z3fooPFiPFvcEE", "", (), "foo", ("int (*)(void (*)(char))",), ""),
        ("_Z3fooRA3_i", "", (), "foo", ("int (&) [3]",), ""),
        ("_Z1fB5cxx11v", "", (), "f[abi:cxx11]", (), ""),
    ],
)
def test_parts(
    name: str, result: str, scopes: tuple[str, ...], own: str, parameters: tuple[str, ...], qualifiers: str
) -> None:
    function = read_function(demangle(name))
    assert function is not None
    assert (function.result, function.scopes, function.name) == (result, scopes, own)
    assert (function.parameters, function.qualifiers) == (parameters, qualifiers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ns::variable",
        "vtable for ns::A",
        demangle("_ZThn16_N1A1fEv"),
        demangle("_Z3barIiEPFvdET_"),  # returns a pointer to a function
        "f(int) (.cold)",
        "f(int",
        "f)(",
        "f(int]",
        "(int)",
        "<" * 1000,
    ],
)
def test_what_is_no_plain_function(text: str) -> None:
    assert read_function(text) is None
