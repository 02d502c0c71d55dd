"""``soinspect diff --format junit``: a test report, as GitLab, Jenkins and others show them.

There is no standard; the elements are those that Jenkins reads
(https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd).
"""

from __future__ import annotations

from collections import defaultdict
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from soinspect.model.finding import Comparison, Finding, Rule, Severity
from soinspect.model.texts import count
from soinspect.render.findings import change
from soinspect.render.text import printable


def junit(comparison: Comparison, rules: tuple[Rule, ...]) -> str:
    """One suite; a case for each rule that fired, failed if it breaks, and a passed one where nothing breaks."""
    fired: dict[str, list[Finding]] = defaultdict(list)
    for finding in comparison.findings:
        fired[finding.rule].append(finding)
    failures = sum(map(_fails, fired.values()))
    suite = Element(
        "testsuite",
        name=printable(f"soinspect diff {comparison.old} {comparison.new}"),
        tests=str(len(fired) + (not comparison.breaking)),
        failures=str(failures),
        errors="0",
        skipped="0",
    )
    if not comparison.breaking:
        SubElement(_case(suite, "comparison"), "system-out").text = comparison.verdict
    known = {rule.id: rule for rule in rules}
    for rule, findings in fired.items():
        _add(_case(suite, rule), known[rule], findings)
    indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suite, encoding="unicode")}\n'


def _fails(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.BREAKING for finding in findings)


def _case(suite: Element, name: str) -> Element:
    return SubElement(suite, "testcase", classname="soinspect.diff", name=name)


def _add(case: Element, rule: Rule, findings: list[Finding]) -> None:
    lines = [rule.why]
    for finding in findings:
        lines.append(f"{finding.severity}: {change(finding)}")
        lines += [f"  {printable(finding.evidence)}"] if finding.evidence else []
    text = "\n".join((*lines, f"Fix: {printable(findings[0].fix)}", f"Reference: {rule.reference}"))
    if _fails(findings):
        message = f"{rule.title}: {count(len(findings), 'finding')}"
        SubElement(case, "failure", type=Severity.BREAKING, message=message).text = text
    else:
        SubElement(case, "system-out").text = text
