"""The page of a rule, as it stands in ``docs/rules`` and ``docs/reasons``."""

from __future__ import annotations

from collections.abc import Sequence

from soinspect.model.finding import Rule
from soinspect.model.verdict import Outcome, ReasonRule


def rule_page(rule: Rule | ReasonRule) -> str:
    """What can be found, why it matters and what to do, in Markdown."""
    return f"""# {rule.id}

**{rule.title}.** {_weight(rule)}

{rule.why}

Fix: {rule.fix}

Reference: <{rule.reference}>
"""


def rule_index(rules: tuple[Rule, ...]) -> str:
    """The table of all rules, in Markdown."""
    rows = "".join(f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {rule.title} |\n" for rule in rules)
    return f"# What `soinspect diff` can find\n\n| rule | severity | title |\n|---|---|---|\n{rows}"


def reason_index(rules: tuple[ReasonRule, ...]) -> str:
    """The table of all reasons that ``check`` gives, in Markdown."""
    rows = "".join(f"| [{rule.id}]({rule.id}.md) | {_column(rule)} | {rule.title} |\n" for rule in rules)
    return (
        "# What `soinspect check` can find\n\nIn the order in which a host meets it.\n\n"
        f"| reason | outcome | title |\n|---|---|---|\n{rows}"
    )


def rule_table(rules: Sequence[Rule | ReasonRule]) -> str:
    """All rules, one a line: how grave, id, title."""
    width = max(len(rule.id) for rule in rules)
    return "".join(f"{_column(rule):<11}  {rule.id:<{width}}  {rule.title}\n" for rule in rules)


def _column(rule: Rule | ReasonRule) -> str:
    if isinstance(rule, Rule):
        return rule.severity
    return "risky" if rule.outcome is Outcome.ACCEPTED else rule.outcome


def _weight(rule: Rule | ReasonRule) -> str:
    return f"Severity: {_column(rule)}." if isinstance(rule, Rule) else f"Outcome: {_column(rule)}."
