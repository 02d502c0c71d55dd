"""A note, as a value."""

from __future__ import annotations

from enum import IntEnum

from soinspect.model.lateclass import dataclass


class GnuNoteType(IntEnum):
    """``n_type`` of notes owned by ``GNU``."""

    ABI_TAG = 1
    BUILD_ID = 3
    PROPERTY_TYPE_0 = 5


class GoNoteType(IntEnum):
    """``n_type`` of notes owned by ``Go`` (cmd/link/internal/ld/elf.go)."""

    PKG_LIST = 1
    ABI_HASH = 2
    DEPS = 3
    BUILD_ID = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note: who defined it, its type, its file offset in bytes, its contents."""

    owner: str
    type: int
    offset: int
    data: bytes
