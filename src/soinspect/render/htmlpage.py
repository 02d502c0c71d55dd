"""``soinspect diff --format html``: one page for a reviewer, which needs nothing but itself.

The names in it are hostile. All of them go through :func:`_text`; and should that ever fail, the page's own policy
(https://www.w3.org/TR/CSP3/) lets no script run but the one whose hash it names, and nothing be fetched.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from soinspect.model.finding import Comparison, Finding, Rule, Severity
from soinspect.render.findings import by_rule, by_severity
from soinspect.render.text import printable

_OPEN = 30  # findings of a rule that are shown without being unfolded


def html_page(comparison: Comparison, rules: tuple[Rule, ...]) -> str:
    """The verdict, the findings by severity and rule, folding and searchable, what agrees and what was not seen."""
    style, script = map(_asset, ("htmlpage.css", "htmlpage.js"))
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{_text(comparison.verdict)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            *_header(comparison),
            "<main>",
            *_findings(comparison, {rule.id: rule for rule in rules}),
            *_remarks("What agrees", () if comparison.identical else comparison.agreements),
            *_remarks("What could not be compared", comparison.not_compared),
            "</main>",
            f"<script>{script}</script>",
            "</body>",
            "</html>\n",
        )
    )


def _header(comparison: Comparison) -> Iterator[str]:
    worst = comparison.findings[0].severity if comparison.findings else Severity.COMPATIBLE
    verdict, _, counts = comparison.verdict.partition(": ")
    yield f'<header class="{worst}">'
    yield '<p class="tool">soinspect diff</p>'
    yield f"<h1>{_text(verdict[:1].upper() + verdict[1:])}</h1>"
    yield f'<p class="counts">{_text(counts)}</p>'
    yield f'<dl class="files"><dt>old</dt><dd>{_code(comparison.old)}</dd>'
    yield f"<dt>new</dt><dd>{_code(comparison.new)}</dd></dl>"
    if comparison.findings:
        yield '<div class="search" hidden><input type="search" id="search" aria-label="Search the findings"'
        yield 'placeholder="Search names, types, rules" autocomplete="off" spellcheck="false">'
        yield '<output for="search"></output></div>'
    yield "</header>"


def _findings(comparison: Comparison, rules: dict[str, Rule]) -> Iterator[str]:
    for severity, findings in by_severity(comparison):
        opened = (
            " open" if severity in (Severity.BREAKING, Severity.RISKY) or not comparison.has(Severity.RISKY) else ""
        )
        yield f'<details class="severity {severity}"{opened}>'
        yield f'<summary><h2>{severity.capitalize()}</h2> <span class="count">{len(findings):,}</span></summary>'
        for rule, group in by_rule(findings):
            yield from _rule(rules[rule], group)
        yield "</details>"


def _rule(rule: Rule, findings: list[Finding]) -> Iterator[str]:
    yield f'<details class="rule"{" open" if len(findings) <= _OPEN else ""}>'
    yield f'<summary><h3>{_text(rule.title)}</h3> <span class="count">{len(findings):,}</span>'
    yield f"{_code(rule.id)}</summary>"
    yield f'<p class="why">{_text(rule.why)}</p>'
    yield '<table class="findings"><thead><tr><th>What</th><th>Before</th><th>After</th></tr></thead>'
    for finding in findings:
        yield from _finding(finding)
    yield "</table>"
    yield f'<p class="fix"><b>Fix</b> {_text(findings[0].fix)}'
    yield f'<a href="{_text(rule.reference)}" rel="noreferrer">Reference</a></p>'
    yield "</details>"


def _finding(finding: Finding) -> Iterator[str]:
    evidence = f'<p class="evidence">{_text(finding.evidence)}</p>' if finding.evidence else ""
    yield f'<tbody><tr><th scope="row">{_code(finding.subject)}{evidence}</th>'
    yield f"{_side('before', finding.before)}{_side('after', finding.after)}</tr>"
    if finding.layout:
        yield f'<tr class="layout"><td colspan="3"><table>{"".join(_layout(finding.layout))}</table></td></tr>'
    yield "</tbody>"


def _side(name: str, text: str | None) -> str:
    return f'<td class="{name} none"></td>' if text is None else f'<td class="{name}">{_code(text)}</td>'


def _layout(lines: tuple[str, ...]) -> Iterator[str]:
    """Rows of a type as it was, on the left, and as it is: a stretch of ``-`` lines faces the ``+`` lines after it."""
    before: list[str] = []
    after: list[str] = []
    for line in (*lines, " "):
        if line[0] == "-":
            before.append(line[1:])
        elif line[0] == "+":
            after.append(line[1:])
        else:
            for number in range(max(len(before), len(after))):
                old, new = (side[number] if number < len(side) else None for side in (before, after))
                yield f"<tr>{_half('removed', old)}{_half('added', new)}</tr>"
            before, after = [], []
            if line != " ":
                yield f"<tr>{_half('same', line[1:])}{_half('same', line[1:])}</tr>"


def _half(name: str, line: str | None) -> str:
    return '<td class="none"></td>' if line is None else f'<td class="{name}">{_text(line)}</td>'


def _remarks(title: str, remarks: tuple[str, ...]) -> Iterator[str]:
    if remarks:
        yield f'<section class="remarks"><h2>{title}</h2><ul>'
        yield from (f"<li>{_text(remark)}</li>" for remark in remarks)
        yield "</ul></section>"


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _text(text: str) -> str:
    """Text as text, wherever it stands: between tags or in a quoted attribute."""
    return escape(printable(text))


def _asset(name: str) -> str:
    return files("soinspect.render").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
