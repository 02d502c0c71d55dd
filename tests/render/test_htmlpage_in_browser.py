"""``soinspect diff --format html`` as a reviewer sees it, in a headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from browser import Browser
from comparisons import HOSTILE, RULES, comparison, finding
from soinspect.model.finding import Severity
from soinspect.render.htmlpage import html_page

pytestmark = pytest.mark.browser
LONG = "a_name_without_any_place_to_break_it_" * 12
LAYOUT = ("   0      int a;", f"-  4      struct {LONG} *{LONG};", "+  4      int between;", "+  8  };")
MADE = comparison(
    *(finding("elf.symbol-removed", f"gone{n}", before="FUNC GLOBAL, 17 bytes") for n in range(40)),
    *(finding("elf.symbol-removed", name, before=name, after=name, evidence=name) for name in HOSTILE),
    replace(finding("dwarf.type-size-changed", f"struct {LONG}", before="8 bytes", after="12 bytes"), layout=LAYOUT),
    finding("elf.needed-added", LONG, severity=Severity.RISKY, after="NEEDED", evidence=LONG),
    finding("elf.symbol-added", "fresh", severity=Severity.COMPATIBLE, after="FUNC"),
    agreements=(f"same: {LONG}",),
)
SHOWN = "[...document.querySelectorAll('.findings > tbody')].filter(it => it.checkVisibility()).length"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "diff.html"
    file.write_text(html_page(replace(MADE, old=f"/old/{LONG}.so"), RULES))
    return file


def search(browser: Browser, words: str) -> None:
    browser.ask(f"document.querySelector('input').value = {words!r}")
    browser.ask("document.querySelector('input').dispatchEvent(new Event('input'))")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(width: int, colours: str, browser: Browser, page: Path) -> None:
    browser.look(page, width=width, colours=colours)
    browser.ask("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert browser.ask("innerWidth") == width
    assert browser.ask("document.documentElement.scrollWidth") <= width
    sticking_out = f"[...document.body.querySelectorAll('*')].filter(it => it.getBoundingClientRect().right > {width})"
    assert browser.ask(f"{sticking_out}.map(it => it.outerHTML.slice(0, 80))") == []


def luminance(colour: str) -> float:
    """The relative luminance of ``rgb(r, g, b)``: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_colours_follow_the_reader_and_can_be_read(colours: str, browser: Browser, page: Path) -> None:
    browser.look(page, width=1280, colours=colours)
    style = "getComputedStyle(document.body)"
    behind = luminance(browser.ask(f"{style}.backgroundColor"))
    assert (behind > 0.5) is (colours == "light")
    for selector in ("body", "h1", ".severity.risky h2", ".why", ".tool"):
        text = luminance(browser.ask(f"getComputedStyle(document.querySelector({selector!r})).color"))
        lighter, darker = max(text, behind), min(text, behind)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, selector  # WCAG 2.2, 1.4.3


def test_folding_and_search(browser: Browser, page: Path) -> None:
    browser.look(page, width=1280, colours="light")
    total = len(MADE.findings)
    folded = browser.ask(SHOWN)
    assert folded < total  # forty findings of one rule stay folded
    browser.ask("document.querySelector('.rule > summary').click()")
    assert browser.ask(SHOWN) == folded + 40 + len(HOSTILE)
    search(browser, "gone7")
    assert browser.ask(SHOWN) == 1
    assert browser.ask("document.querySelector('output').textContent") == f"1 of {total} findings"
    search(browser, "NEEDED library")
    assert browser.ask(SHOWN) == 1
    search(browser, "nothing has this name")
    assert browser.ask(SHOWN) == 0
    search(browser, "")
    assert browser.ask(SHOWN) == folded
    assert browser.ask("document.querySelector('output').textContent") == ""


def test_layouts_stand_side_by_side_where_there_is_room(browser: Browser, page: Path) -> None:
    changed = "[...document.querySelectorAll('.layout tr')].find(row => row.querySelector('.removed'))"
    for width, rows in ((1280, 1), (360, 2)):
        browser.look(page, width=width, colours="light")
        browser.ask("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        tops = browser.ask(f"[...{changed}.cells].map(cell => cell.getBoundingClientRect().top)")
        assert len(set(tops)) == rows


def test_no_name_runs_as_a_script(browser: Browser, page: Path) -> None:
    browser.look(page, width=1280, colours="light")
    assert browser.ask("document.scripts.length") == 1
    assert browser.ask("document.images.length") == 0
