"""How an object is protected, as values."""

from __future__ import annotations

from enum import StrEnum

from soinspect.model.absence import Absent
from soinspect.model.lateclass import dataclass


class Relro(StrEnum):
    """Read-only after relocation: not at all, all but the PLT's slots, or (bound at load time) those too."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """Protections that the file asks for; Absent where the file, or its language, has no say in it.

    ``fortified`` are the ``*_chk`` functions it imports, ``fortify_missed`` imports that have a checked twin.
    ``control_flow`` names the enforced control-flow protections (``IBT``, ``SHSTK``, ``BTI``, ``PAC``).
    """

    relro: Relro
    bind_now: bool
    executable_stack: bool | Absent
    text_relocations: bool
    stack_protector: bool | Absent
    fortified: tuple[str, ...] | Absent
    fortify_missed: tuple[str, ...] | Absent
    control_flow: tuple[str, ...]
