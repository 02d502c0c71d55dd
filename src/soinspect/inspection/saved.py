"""Facts that were saved: snapshots and baselines stand in for files."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from soinspect.errors import InputError, UsageError
from soinspect.regularfile import open_regular

if TYPE_CHECKING:
    from soinspect.model.facts import Facts
    from soinspect.model.snapshot import Snapshot

_SNAPSHOT = b'{"soinspect"'
_BASELINE = b"soinspect baseline "
_START = max(len(_SNAPSHOT), len(_BASELINE))
# A hundred times the snapshot of libpython; reading takes some ten times its size of memory.
_MAX_SIZE = 1 << 27


def is_saved(path: str) -> bool:
    """Whether the file at ``path`` (``-``: what standard input will give) is a snapshot or a baseline."""
    if path == "-":
        return _is_start(sys.stdin.buffer.peek(_START)[:_START])  # type: ignore[union-attr]
    try:
        with open_regular(path) as file:
            return _is_start(file.read(_START) or b"")  # None, where the kernel would make us wait (/proc/kmsg)
    except (InputError, OSError):
        return False  # who opens it as an object file says what is wrong


def _is_start(data: bytes) -> bool:
    return data.startswith((_SNAPSHOT, _BASELINE))


def read_saved(path: str) -> Facts:
    """The facts in the snapshot or baseline at ``path``, which :func:`is_saved`; ``path`` is theirs from here on.

    :raises InputError: it is damaged, of another version, or too large; the error says where.
    """
    if path == "-":
        return _read(sys.stdin.buffer, "standard input")
    try:
        with open_regular(path) as file:
            return _read(file, path)
    except OSError as error:
        raise InputError(path, (error.strerror or "cannot be read").lower()) from None


def read_snapshot_facts(path: str) -> Facts:
    """All facts in the snapshot at ``path``.

    :raises InputError: as :func:`read_saved`.
    :raises UsageError: it is a baseline, which holds no more than a comparison needs.
    """
    from soinspect.model.facts import FactsOrigin

    facts = read_saved(path)
    if facts.origin is FactsOrigin.BASELINE:
        raise UsageError(f"{path} is a baseline, which is for diff alone; soinspect snapshot saves all facts")
    return facts


def read_saved_snapshot(path: str) -> Snapshot:
    """What the snapshot at ``path`` says of its file; errors as of :func:`read_snapshot_facts`."""
    return read_snapshot_facts(path).snapshot


def _read(file: BinaryIO, path: str) -> Facts:
    data = file.read(_MAX_SIZE + 1)
    if len(data) > _MAX_SIZE:
        raise InputError(path, f"a snapshot or baseline of more than {_MAX_SIZE:,} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(path, f"damaged: not UTF-8 at byte {error.start:,}") from None
    if text.startswith("{"):
        from soinspect.saved.snapshotfile import read_snapshot

        facts = read_snapshot(text, path)
        return replace(facts, snapshot=replace(facts.snapshot, path=path))
    from soinspect.saved.baseline import thaw

    return thaw(text, path)
