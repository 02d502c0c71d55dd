"""``soinspect scan``."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from soinspect.cli.exits import Exit
from soinspect.cli.options import Verbose, write, write_to
from soinspect.errors import UsageError


class ScanFormat(StrEnum):
    """Output of a scan."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Folders, files, packages (.deb, .whl, .zip, .tar.*) or 'patterns'."),
    ] = None,
    root: Annotated[
        str | None, typer.Option(metavar="DIR", help="The folder that is / for the paths: an unpacked image.")
    ] = None,
    symbols: Annotated[bool, typer.Option("--symbols", help="One row for each dynamic symbol, not file.")] = False,
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="Ask DuckDB about the tables files and (with --symbols) symbols.")
    ] = None,
    output: Annotated[
        ScanFormat | None, typer.Option("--format", help="Default: table on a terminal, plain in a pipe.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write there; the answer in short is printed.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that read. Default: one a processor.")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Read on the Dask cluster of this scheduler (tcp://...).")
    ] = None,
    cache: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keep what is read there; only what changed is read again.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Read every ELF file below folders and in packages: one table of what they are, need and offer.

    Files are found by their contents, not by their names, and links are not followed. What cannot be read is a row
    with an error, and exit code 1.
    """
    from soinspect import api
    from soinspect.cli import scanoutput
    from soinspect.cli.scanwatch import Watch

    chosen = output or (ScanFormat.TABLE if target is None and sys.stdout.isatty() else ScanFormat.PLAIN)
    where = _paths(paths, root)
    _check_format(chosen, target, symbols=symbols, query=query)
    asked = api.scan_query(query) if query is not None else None
    scanning = api.scanning(
        where,
        root=root or "/",
        jobs=jobs or len(os.sched_getaffinity(0)),
        dask=dask,
        cache=cache,
        with_symbols=symbols,
    )
    watch = Watch(tell=symbols or asked is not None)
    watch.end_on_signals(cache)
    if sys.stderr.isatty() and (chosen is ScanFormat.TABLE or not sys.stdout.isatty()):
        watch.show_progress(api.count_candidates(where, root or "/"))
    with scanning as answers, watch:
        passing = watch.watch(answers)
        if asked is not None:
            scanoutput.load(asked, passing, with_symbols=symbols)
        elif chosen is ScanFormat.PARQUET:
            scanoutput.write_parquet(str(target), passing, with_symbols=symbols)
        else:
            texts = scanoutput.scan_texts(passing, watch, chosen, with_symbols=symbols, verbose=verbose)
            write_to(target, texts)
    if asked is not None:
        write_to(target, scanoutput.query_texts(*asked.answer(), chosen))
    elif target is not None:
        from soinspect.render.scantable import answer

        write(answer(watch.totals))
    raise typer.Exit(Exit.FINDING if watch.totals.errors else Exit.FINE)


def _paths(paths: list[str] | None, root: str | None) -> tuple[str, ...]:
    if root is not None and not Path(root).is_dir():
        raise UsageError(f"--root {root}: is not a folder")
    if not paths and root is None:
        raise UsageError("nothing to scan: name folders, files or packages, or an image with --root")
    return tuple(paths or ("/",))


def _check_format(chosen: ScanFormat, target: Path | None, *, symbols: bool, query: str | None) -> None:
    if query is not None and chosen is ScanFormat.PARQUET:
        raise UsageError("the answer to --query is written as table, plain, csv, json or jsonl, not as Parquet")
    if chosen is ScanFormat.PARQUET and target is None:
        raise UsageError("--format parquet needs --output FILE")
    if symbols and query is None and chosen in (ScanFormat.TABLE, ScanFormat.JSON):
        raise UsageError(f"--symbols has no --format {chosen}: it streams plain, csv, jsonl or parquet")
