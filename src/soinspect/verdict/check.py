"""The verdict on a host and its plugins, whatever they are written in."""

from __future__ import annotations

from collections.abc import Sequence

from soinspect.model.absence import Absent
from soinspect.model.goloading import GoHost, Guest
from soinspect.model.verdict import PluginVerdict, Requirement, Verdict
from soinspect.verdict.goplugin import open_in_order
from soinspect.verdict.gorules import HOST_KIND


def judge(
    path: str, host: GoHost | Absent, guests: Sequence[Guest], requirements: tuple[Requirement, ...] = ()
) -> Verdict:
    """What becomes of ``guests``, opened in this order by the program at ``path``."""
    if isinstance(host, Absent):
        unjudged = HOST_KIND.found(f"the host cannot be judged: {host.reason}")
        verdicts = [PluginVerdict(path=guest.path, reasons=(unjudged,), passed=()) for guest in guests]
    else:
        verdicts = open_in_order(host, guests, requirements)
    return Verdict(host=path, plugins=tuple(verdicts))
