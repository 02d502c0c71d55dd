"""The verdict on a host and its plugins, whatever they are written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soinspect.model.absence import Absent
from soinspect.model.goloading import GoHost, Guest
from soinspect.model.verdict import PluginVerdict, Reason, Requirement, Verdict
from soinspect.verdict.dlreason import DlopenProblem, dlopen_reason
from soinspect.verdict.goplugin import open_in_order
from soinspect.verdict.gorules import HOST_KIND

Problems = Mapping[str, Sequence[DlopenProblem]]
"""What dlopen objects to in each plugin, by the path of the plugin."""


def judge(
    path: str,
    host: GoHost | Absent,
    guests: Sequence[Guest],
    requirements: tuple[Requirement, ...] = (),
    problems: Problems | None = None,
) -> Verdict:
    """What becomes of ``guests``, opened in this order by the program at ``path``.

    ``problems`` None means that nobody looked at what dlopen does.
    """
    if isinstance(host, GoHost):
        found = {path: [dlopen_reason(it, opened_as=path) for it in each] for path, each in (problems or {}).items()}
        return Verdict(host=path, plugins=tuple(open_in_order(host, guests, requirements, found)))
    return Verdict(host=path, plugins=tuple(_opened_natively(host, guest, problems) for guest in guests))


def _opened_natively(host: Absent, guest: Guest, problems: Problems | None) -> PluginVerdict:
    reasons: tuple[Reason, ...]
    if problems is None:
        reasons = (HOST_KIND.found(f"the host cannot be judged: {host.reason}"),)
    else:
        reasons = tuple(dlopen_reason(problem) for problem in problems.get(guest.path, ()))
    return PluginVerdict(path=guest.path, reasons=reasons, passed=())
