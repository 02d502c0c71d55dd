"""Names of C++ and Rust: what rustc made before its second scheme against c++filt, and names made to do harm."""

from __future__ import annotations

import re
import subprocess

import pytest

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
