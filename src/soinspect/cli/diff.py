"""``soinspect diff``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import Verbose, print_lines, read_settings, write
from soinspect.errors import InputError, UsageError
from soinspect.model.finding import Comparison, Profile, Severity, Suppression

if TYPE_CHECKING:
    from soinspect.model.series import FolderComparison, Timeline


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
    old: Annotated[str, typer.Argument(metavar="OLD", help="The file that is in use; a snapshot, baseline or folder.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The file, or folder, that would replace it.")],
    later: Annotated[list[str] | None, typer.Argument(metavar="[LATER...]", help="Further versions.")] = None,
    output: Annotated[
        DiffFormat,
        typer.Option("--format", help="text and html for people, json for programs, the others for CI services."),
    ] = DiffFormat.TEXT,
    profile: Annotated[
        Profile | None,
        typer.Option("--as", help="How it is used. Default: linked if OLD has a SONAME, else dlopen."),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="FILE", help="Judge for this program alone: what it uses and has.")
    ] = None,
    fail_on: Annotated[
        Severity, typer.Option("--fail-on", help="Exit code 1 from this severity on.")
    ] = Severity.BREAKING,
    require_types: Annotated[
        bool, typer.Option("--require-types", help="Exit code 2 where types could not be compared.")
    ] = False,
    suppressions: Annotated[
        Path | None, typer.Option("--suppress", metavar="FILE.toml", help="Findings that are known and accepted.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Compare two files: what changed, and what it breaks.

    Go plugins are compared by what a Go host sees: exports, package hashes, Go release, modules.
    Types of C and C++ exports are compared where debug information is left. Exit code 1 when something breaks.
    Two folders are compared file by file, more than two files version by version.
    """
    from soinspect import api

    if host and profile:
        raise UsageError("--as and --host exclude each other: how a host uses the file is seen in it")
    how: _How = {"profile": profile, "suppressions": _suppressions(suppressions), "host": host}
    folders = [Path(path).is_dir() for path in (old, new, *(later or ()))]
    if any(folders):
        if later or not all(folders):
            raise UsageError("a folder is compared with one other folder")
        compared = api.compare_folders(old, new, **how)
        _show_folders(compared, output, verbose=verbose)
        if compared.nothing_to_compare:
            raise typer.Exit(Exit.UNDECIDED)
        unreadable = Exit.UNREADABLE if compared.unreadable else Exit.FINE
        raise typer.Exit(max(unreadable, Exit.FINDING if compared.has(fail_on) else Exit.FINE))
    if later:
        versions = api.timeline((old, new, *later), **how)
        _show_timeline(versions, output)
        raise typer.Exit(Exit.FINDING if versions.has(fail_on) else Exit.FINE)
    comparison = api.compare(old, new, **how)
    _show(comparison, output, verbose=verbose)
    if require_types and comparison.types_missing:
        raise InputError(new, f"types were not compared (--require-types): {comparison.types_missing}")
    raise typer.Exit(Exit.FINDING if comparison.has(fail_on) else Exit.FINE)


class _How(TypedDict):
    """How files are compared, whatever they are."""

    profile: Profile | None
    suppressions: tuple[Suppression, ...]
    host: str | None


def _suppressions(path: Path | None) -> tuple[Suppression, ...]:
    from soinspect.comparing.suppress import parse_suppressions

    if path is None:
        return ()
    return parse_suppressions(read_settings(path), str(path))


def _show(comparison: Comparison, output: DiffFormat, *, verbose: bool) -> None:
    if output is DiffFormat.TEXT:
        from soinspect.render.diff import diff_lines

        print_lines(diff_lines(comparison, verbose=verbose))
    elif output is DiffFormat.JSON:
        from soinspect.render.document import document

        write(document("diff", files=[{"path": comparison.old}, {"path": comparison.new}], **_parts(comparison)))
    else:
        write(_written(comparison, output))


def _show_folders(compared: FolderComparison, output: DiffFormat, *, verbose: bool) -> None:
    if _is_json(output):
        from soinspect.render.document import document

        files = [{"path": compared.old}, {"path": compared.new}]
        pairs = [{"old": pair.old, "new": pair.new, **_parts(pair)} for pair in compared.pairs]
        write(document("diff-folders", files=files, pairs=pairs, gone=compared.gone, added=compared.added,
                       unreadable=compared.unreadable))  # fmt: skip
    else:
        from soinspect.render.series import folder_lines

        print_lines(folder_lines(compared, verbose=verbose))


def _show_timeline(timeline: Timeline, output: DiffFormat) -> None:
    if _is_json(output):
        from soinspect.render.document import document

        versions = [timeline.steps[0].comparison.old, *(step.comparison.new for step in timeline.steps)]
        steps = [
            {"old": step.comparison.old, "new": step.comparison.new, "added": step.added, "removed": step.removed,
             **_parts(step.comparison)} for step in timeline.steps
        ]  # fmt: skip
        write(document("diff-timeline", files=[{"path": path} for path in versions], steps=steps))
    else:
        from soinspect.render.series import timeline_lines

        print_lines(timeline_lines(timeline))


def _is_json(output: DiffFormat) -> bool:
    """Whether many files are asked for as JSON, and not as text.

    :raises UsageError: as neither of both.
    """
    if output not in (DiffFormat.TEXT, DiffFormat.JSON):
        raise UsageError(f"--format {output} is for two files; folders and timelines are written as text or json")
    return output is DiffFormat.JSON


def _written(comparison: Comparison, output: DiffFormat) -> str:
    """The whole output in one of the formats for CI services and reviewers."""
    from soinspect.comparing.rules import RULES
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


def _parts(comparison: Comparison) -> dict[str, object]:
    """What JSON says of two files."""
    return {
        "verdict": "breaking" if comparison.breaking else "identical" if comparison.identical else "compatible",
        "profile": comparison.profile,
        "host": comparison.host,
        "summary": comparison.verdict,
        "findings": comparison.findings,
        "agreements": comparison.agreements,
        "not_compared": comparison.not_compared,
        "types_missing": comparison.types_missing,
        "suppressed": comparison.suppressed,
        "remarks": comparison.remarks,
    }
