"""Whether a host accepts plugins: outcomes, the reasons that lead to them, the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from soinspect.model.lateclass import dataclass
from soinspect.model.requirement import Requirement


class Outcome(StrEnum):
    """What becomes of opening a plugin, worst first.

    ``REJECTED`` is an error that the host can handle; what aborts it cannot be handled.
    """

    ABORTS_HOST = "aborts_host"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a plugin meets its outcome.

    ``summary`` is the answer in a few words. ``message`` is what the real loader prints, None where it prints nothing
    or the words are not known. ``cause`` is what lies behind it, None where the files do not tell. ``fix`` is a command
    where one does it, advice otherwise.
    """

    rule: str
    outcome: Outcome
    summary: str
    message: str | None
    evidence: tuple[str, ...]
    cause: str | None
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRule:
    """Something that ``check`` can find: the outcome it leads to (``ACCEPTED``: it is only a risk), and why.

    ``id`` is stable and never reused.
    """

    id: str
    outcome: Outcome
    title: str
    why: str
    fix: str
    reference: str

    def found(
        self,
        summary: str,
        *,
        outcome: Outcome | None = None,
        message: str | None = None,
        evidence: tuple[str, ...] = (),
        cause: str | None = None,
        fix: str | None = None,
    ) -> Reason:
        """A reason of this kind: with the rule's outcome and fix, unless another is given."""
        return Reason(
            rule=self.id,
            outcome=outcome or self.outcome,
            summary=summary,
            message=message,
            evidence=evidence,
            cause=cause,
            fix=fix or self.fix,
        )


Step = Reason | str
"""A check of a plugin: why it fails or what is risky, or, in words, that it passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginVerdict:
    """What becomes of one plugin; ``passed`` are the checks that it passed, both in the loader's order.

    ``remarks`` say what was judged, where that may not be what was meant.
    """

    path: str
    reasons: tuple[Reason, ...]
    passed: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The worst that its reasons lead to."""
        return _worst(reason.outcome for reason in self.reasons)

    @property
    def summary(self) -> str:
        """The answer in a few words: of the reason that decides."""
        worst = self.outcome
        return next((r.summary for r in self.reasons if r.outcome is worst), "every check is passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of all plugins of one host, opened in this order."""

    host: str
    plugins: tuple[PluginVerdict, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst that happens to one of them."""
        return _worst(plugin.outcome for plugin in self.plugins)

    @property
    def risky(self) -> bool:
        """Whether there is any reason for concern, be it only a risk."""
        return any(plugin.reasons for plugin in self.plugins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is asked of every plugin.

    ``newest`` are the newest versions that the target has, as (family, number) pairs: ``("GLIBC", "2.28")``.
    ``forbidden`` are patterns of libraries that must not stand in DT_NEEDED.
    """

    requirements: tuple[Requirement, ...] = ()
    newest: tuple[tuple[str, str], ...] = ()
    forbidden: tuple[str, ...] = ()

    def required_of(self, plugin: str) -> tuple[Requirement, ...]:
        """What the plugin at this path must export."""
        return tuple(it for it in self.requirements if it.plugin in (None, plugin))


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of some outcomes; nothing at all is accepted."""
    order = list(Outcome)
    return min(outcomes, key=order.index, default=Outcome.ACCEPTED)
