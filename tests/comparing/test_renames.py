"""Renamed symbols are recognised by their pattern, whatever their number, and nothing is called renamed that is not."""

from __future__ import annotations

import pytest

from soinspect.comparing.renames import DUAL_ABI, INLINE_NAMESPACE, RENAMED, Renames, Renaming
from soinspect.model.constants import SymbolBinding, SymbolType, SymbolVisibility
from soinspect.model.symbol import Symbol


def symbol(name: str, size: int = 0) -> Symbol:
    return Symbol(
        name=name,
        version=None,
        default_version=False,
        value=0x1000,
        size=size,
        type=SymbolType.FUNC,
        binding=SymbolBinding.GLOBAL,
        visibility=SymbolVisibility.DEFAULT,
        section=".text",
    )


def renames(old: list[str], new: list[str]) -> Renames:
    return Renames(map(symbol, old), map(symbol, new), lambda _old, _new: True)


def names(group: Renaming) -> set[tuple[str, str]]:
    return {(old.name, new.name) for old, new in group.pairs}


ROUTINES = [f"{kind}{what}{number}" for kind in "sdcz" for what in ("gemm", "axpy", "dot") for number in range(420)]


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        ("{}64_", "suffix 64_ added"),
        ("scipy_{}", "prefix scipy_ added"),
        ("scipy_{}64_", "prefix scipy_ added, suffix 64_ added"),
    ],
)
def test_five_thousand_symbols_with_a_prefix_or_suffix_are_one_group(pattern: str, how: str) -> None:
    found = renames(ROUTINES, [pattern.format(name) for name in ROUTINES])
    (group,) = found.groups
    assert (group.rule, group.how, len(group.pairs)) == (RENAMED, how, len(ROUTINES))
    assert names(group) == {(name, pattern.format(name)) for name in ROUTINES}
    assert (found.removed, found.added) == ((), ())


def test_what_the_pattern_does_not_explain_stays_removed_and_added() -> None:
    found = renames([*ROUTINES, "xerbla_handler"], [*(f"new_{it}" for it in ROUTINES), "another_thing_altogether"])
    assert [it.name for it in found.removed] == ["xerbla_handler"]
    assert [it.name for it in found.added] == ["another_thing_altogether"]


def test_numbered_names_of_two_releases() -> None:
    functions = ["ucnv_open", "ucnv_close", "u_strlen", "ubrk_next"]
    (group,) = renames([f"{it}_70" for it in functions], [f"{it}_72" for it in functions]).groups
    assert names(group) == {(f"{it}_70", f"{it}_72") for it in functions}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "_ZN4core3fmt5Write9write_fmt17hfedcba9876543210E"),
        ("_RNvCs1234_7mycrate3foo", "_RNvCs5678_7mycrate3foo"),
        ("helper.llvm.1234567890", "helper.llvm.9876543210"),
        ("resolve_1a2b3c4d", "resolve_98765432"),
    ],
)
def test_another_hash_is_another_name_of_the_same(old: str, new: str) -> None:
    (group,) = renames([old], [new]).groups
    assert (group.rule, group.how) == (RENAMED, "another hash in the name")


def test_symbols_that_differ_by_hash_only_are_paired_by_number() -> None:
    base = "_ZN4core3fmt5Write9write_fmt17h{:016x}E"
    found = renames([base.format(n) for n in range(5)], [base.format(n) for n in range(10, 13)])
    assert [len(group.pairs) for group in found.groups] == [3]
    assert len(found.removed) == 2


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("_ZN3lib2v14openEPNS0_6HandleE", "_ZN3lib2v24openEPNS0_6HandleE", INLINE_NAMESPACE),
        ("_ZN3lib4openEi", "_ZN3lib3__14openEi", INLINE_NAMESPACE),
        ("_ZN3lib4openEi", "_ZN5other4openEi", RENAMED),
        ("_ZN3lib5outer4openEi", "_ZN3lib5inner4openEi", RENAMED),
        ("_ZTIN3lib2v15ErrorE", "_ZTIN3lib2v25ErrorE", INLINE_NAMESPACE),
        ("_Z6lengthRKSs", "_Z6lengthRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", DUAL_ABI),
        ("_Z5printNSt7__cxx114listIiSaIiEEE", "_Z5printSt4listIiSaIiEE", DUAL_ABI),
        ("_Z5printi", "_Z5printl", RENAMED),
    ],
)
def test_cxx_names_by_what_the_programmer_changed(old: str, new: str, rule: str) -> None:
    (group,) = renames([old], [new]).groups
    assert (group.rule, names(group)) == (rule, {(old, new)})


def test_a_single_symbol_needs_a_like_name_the_same_size_and_prototype() -> None:
    def groups(old: Symbol, new: Symbol, *, same_prototype: bool = True) -> int:
        return len(Renames([old], [new], lambda _old, _new: same_prototype).groups)

    assert groups(symbol("_PyThreadState_UncheckedGet", 28), symbol("PyThreadState_GetUnchecked", 28)) == 1
    assert groups(symbol("_PyThreadState_UncheckedGet", 28), symbol("PyThreadState_GetUnchecked", 29)) == 0
    assert groups(symbol("Interpreter_GetConfig", 8), symbol("Interpreter_GetWhence", 8), same_prototype=False) == 0
    assert groups(symbol("connect_to_server", 28), symbol("compute_checksum", 28)) == 0


def test_hostile_names_cost_little() -> None:
    # Many names that all contain each other, or consist of what regular expressions are slow with.
    old = ["a" * n for n in range(1, 400)] + ["::" * n for n in range(1, 200)]
    new = ["b" + "a" * n for n in range(1, 400)] + ["_Z" + "N" * n for n in range(1, 200)]
    found = renames(old, new)
    assert sum(len(group.pairs) for group in found.groups) + len(found.removed) == len(old)


def test_names_too_long_or_too_many_to_compare_each_with_each_are_left_alone() -> None:
    """Telling how alike these are would take hours."""
    for old, new in (
        [["a" * 100_000 + "x"], ["b" + "a" * 100_000]],
        [[f"old{n:0500}!" for n in range(500)], [f"?{n + 500:0500}new" for n in range(500)]],
    ):
        found = Renames((symbol(name, 4) for name in old), (symbol(name, 4) for name in new), lambda _old, _new: False)
        assert (found.groups, len(found.removed)) == ((), len(old))
