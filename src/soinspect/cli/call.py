"""``soinspect call``."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import Page, PageFormat, Verbose, console, write
from soinspect.errors import UsageError
from soinspect.model.calling import CallLimits, CallRequest, HostKind, Step

if TYPE_CHECKING:
    from soinspect.call.toolchain import CallEnvironment


class HostChoice(StrEnum):
    """Which process loads the file."""

    AUTO = "auto"
    NATIVE = "native"
    GO = "go"


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The shared object to load.")],
    steps: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STEP]...", help="A function to call, or a variable to read; in order."),
    ] = None,
    init: Annotated[bool, typer.Option("--init", help="Run the initialisers, and say which ran.")] = False,
    host: Annotated[
        HostChoice, typer.Option(help="native: as a C program does; go: in a Go program; auto: what fits the file.")
    ] = HostChoice.AUTO,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Then the process is killed.")] = 10.0,
    fetch: Annotated[
        bool, typer.Option("--fetch-toolchain", help="Download a Go toolchain of the plugin's release if none is here.")
    ] = False,
    output: Page = PageFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Load the file for real, in a process of its own with a time limit, and call what it exports.

    This runs the file's code. Exit code 0 when everything asked for was done, 1 when it crashed, panicked, was
    refused or took too long, 3 when this machine cannot run it.
    """
    if not steps and not init:
        raise UsageError("nothing to do: name a symbol, or say --init to run the initialisers")
    from soinspect import api

    wanted = (*((Step(symbol=None),) if init else ()), *(Step(symbol=step) for step in steps or ()))
    request = CallRequest(path=file, steps=wanted, limits=CallLimits(timeout=timeout))
    chosen = None if host is HostChoice.AUTO else HostKind(host)
    result = api.call(request, _environment(fetch=fetch), host=chosen)
    if output is PageFormat.JSON:
        from soinspect.render.call import call_document
        from soinspect.render.document import document

        write(document("call", files=[{"path": file}], **call_document(result)))
    else:
        from soinspect.render.call import call_lines

        terminal = console()
        for line in call_lines(result, verbose=verbose):
            terminal.print(line)
    raise typer.Exit(Exit.FINE if result.good else Exit.FINDING)


def _environment(*, fetch: bool) -> CallEnvironment:
    """The surroundings of this process, as the value that the call gets."""
    from soinspect.call.toolchain import CallEnvironment

    caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return CallEnvironment(
        variables=dict(os.environ),
        cache=Path(caches, "soinspect").absolute(),
        site_packages=tuple(sys.path),
        python=sys.executable,
        fetch=fetch,
    )
