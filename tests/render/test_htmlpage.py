"""``soinspect diff --format html``: structure, escaping, and that the page needs nothing but itself."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from comparisons import HOSTILE, RULES, comparison, finding
from soinspect.model.finding import Comparison, Severity
from soinspect.render.htmlpage import html_page
from soinspect.render.text import printable

VOID = {"meta", "input"}
EMPTY = comparison()
MIXED = comparison(
    *(finding("elf.symbol-removed", f"f{n}", before="FUNC") for n in range(40)),
    replace(
        finding("dwarf.type-size-changed", "struct s", before="4 bytes", after="8 bytes", evidence="reached by f"),
        layout=("  0  int a;", "- 4  };", "+ 4  int b;", "+ 8  };"),
    ),
    finding("elf.needed-added", "libz.so.1", severity=Severity.RISKY, after="NEEDED"),
    finding("elf.symbol-added", "g", severity=Severity.COMPATIBLE, after="FUNC"),
    agreements=("same Go release: go1.27.3",),
)


class Page(HTMLParser):
    """A page read back: its elements, and the text in each kind of element; fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1], data))

    def text(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]

    def folds(self, kind: str) -> list[tuple[str | None, bool]]:
        found = [attributes for tag, attributes in self.elements if tag == "details"]
        return [(a["class"], "open" in a) for a in found if kind in (a["class"] or "").split()]


def test_the_verdict_comes_first_then_the_findings_by_severity() -> None:
    page = Page(html_page(MIXED, RULES))
    assert page.text("h1") == ["Breaks users of the old file"]
    assert page.text("h2") == ["Breaking", "Risky", "Compatible", "What agrees"]
    assert page.folds("severity") == [
        ("severity breaking", True),
        ("severity risky", True),
        ("severity compatible", False),
    ]
    assert page.folds("rule") == [("rule", False)] + [("rule", True)] * 3  # forty findings stay folded
    assert Counter(tag for tag, _ in page.elements)["tbody"] == len(MIXED.findings)
    assert "reached by f" in page.text("p")
    assert "same Go release: go1.27.3" in page.text("li")


def test_layouts_stand_side_by_side() -> None:
    page = Page(html_page(MIXED, RULES))
    cells = [(a.get("class"), a) for tag, a in page.elements if tag == "td"]
    kinds = [kind for kind, _ in cells if kind in ("same", "removed", "added", "none")]
    assert kinds == ["same", "same", "removed", "added", "none", "added"]
    assert [text for text in page.text("td") if "int" in text or "}" in text] == [
        " 0  int a;", " 0  int a;", " 4  };", " 4  int b;", " 8  };",
    ]  # fmt: skip


def test_without_findings_there_is_nothing_to_search() -> None:
    page = Page(html_page(replace(EMPTY, identical=True, verdict="identical: the files have the same bytes"), RULES))
    assert page.text("h1") == ["Identical"]
    assert "input" not in {tag for tag, _ in page.elements}


@pytest.mark.parametrize("made", [EMPTY, MIXED])
def test_the_page_fetches_nothing_and_runs_its_own_script_only(made: Comparison) -> None:
    page = Page(html_page(made, RULES))
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "svg"}
        assert not any(name == "src" or name.startswith("on") or name == "style" for name in attributes)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    (script,), (style,) = page.text("script"), page.text("style")
    digests = [b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert policy == f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'"
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_everywhere(name: str) -> None:
    def page_of(name: str) -> Page:
        changed = finding("elf.symbol-removed", name, before=name, after=name, evidence=name)
        made = comparison(replace(changed, layout=(f" {name}", f"-{name}", f"+{name}")), agreements=(name,))
        return Page(html_page(replace(made, old=name, new=name, verdict=name, not_compared=(name,)), RULES))

    hostile, harmless = page_of(name), page_of("x")
    assert hostile.elements == harmless.elements
    assert hostile.text("code").count(printable(name)) == 5  # both paths, subject, before, after
