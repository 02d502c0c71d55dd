"""From what ``dlopen`` objects to, as the loader's model finds it, to the reasons of a verdict."""

from __future__ import annotations

from typing import Protocol

from soinspect.model.verdict import Outcome, Reason

_OUTCOMES = {
    "refused": Outcome.REJECTED,
    "aborts": Outcome.ABORTS_HOST,
    "undecided": Outcome.UNDECIDED,
    "risky": Outcome.ACCEPTED,
}


class DlopenProblem(Protocol):
    """One thing that goes wrong, or may: ``effect`` is refused, aborts, undecided or risky."""

    @property
    def kind(self) -> str:
        """What it is about: ``version``, ``symbol``, ..."""

    @property
    def effect(self) -> str:
        """What it does."""

    @property
    def message(self) -> str:
        """What dlerror will say."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """What was found in the files."""

    @property
    def fix(self) -> str | None:
        """What to do, if that is known."""


def dlopen_reason(problem: DlopenProblem, *, opened_as: str | None = None) -> Reason:
    """The reason that a problem is; ``opened_as`` is the path that a Go host gave to plugin.Open."""
    outcome = _OUTCOMES[problem.effect]
    said = problem.message
    if opened_as is not None and outcome is Outcome.REJECTED:
        said = f'plugin.Open("{opened_as}"): {said}'
    return Reason(
        rule=f"check.dlopen.{problem.kind}",
        outcome=outcome,
        summary=problem.message,
        message=None if outcome in (Outcome.UNDECIDED, Outcome.ACCEPTED) else said,
        evidence=problem.evidence,
        cause=None,
        fix=problem.fix or "",
    )
