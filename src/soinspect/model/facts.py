"""What judges a file needs of it, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from soinspect.model.absence import Absent
from soinspect.model.prototype import Prototypes
from soinspect.model.snapshot import Snapshot


class FactsOrigin(StrEnum):
    """Where facts were read: in the file itself, or in what was written down of it."""

    FILE = "file"
    SNAPSHOT = "snapshot"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of one file, and the types of its exports; a baseline holds only what others rely on."""

    snapshot: Snapshot
    types: Prototypes | Absent
    origin: FactsOrigin = FactsOrigin.FILE
