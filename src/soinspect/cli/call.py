"""``soinspect call``."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import Page, PageFormat, Verbose, print_lines, write
from soinspect.errors import UsageError

if TYPE_CHECKING:
    from soinspect.model.calling import EnvironmentVariable, HostKind


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The shared object to load; - is standard input.")],
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STEP]...",
            help="A function to call, or a variable to read; in order. Natively also NAME=VALUE and NAME(ARGUMENT, ...)"
            ' with 40, 1.5, f32:1.5, "text", @FILE, buf:64, null, {x=3, y=1.5} (a structure by value), '
            "&{i32:3, f64:1.5} (its address), [1, 2] (a Go slice), cb:ret=7 (a callback).",
        ),
    ] = None,
    init: Annotated[bool, typer.Option("--init", help="Run the initialisers, and say which ran.")] = False,
    host: Annotated[
        str,
        typer.Option(
            metavar="auto|native|go|PROGRAM",
            help="Load it as a C program does, in a Go program of ours, or in your Go program; auto: what fits.",
        ),
    ] = "auto",
    signatures: Annotated[
        list[str] | None,
        typer.Option(
            "--sig",
            metavar="C",
            help="What a step names, declared in C: int f(char *); repeatable.",
        ),
    ] = None,
    headers: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            metavar="FILE",
            help="Native: a C header with prototypes, read by libclang where it is installed, else through the C "
            "compiler's preprocessor; CPATH says where its includes are; repeatable. Prototypes of --sig, debug "
            "information and headers are compared.",
        ),
    ] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable for the callee; repeatable.")
    ] = None,
    repeat: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=1_000_000, help="Native: call the last step's function N times; median and minimum."
        ),
    ] = 1,
    lazy: Annotated[
        bool, typer.Option("--lazy", help="Native: look functions up at their first call (RTLD_LAZY), not at loading.")
    ] = False,
    library_paths: Annotated[
        list[str] | None,
        typer.Option("--lib-path", metavar="DIR", help="Native: look for needed libraries here first; repeatable."),
    ] = None,
    namespace: Annotated[
        bool,
        typer.Option(
            "--namespace", help="Native: load it apart from what Python has loaded (dlmopen); errno is not seen then."
        ),
    ] = False,
    network: Annotated[bool, typer.Option("--net", help="Let it use the network.")] = False,
    writable: Annotated[
        list[str] | None, typer.Option("--write", metavar="DIR", help="A folder it may write to; repeatable.")
    ] = None,
    processes: Annotated[bool, typer.Option("--allow-fork", help="Let it start processes.")] = False,
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="With all rights of yours.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Do not run it if a wall of the sandbox cannot be had.")
    ] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Then the process is killed.")] = 10.0,
    fetch: Annotated[
        bool, typer.Option("--fetch-toolchain", help="Download a Go toolchain of the plugin's release if none is here.")
    ] = False,
    output: Page = PageFormat.TEXT,
    verbose: Verbose = False,
) -> None:
    """Load the file for real, in a process of its own with a time limit, and call what it exports.

    This runs the file's code, in a C program's place or in a Go host: kept from writing files, from the network and
    from other processes, as far as this system can do it (-v lists how).

    Exit code 0 when everything asked for was done, 1 when it crashed, panicked, was
    refused or took too long, 2 when a step makes no sense, 3 when this machine cannot run it.
    """
    if not isfinite(timeout):
        raise UsageError(f"--timeout {timeout}: a number of seconds")
    from soinspect import api
    from soinspect.calling.toolchain import CallEnvironment
    from soinspect.model.calling import CallLimits, Outcome, Sandbox

    result = api.call(
        file,
        *(steps or ()),
        init=init,
        host=_host(host),
        surroundings=CallEnvironment.of_this_process(fetch=fetch),
        limits=CallLimits(timeout=timeout),
        environment=tuple(_variable(text) for text in variables or ()),
        sandbox=Sandbox(
            on=not no_sandbox,
            network=network,
            processes=processes,
            writable=tuple(writable or ()),
            strict=strict,
        ),
        signatures=tuple(signatures or ()),
        headers=tuple(headers or ()),
        repeat=repeat,
        lazy=lazy,
        library_paths=tuple(library_paths or ()),
        namespace=namespace,
    )
    if output is PageFormat.JSON:
        from soinspect.render.call import call_document
        from soinspect.render.document import document

        write(document("call", files=[{"path": file}], **call_document(result)))
    else:
        from soinspect.render.call import call_lines

        print_lines(call_lines(result, verbose=verbose))
    outcomes = {step.outcome for step in result.steps}
    if Outcome.NOT_RUN in outcomes:
        raise typer.Exit(Exit.UNDECIDED)
    if Outcome.UNFIT in outcomes:
        raise typer.Exit(Exit.UNREADABLE)
    raise typer.Exit(Exit.FINE if result.good else Exit.FINDING)


def _host(text: str) -> HostKind | str | None:
    """What ``--host`` means; a path where it is a program."""
    from soinspect.model.calling import HostKind

    if text == "auto":
        return None
    if text in (HostKind.NATIVE, HostKind.GO):
        return HostKind(text)
    if not Path(text).is_file():
        raise UsageError(f"--host {text}: neither auto, native nor go, and no program of that name is here")
    return text


def _variable(text: str) -> EnvironmentVariable:
    from soinspect.model.calling import EnvironmentVariable

    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--env {text}: write NAME=VALUE")
    return EnvironmentVariable(name=name, value=value)
