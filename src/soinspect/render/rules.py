"""The page of a rule, as it stands in ``docs/rules``."""

from __future__ import annotations

from soinspect.model.finding import Rule


def rule_page(rule: Rule) -> str:
    """What can be found, why it matters and what to do, in Markdown."""
    return f"""# {rule.id}

**{rule.title}.** Severity: {rule.severity}.

{rule.why}

Fix: {rule.fix}

Reference: <{rule.reference}>
"""


def rule_index(rules: tuple[Rule, ...]) -> str:
    """The table of all rules, in Markdown."""
    rows = "".join(f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {rule.title} |\n" for rule in rules)
    return f"# What `soinspect diff` can find\n\n| rule | severity | title |\n|---|---|---|\n{rows}"
