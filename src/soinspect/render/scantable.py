"""The rows of a scan for people: what was found in one line, an aligned table, what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from soinspect.model.hardening import Relro
from soinspect.model.image import ObjectKind
from soinspect.model.scan import ScanRow, ScanTotals
from soinspect.model.texts import count
from soinspect.render.text import printable

_KINDS = {
    ObjectKind.SHARED_LIBRARY: "library",
    ObjectKind.PIE: "program",
    ObjectKind.EXECUTABLE: "program",
    ObjectKind.STATIC_PIE: "static program",
    ObjectKind.STATIC_EXECUTABLE: "static program",
    ObjectKind.RELOCATABLE: "object file",
    ObjectKind.CORE: "core dump",
    ObjectKind.DEBUG: "debug file",
    ObjectKind.UNKNOWN: "file of unknown kind",
}
_MIN_PATH = 30
_GAP = "  "
_Column = tuple[str, Callable[[ScanRow], str]]

# By importance: a terminal that is too narrow for all of them shows the first ones, and the path.
_COLUMNS: tuple[_Column, ...] = (
    ("KIND", lambda row: _KINDS[row.kind] if row.kind is not None else ""),
    ("PLUGIN", lambda row: ", ".join(row.plugin_kinds)),
    ("GLIBC", lambda row: row.glibc or ""),
    ("GO", lambda row: row.go_version or ""),
    ("MACHINE", lambda row: row.machine or ""),
    ("HARDENING", lambda row: _hardening(row)),
    ("EXPORTS", lambda row: "" if row.exports is None else str(row.exports)),
    ("ODD", lambda row: str(len(row.anomalies) or "")),
)
_MORE_COLUMNS: tuple[_Column, ...] = (
    ("IMPORTS", lambda row: "" if row.imports is None else str(row.imports)),
    ("GLIBCXX", lambda row: row.glibcxx or ""),
    ("SIZE", lambda row: "" if row.size is None else str(row.size)),
    ("STRIPPED", lambda row: {True: "yes", False: "no", None: ""}[row.stripped]),
    ("SONAME", lambda row: row.soname or ""),
    ("NEEDED", lambda row: " ".join(row.needed)),
    ("BUILD ID", lambda row: row.build_id or ""),
    ("SAME AS", lambda row: row.same_as or ""),
)
_NUMBERS = frozenset({"EXPORTS", "IMPORTS", "SIZE", "ODD"})


def answer(totals: ScanTotals) -> str:
    """What was found, in one line: objects by kind, plugins, copies, errors."""
    kinds: Counter[str] = Counter()
    for kind, number in totals.kinds.items():
        kinds[_KINDS[kind]] += number
    parts = [count(kinds.total(), "ELF object")]
    if kinds:
        parts[0] += ": " + ", ".join(count(number, kind) for kind, number in kinds.most_common())
    parts += [count(number, kind) for kind, number in totals.plugin_kinds.items()]
    if totals.copies:
        parts.append(f"{totals.copies:,} the same as others")
    if totals.errors:
        parts.append(f"{totals.errors:,} not read")
    return "; ".join(parts) + "\n"


def table_lines(rows: Sequence[ScanRow], width: int, *, verbose: bool) -> Iterator[str]:
    """The table, and a line for each file that could not be read.

    It fits ``width`` terminal columns: a column without content is left out, the least important go first, and long
    paths lose their beginning. ``verbose`` shows all columns, and cuts nothing.
    """
    readable = [row for row in rows if row.error is None]
    columns = [(head, [printable(text(row)) for row in readable]) for head, text in _COLUMNS + _MORE_COLUMNS * verbose]
    shown = [(head, cells, max(map(len, (head, *cells)))) for head, cells in columns if any(cells)]
    while not verbose and shown and sum(size + len(_GAP) for _, _, size in shown) > width - _MIN_PATH:
        shown.pop()
    room = max(_MIN_PATH, width - sum(size + len(_GAP) for _, _, size in shown))
    paths = [printable(row.path) for row in readable]
    lines = [[head, *cells] for head, cells, _ in shown]
    lines.append(["PATH", *(paths if verbose else [_shortened(path, room) for path in paths])])
    if readable:
        for line in zip(*lines, strict=True):
            aligned = (
                cell.rjust(size) if head in _NUMBERS else cell.ljust(size)
                for cell, (head, _, size) in zip(line, shown, strict=False)
            )
            yield _GAP.join((*aligned, line[-1])).rstrip() + "\n"
    for row in rows:
        if row.error is not None:
            yield printable(f"not read: {row.path}: {row.error}") + "\n"


def _shortened(path: str, width: int) -> str:
    """The path in at most ``width`` columns: its end tells most."""
    return path if len(path) <= width else "…" + path[1 - width :]


def _hardening(row: ScanRow) -> str:
    """The protections in short; what is missing is left out."""
    if row.relro is None:
        return ""
    words = [f"{row.relro} relro"] if row.relro is not Relro.NONE else []
    words += ["nx"] if row.executable_stack is False else []
    words += ["canary"] if row.stack_protector else []
    words += ["fortify"] if row.fortified else []
    return ", ".join((*words, *map(str.lower, row.control_flow))) or "none"
