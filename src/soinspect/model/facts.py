"""What judges a file needs of it, as one value."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass
from soinspect.model.loading import LoadingFacts
from soinspect.model.snapshot import Snapshot

if TYPE_CHECKING:
    from soinspect.model.prototype import Prototypes

NOT_READ = Absent("what the loader looks at was not saved")


class FactsOrigin(StrEnum):
    """Where facts were read: in the file itself, or in what was written down of it."""

    FILE = "file"
    SNAPSHOT = "snapshot"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of one file, and the types of its exports; a baseline holds only what others rely on.

    ``loading`` is what ``check`` and ``deps`` need besides, and is read for snapshots only.
    """

    snapshot: Snapshot
    types: Prototypes | Absent
    origin: FactsOrigin = FactsOrigin.FILE
    loading: LoadingFacts | Absent = NOT_READ
