"""Names of C++ and Rust: what rustc made before its second scheme against c++filt, and names made to do harm."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from conftest import Compile
from soinspect.demangle.scheme import Demangled, demangle

_LEGACY = (
    "_ZN4demo6plugin3run17h0123456789abcdefE",
    "_ZN49_$LT$demo..Plugin$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE",
    "_ZN4demo28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
    "_ZN5alloc7raw_vec20RawVecInner$LT$A$GT$11finish_grow17he3dcbfe2c07eb110E",
    "_ZN4core3ptr46drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$17h00112233445566ffE",
    "_ZN37_$LT$$RF$T$u20$as$u20$demo..Clone$GT$5clone17habcdefabcdefabcdE",
    "_ZN4demo31_$LT$impl$u20$$LP$A$C$B$RP$$GT$1f17h0123456789abcdefE",
)


def test_legacy_rust_names_are_those_of_cxxfilt_without_the_hash() -> None:
    done = subprocess.run(["c++filt"], input="\n".join(_LEGACY), capture_output=True, text=True, check=True)
    theirs = [re.sub("::h[0-9a-f]{16}$", "", line) for line in done.stdout.splitlines()]
    assert [*Demangled(_LEGACY)] == theirs
    assert not [text for text in theirs if "$" in text or text.startswith("_Z")]


def test_what_compilers_add_to_a_name() -> None:
    assert demangle("_ZN4demo1x17h0123456789abcdefE.llvm.1234567890") == "demo::x"
    assert demangle("_ZN4demo1xEv.cold") == "demo::x() (.cold)"
    assert demangle("___Z3foov_block_invoke") == "invocation function for block in foo()"


@pytest.mark.parametrize("name", ["_Z", "_R", "_Zebra", "_Run", "_ZN4demo", "main", "", "_Z3f\xf6ov"])
def test_what_only_looks_mangled_stays(name: str) -> None:
    assert demangle(name) == name


def test_escapes_that_are_no_character_stay() -> None:
    assert demangle("_ZN12demo$ud800$$1x17h0123456789abcdefE") == "demo$ud800$$::x"
    assert demangle("_ZN8demo$u7$1x17h0123456789abcdefE") == "demo$u7$::x"


@pytest.mark.parametrize("name", ["_Z1f" + "P" * 300_000 + "i", "_Z" + "1fI" * 100_000 + "i" + "E" * 100_000])
def test_a_name_nested_deeper_than_the_stack_stays(name: str) -> None:
    assert demangle(name) == name


def _pairs_of_pairs(levels: int) -> str:
    """A function that takes ``P<A, A>``, or from there on a P of two of what there was, so many times."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "_Z1f1A1PIS_S_E" + "".join(f"S0_IS{digit}_S{digit}_E" for digit in digits[1 : levels + 1])


def test_names_that_would_expand_without_bound_stay_as_they_are() -> None:
    assert demangle(_pairs_of_pairs(1)) == "f(A, P<A, A>, P<P<A, A>, P<A, A>>)"
    assert len(demangle(_pairs_of_pairs(8))) > 4000
    for levels in (20, 30, 35):
        assert demangle(_pairs_of_pairs(levels)) == _pairs_of_pairs(levels)
    one_reference_each = (
        "_Z1f" + "1PI" * 40 + "1A" + "".join(f"S{d}_E" for d in ("", *"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    )
    assert demangle(one_reference_each) == one_reference_each
    rust = "_RINvC1a1f" + "".join(f"TB{d}_B{d}_E" for d in "abcdefghijklmnopqrstuvwxyzABCDEF") + "E"
    assert demangle(rust) == rust
    many = [f"{_pairs_of_pairs(11)}{letter}" for letter in "abcdefhijlmnstvwxyz"] * 100
    read = [text for text in Demangled(many) if not text.startswith("_Z")]
    assert 100 < len(read) < len(many) / 2
    assert sum(map(len, read)) < 32 << 20


def test_names_with_many_references_are_readable(cc: Compile, tmp_path: Path) -> None:
    source = "#include <map>\n#include <string>\n#include <vector>\n"
    source += "using M = std::map<std::string, std::vector<std::map<std::string, std::string>>>;\n"
    source += "void f(M a, std::map<M, M> b, std::vector<std::map<M, std::map<M, M>>> c) {}"
    file = tmp_path / "maps.cpp"
    file.write_text(source)
    library = cc(file)
    names = subprocess.run(["nm", "-D", "--format=just-symbols", library], capture_output=True, text=True, check=True)
    (mangled,) = (name for name in names.stdout.split() if name.startswith("_Z1f"))
    assert mangled.count("_") > 16
    assert demangle(mangled).startswith("f(std::map<std::")
