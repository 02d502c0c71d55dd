"""The one question that most callers have."""

from __future__ import annotations

from soinspect.elf.file import ElfFile
from soinspect.go.binary import GoBinary
from soinspect.model.absence import Absent
from soinspect.model.golang import GoFacts


def read_go(elf: ElfFile) -> GoFacts | Absent:
    """What ``elf`` says about itself as a Go binary; Absent if it is none."""
    binary = GoBinary.of(elf)
    return binary if isinstance(binary, Absent) else binary.facts
