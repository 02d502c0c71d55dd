"""``soinspect diff --format sarif``: what code scanning services read.

SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; the numbers of sections are those there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from urllib.parse import quote

from soinspect import __version__
from soinspect.model.finding import Comparison, Finding, Rule, Severity
from soinspect.render.document import Json
from soinspect.render.findings import change
from soinspect.render.text import inert, printable

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {
    Severity.BREAKING: "error",
    Severity.RISKY: "warning",
    Severity.COMPATIBLE: "note",
    Severity.INFO: "note",
}


def sarif(comparison: Comparison, rules: tuple[Rule, ...]) -> str:
    """One run: all rules, and a result for each finding, located in the new file."""
    driver: Json = {"name": "soinspect", "version": __version__, "rules": [_descriptor(rule) for rule in rules]}
    run: Json = {"tool": {"driver": driver}, "results": _results(comparison, [rule.id for rule in rules])}
    log: Json = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return inert(json.dumps(log, ensure_ascii=False, indent=2)) + "\n"


def _descriptor(rule: Rule) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": _message(rule.title)},
        "fullDescription": {"text": _message(rule.why)},
        "help": {"text": _message(f"{rule.why}\n\nFix: {rule.fix}")},
        "helpUri": rule.reference,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _results(comparison: Comparison, ids: list[str]) -> list[Json]:
    indices = {rule: index for index, rule in enumerate(ids)}
    location = _location(comparison.new)
    seen: Counter[tuple[str, str]] = Counter()
    results: list[Json] = []
    for finding in comparison.findings:
        about = finding.rule, finding.subject
        results.append(
            {
                "ruleId": finding.rule,
                "ruleIndex": indices[finding.rule],
                "level": _LEVELS[finding.severity],
                "message": {"text": _message("\n".join(filter(None, (change(finding), printable(finding.evidence)))))},
                "locations": [location],
                "partialFingerprints": {"ruleAndSubject/v1": _fingerprint(finding, seen[about])},
            }
        )
        seen[about] += 1
    return results


def _location(path: str) -> Json:
    """The new file, from its first line on: a binary has no lines, but GitHub shows no result without one."""
    quoted = quote(path, errors="surrogateescape")
    uri = f"file://{quoted}" if path.startswith("/") else quoted
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}


def _fingerprint(finding: Finding, number: int) -> str:
    """The same for the same rule and subject (the ``number``-th of them) in any run, whatever the values are."""
    text = "\0".join((finding.rule, finding.subject, str(number)))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _message(text: str) -> str:
    """A text that stands for itself: no placeholders (3.11.5), no embedded links (3.11.6)."""
    if "](" in text:
        text = re.sub(r"[\\\[\]]", r"\\\g<0>", text)
    return text.replace("{", "{{").replace("}", "}}")
