"""``soinspect diff --format markdown|sarif|github|junit``, on real differences and on hostile names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from comparisons import HOSTILE, RULES, comparison, finding
from conftest import FIXTURES, Soinspect
from soinspect.model.finding import Comparison, Severity
from soinspect.render.diff import diff_lines
from soinspect.render.github import github
from soinspect.render.junit import junit
from soinspect.render.markdown import markdown
from soinspect.render.sarif import sarif

MANY = comparison(*(finding(rule.id, f"symbol{n}", severity=Severity.RISKY) for rule in RULES for n in range(30)))
WORST = comparison(
    *(finding(rule.id, "|" * 5000, before="`|" * 999, after="|" * 999, evidence="`" * 999) for rule in RULES),
    *(replace(finding(RULES[0].id, "t"), layout=("- `" + "x" * 999,) * 999) for _ in range(50)),
    agreements=("|" * 9999,),
)


def results(made: Comparison) -> Any:
    return json.loads(sarif(made, RULES))["runs"][0]["results"]


def test_markdown_has_the_verdict_a_table_and_the_fixes_folded() -> None:
    lines = markdown(comparison(finding("elf.symbol-removed", "f", before="FUNC")), RULES).splitlines()
    assert lines[0] == "### Breaks users of the old file: 1 breaking"
    assert lines[2] == "`old.so` → `new.so`"
    assert "| breaking | elf.symbol-removed | `f` | `FUNC` |  |" in lines
    assert "<details><summary>How to fix it</summary>" in lines
    assert any("Fix: Export the name again" in line for line in lines)


def test_markdown_leaves_names_in_code_spans() -> None:
    lines = markdown(comparison(finding("elf.symbol-removed", "a|b ``c`` @lead\n# x")), RULES).splitlines()
    row = next(line for line in lines if line.startswith("| breaking"))
    assert row == r"| breaking | elf.symbol-removed | ``` a\|b ``c`` @lead\n# x ``` |  |  |"


def test_markdown_shows_a_command_that_fixes_it_as_code() -> None:
    built = replace(finding("go.pkghash-changed", "runtime"), fix="go build -o '`a`|b.so' .")
    text = markdown(comparison(built), RULES)
    assert " Fix: `` go build -o '`a`|b.so' . `` [Reference](https://go.dev/src/runtime/plugin.go)\n" in text


def test_links_in_markdown_work_wherever_it_is_shown() -> None:
    links = re.findall(r"\]\(([^)]*)\)", markdown(MANY, RULES))
    assert len(links) == len(RULES)
    assert all(link.startswith("https://") for link in links)


@pytest.mark.parametrize("made", [MANY, WORST])
def test_markdown_fits_a_comment(made: Comparison) -> None:
    text = markdown(made, RULES)
    assert len(text) < 65_536
    assert re.search(r"^… and [0-9,]+ more findings\.$", text, re.MULTILINE)


def test_markdown_shows_some_findings_of_every_rule() -> None:
    removed = [finding("elf.symbol-removed", f"f{n}") for n in range(100)]
    text = markdown(comparison(*removed, finding("elf.soname-changed", "SONAME")), RULES)
    assert text.count("| breaking | elf.symbol-removed |") == 3
    assert "| breaking | elf.soname-changed | `SONAME` |" in text
    assert "… and 97 more findings." in text


def test_sarif_tells_what_each_rule_means() -> None:
    log = json.loads(sarif(comparison(), RULES))
    assert log["version"] == "2.1.0"
    assert len(log["runs"]) == 1
    driver = log["runs"][0]["tool"]["driver"]
    assert driver["name"] == "soinspect"
    for rule, told in zip(RULES, driver["rules"], strict=True):
        assert told["id"] == rule.id
        assert told["helpUri"] == rule.reference
        assert rule.fix in told["help"]["text"].replace("{{", "{").replace("}}", "}")


def test_every_sarif_result_has_a_level_a_rule_a_place_and_a_fingerprint() -> None:
    found = [finding("elf.symbol-removed", name, severity=level) for level in Severity for name in ("f", "f", "g")]
    made = comparison(*found)
    told = results(made)
    assert [r["level"] for r in told] == ["error"] * 3 + ["warning"] * 3 + ["note"] * 6
    for result in told:
        assert RULES[result["ruleIndex"]].id == result["ruleId"] == "elf.symbol-removed"
        assert result["message"]["text"]
        assert result["locations"] == [
            {"physicalLocation": {"artifactLocation": {"uri": "new.so"}, "region": {"startLine": 1}}}
        ]
    prints = [r["partialFingerprints"]["ruleAndSubject/v1"] for r in told]
    assert len(set(prints)) == len(prints)
    later = comparison(finding("elf.symbol-removed", "g"), replace(found[0], before="other"))
    assert [r["partialFingerprints"]["ruleAndSubject/v1"] for r in results(later)] == [prints[2], prints[0]]


@pytest.mark.parametrize(
    ("path", "uri"),
    [("lib/a b%.so", "lib/a%20b%25.so"), ("/opt/é.so", "file:///opt/%C3%A9.so"), ("x:\udcff.so", "x%3A%FF.so")],
)
def test_sarif_paths_are_uris(path: str, uri: str) -> None:
    (result,) = results(replace(comparison(finding("elf.symbol-removed", "f")), new=path))
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_sarif_messages_hold_no_placeholder_and_no_link() -> None:
    (result,) = results(comparison(finding("elf.symbol-removed", "f{0}[x](http://evil)")))
    assert result["message"]["text"] == r"f{{0}}\[x\](http://evil)"


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The workflow commands of an output as a runner reads them, with their escapes undone."""
    first, *lines = text.splitlines()
    assert first.startswith("soinspect: ")
    found = []
    for line in lines:
        match = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
        assert match, line
        fields = dict(part.split("=", 1) for part in match[2].split(","))
        found.append((match[1], {key: unquote(value) for key, value in fields.items()}, unquote(match[3])))
    return found


