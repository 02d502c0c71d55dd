"""From what ``dlopen`` objects to, as the loader's model finds it, to the reasons of a verdict."""

from __future__ import annotations

from soinspect.demangle.scheme import with_raw
from soinspect.model.loadplan import DlopenProblem, Effect, ProblemKind
from soinspect.model.verdict import Outcome, Reason
from soinspect.verdict.dlrules import DLOPEN_RULES

_OUTCOMES = {
    Effect.REFUSED: Outcome.REJECTED,
    Effect.ABORTS: Outcome.ABORTS_HOST,
    Effect.UNDECIDED: Outcome.UNDECIDED,
    Effect.RISKY: Outcome.ACCEPTED,
}


def dlopen_reason(problem: DlopenProblem, plugin: str, *, opened_as: str | None = None) -> Reason:
    """The reason that a problem with the file ``plugin`` is; ``opened_as`` is what a Go host gave to plugin.Open."""
    outcome = _OUTCOMES[problem.effect]
    # That it is about the plugin is said in front of the summary.
    summary = problem.summary.removeprefix(f"{plugin}: ")
    if problem.kind in (ProblemKind.SYMBOL, ProblemKind.SYMBOL_AT_CALL):
        summary = summary.replace(problem.subject, with_raw(problem.subject), 1)
    message = problem.message
    if opened_as is not None and outcome is Outcome.REJECTED:
        message = f'plugin.Open("{opened_as}"): {message}'
    return DLOPEN_RULES[problem.kind].found(
        f"{summary}: {problem.cause}" if problem.cause else summary,
        outcome=outcome,
        message=message,
        evidence=problem.evidence,
        cause=problem.cause,
        fix=problem.fix,
    )
