"""``soinspect check``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import (
    LibraryPath,
    Page,
    PageFormat,
    Root,
    Verbose,
    console,
    loader_environment,
    print_lines,
    write,
)
from soinspect.errors import UsageError
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Outcome, Policy, Verdict

_NUMBER = re.compile(r"\d+(\.\d+)*")


class FailOn(StrEnum):
    """From what on the exit code is 1."""

    FAILURE = "failure"
    RISKY = "risky"


def command(
    host: Annotated[
        str, typer.Argument(metavar="HOST", help="The program that opens the plugins; - is standard input.")
    ],
    plugins: Annotated[list[str], typer.Argument(metavar="PLUGIN...", help="The plugins, in the order of opening.")],
    required: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="SYMBOL[@VERSION][:TYPE]",
            help="What each plugin must export; TYPE as a Go host asserts it: 'Run:func()', 'I:*int', or as C calls"
            " it: 'run:int(char *)', held against debug information.",
        ),
    ] = None,
    glibc: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="The glibc of the target, 2.28 say: which symbols need a newer one?"),
    ] = None,
    glibcxx: Annotated[
        str | None, typer.Option(metavar="VERSION", help="The newest GLIBCXX version of its libstdc++: 3.4.25, say.")
    ] = None,
    forbidden: Annotated[
        list[str] | None,
        typer.Option("--forbid-needed", metavar="GLOB", help="Libraries that no plugin may need: 'libssl.so*'."),
    ] = None,
    root: Root = "/",
    library_path: LibraryPath = "",
    lazy: Annotated[
        bool, typer.Option("--lazy", help="The host passes RTLD_LAZY to dlopen: functions are looked up when called.")
    ] = False,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit code 1 for plugins that fail, or for risks as well.")
    ] = FailOn.FAILURE,
    output: Page = PageFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Tell whether HOST will accept these plugins, in this order: all reasons, the cause, the fix. Nothing is run.

    Exit code 1 if one is rejected or aborts the host, 3 if it cannot be decided.
    """
    from soinspect import api

    verdict = api.check(
        host,
        *plugins,
        environment=loader_environment(root, library_path),
        policy=Policy(
            requirements=tuple(_requirement(text) for text in required or ()),
            newest=tuple(_newest(("glibc", glibc), ("glibcxx", glibcxx))),
            forbidden=tuple(forbidden or ()),
        ),
        lazy=lazy,
    )
    if output is PageFormat.JSON:
        from soinspect.render.document import document

        files = [{"path": path} for path in (host, *plugins)]
        verdicts = [
            {"path": it.path, "outcome": it.outcome, "summary": it.summary, "reasons": it.reasons, "passed": it.passed,
             "remarks": it.remarks}
            for it in verdict.plugins
        ]  # fmt: skip
        write(document("check", files=files, outcome=verdict.outcome, plugins=verdicts))
    else:
        from soinspect.render.check import check_lines

        width = console().width if sys.stdout.isatty() else None
        print_lines(check_lines(verdict, verbose=verbose, width=width))
    raise typer.Exit(_exit(verdict, fail_on))


def _requirement(text: str) -> Requirement:
    required = Requirement.parse(text)
    if not required.symbol:
        raise UsageError(f"--require {text}: no symbol is named")
    return required


def _newest(*options: tuple[str, str | None]) -> Iterator[tuple[str, str]]:
    for name, number in options:
        if number is not None:
            if not _NUMBER.fullmatch(number):
                raise UsageError(f"--{name} {number}: a version is numbers with dots, as 2.28")
            yield name.upper(), number


def _exit(verdict: Verdict, fail_on: FailOn) -> Exit:
    match verdict.outcome:
        case Outcome.REJECTED | Outcome.ABORTS_HOST:
            return Exit.FINDING
        case Outcome.UNDECIDED:
            return Exit.UNDECIDED
    return Exit.FINDING if verdict.risky and fail_on is FailOn.RISKY else Exit.FINE
