"""Exit codes, the same for every command, and the one place where errors become lines on stderr."""

from __future__ import annotations

import sys
from enum import IntEnum

from soinspect.errors import CannotRun, SoinspectError


class Exit(IntEnum):
    """What the shell sees."""

    FINE = 0
    FINDING = 1
    UNREADABLE = 2
    UNDECIDED = 3
    INTERRUPTED = 130
    CLOSED_PIPE = 141  # as the shell reports a program that SIGPIPE ended


def report(error: SoinspectError) -> Exit:
    """Print an error as one line, with the remedy where there is one; the exit code it means."""
    from soinspect.render.text import printable

    print(f"soinspect: {printable(str(error))}", file=sys.stderr)  # noqa: T201
    if isinstance(error, CannotRun):
        print(f"fix: {printable(error.remedy)}", file=sys.stderr)  # noqa: T201
        return Exit.UNDECIDED
    return Exit.UNREADABLE
