"""Known and accepted findings: what they take away, when they end, and what is said of those that match nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conftest import Compile, Soinspect
from soinspect import api
from soinspect.comparing.suppress import parse_suppressions
from soinspect.errors import UsageError
from soinspect.model.finding import Suppression


def test_accepted_findings_do_not_count(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    old = cc("int kept, private_one, private_two, public;", name="old.so")
    new = cc("int kept;", name="new.so")
    accepted = tmp_path / "accepted.toml"
    accepted.write_text(
        '[[suppress]]\nrule = "elf.symbol-removed"\nsubject = "private_*"\nreason = "never documented"\n'
        '[[suppress]]\nrule = "elf.*"\nsubject = "public"\nreason = "old news"\nexpires = 2020-01-01\n'
        '[[suppress]]\nrule = "go.*"\nreason = "no Go here"\n'
    )
    run = soinspect("diff", old, new, "--suppress", accepted)
    assert run.code == 1
    assert "1 breaking" in run.out.splitlines()[0]
    assert "elf.symbol-removed  public" in run.out
    assert run.out.count("(never documented)") == 2
    assert "expired on 2020-01-01: elf.* public (old news)" in run.out
    assert "matches nothing: go.* * (no Go here)" in run.out
    accepted.write_text('[[suppress]]\nrule = "elf.symbol-removed"\nreason = "a new major version"\n')
    run = soinspect("diff", old, new, "--suppress", accepted)
    assert run.code == 0
    assert run.out.splitlines()[0] == (
        f"{old} -> {new}: compatible as far as symbols tell: no difference in what others rely on; "
        "types not compared: no debug information in either file"
    )


def test_a_suppression_as_it_is_read() -> None:
    (one,) = parse_suppressions('[[suppress]]\nrule = "a"\nreason = "b"\nexpires = 2027-01-31', "x.toml")
    assert (one.rule, one.subject, one.reason, one.expires) == ("a", "*", "b", date(2027, 1, 31))
    assert parse_suppressions("", "x.toml") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[suppress", "not TOML"),
        ("suppress = 1", r"write \[\[suppress\]\]"),
        ("suppress = [1]", "not a table"),
        ('[[suppress]]\nrule = "a"', "say why"),
        ('[[suppress]]\nreason = "a"', "rule must be there"),
        ('[[suppress]]\nrule = "a"\nreason = "b"\nuntil = 1', "unknown key until; known are rule, subject"),
        ('[[suppress]]\nrule = "a"\nreason = "b"\nsubjct = "c"', r"unknown key subjct; did you mean subject\?"),
        ('[[supress]]\nrule = "a"\nreason = "b"', r"unknown key supress; did you mean suppress\?"),
        ('rule = "a"\nreason = "b"', "unknown key rule; known are suppress"),
        ('[[suppress]]\nrule = "a"\nreason = "b"\nexpires = "soon"', "must be a date"),
        ('[[suppress]]\nrule = "a"\nreason = "b"\nexpires = 2027-01-31T00:00:00', "must be a date"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^x.toml.*{message}"):
        parse_suppressions(text, "x.toml")


def test_a_rule_that_is_misspelt_is_told(cc: Compile) -> None:
    old, new = (cc(text, name=name) for text, name in (("int kept, gone;", "old.so"), ("int kept;", "new.so")))
    accepted = [Suppression(rule=rule, subject="*", reason="known") for rule in ("elf.symbl-removed", "go.*", "zzz")]
    assert api.compare(old, new, suppressions=tuple(accepted)).remarks == (
        "matches nothing: elf.symbl-removed * (known); there is no such rule, did you mean elf.symbol-removed?",
        "matches nothing: go.* * (known)",
        "matches nothing: zzz * (known); there is no such rule",
    )


def test_a_file_that_cannot_be_read(cc: Compile, tmp_path: Path, soinspect: Soinspect) -> None:
    library = cc("int kept;")
    run = soinspect("diff", library, library, "--suppress", tmp_path / "missing.toml")
    assert (run.code, run.err) == (2, f"soinspect: {tmp_path / 'missing.toml'}: no such file\n")
