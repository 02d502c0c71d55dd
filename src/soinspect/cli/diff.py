"""``soinspect diff``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import Verbose, console, write
from soinspect.errors import UsageError
from soinspect.model.finding import Comparison, Profile, Severity, Suppression


class DiffFormat(StrEnum):
    """For whom the comparison is written down."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"
    HTML = "html"


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The file that is in use.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The file that would replace it.")],
    output: Annotated[
        DiffFormat,
        typer.Option("--format", help="text and html for people, json for programs, the others for CI services."),
    ] = DiffFormat.TEXT,
    profile: Annotated[
        Profile | None,
        typer.Option("--as", help="How it is used. Default: linked if OLD has a SONAME, else dlopen."),
    ] = None,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="Exit code 1 from this severity on.")
    ] = Severity.BREAKING,
    suppressions: Annotated[
        Path | None, typer.Option("--suppress", metavar="FILE.toml", help="Findings that are known and accepted.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Compare two files: what changed, and what it breaks.

    Go plugins are compared by what a Go host sees: exports, package hashes, Go release, modules.
    Types of C and C++ exports are compared where debug information is left. Exit code 1 when something breaks.
    """
    from soinspect import api

    accepted = _suppressions(suppressions) if suppressions else ()
    comparison = api.compare(old, new, profile=profile, suppressions=accepted)
    if output is DiffFormat.TEXT:
        from soinspect.render.diff import diff_lines

        terminal = console()
        for line in diff_lines(comparison, verbose=verbose):
            terminal.print(line)
    else:
        write(_written(comparison, output))
    raise typer.Exit(Exit.FINDING if comparison.has(fail_on) else Exit.FINE)


def _suppressions(path: Path) -> tuple[Suppression, ...]:
    from soinspect.compare.suppress import parse_suppressions

    try:
        return parse_suppressions(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None


def _written(comparison: Comparison, output: DiffFormat) -> str:
    """The whole output in one of the formats that are not for a terminal."""
    if output is DiffFormat.JSON:
        return _document(comparison)
    from soinspect.compare.rules import RULES
    from soinspect.render.github import github
    from soinspect.render.htmlpage import html_page
    from soinspect.render.junit import junit
    from soinspect.render.markdown import markdown
    from soinspect.render.sarif import sarif

    written = {
        DiffFormat.MARKDOWN: markdown,
        DiffFormat.SARIF: sarif,
        DiffFormat.GITHUB: github,
        DiffFormat.JUNIT: junit,
        DiffFormat.HTML: html_page,
    }
    return written[output](comparison, tuple(entry.rule for entry in RULES))


def _document(comparison: Comparison) -> str:
    from soinspect.render.document import document

    verdict = "breaking" if comparison.breaking else "identical" if comparison.identical else "compatible"
    return document(
        "diff",
        files=[{"path": comparison.old}, {"path": comparison.new}],
        verdict=verdict,
        profile=comparison.profile,
        summary=comparison.verdict,
        findings=comparison.findings,
        agreements=comparison.agreements,
        not_compared=comparison.not_compared,
        suppressed=comparison.suppressed,
        remarks=comparison.remarks,
    )