def test_github_folds_the_findings_of_a_rule() -> None:
    names = [finding("elf.symbol-removed", f"f{n}", before="50% FUNC") for n in range(12)]
    (command,) = commands(github(comparison(*names), RULES))
    level, fields, message = command
    assert (level, fields) == ("error", {"file": "new.so", "title": "An exported symbol is gone (elf.symbol-removed)"})
    assert "\nf0: - 50% FUNC\n" in message
    assert "\nand 2 more\nFix: " in message


def test_github_shows_at_most_ten_annotations_and_counts_the_rest() -> None:
    told = commands(github(MANY, RULES))
    assert len(told) == 10
    rest = len(RULES) - 9
    assert told[-1][2] == f"{rest * 30:,} findings of {rest} other rules left out"
    ten = comparison(*(finding(rule.id, "f") for rule in RULES[:10]))
    assert [level for level, _, _ in commands(github(ten, RULES))] == ["error"] * 10


@pytest.mark.parametrize("name", HOSTILE)
def test_github_obeys_no_name(name: str) -> None:
    made = replace(comparison(finding("elf.symbol-removed", name, evidence=name)), new=name)
    (command,) = commands(github(made, RULES))
    assert set(command[1]) == {"file", "title"}


def test_junit_has_a_case_for_each_rule_and_fails_what_breaks() -> None:
    made = comparison(
        finding("elf.symbol-removed", "f", before="FUNC"),
        finding("elf.symbol-removed", "g"),
        finding("elf.symbol-added", "h", severity=Severity.COMPATIBLE),
    )
    suite = ET.fromstring(junit(made, RULES))
    assert [case.get("name") for case in suite] == ["elf.symbol-removed", "elf.symbol-added"]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
    }
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "An exported symbol is gone: 2 findings"
    assert "breaking: f: - FUNC" in (failure.text or "")


def test_junit_passes_where_nothing_breaks() -> None:
    suite = ET.fromstring(junit(comparison(finding("elf.symbol-added", "f", severity=Severity.INFO)), RULES))
    assert [case.get("name") for case in suite] == ["comparison", "elf.symbol-added"]
    assert suite.get("failures") == "0"
    assert suite.find(".//failure") is None


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    made = replace(
        comparison(replace(finding("elf.symbol-removed", name, before=name, after="", evidence=name), fix=name)),
        old=name,
        new=name,
    )
    console = "\n".join(line.plain for line in diff_lines(made, verbose=True))
    for text in (markdown(made, RULES), github(made, RULES), sarif(made, RULES), junit(made, RULES), console):
        text.encode()
        assert "\x1b" not in text
    (failure,) = ET.fromstring(junit(made, RULES)).iter("failure")
    assert failure.text
    assert len(results(made)) == 1


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("markdown", "### Compatible: 1 info\n"),
        ("sarif", '{\n  "$schema"'),
        ("github", "soinspect: compatible: 1 info\n::notice file="),
        ("junit", '<?xml version="1.0" encoding="UTF-8"?>\n<testsuite '),
        ("html", "<!DOCTYPE html>\n"),
        ("json", '{\n  "schema_version": 1,\n'),
    ],
)
def test_every_format_of_the_command_line(form: str, start: str, soinspect: Soinspect) -> None:
    run = soinspect("diff", FIXTURES / "plugin1.so", FIXTURES / "plugin2.so", "--format", form)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(start)
