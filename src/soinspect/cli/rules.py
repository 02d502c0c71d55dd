"""``soinspect rules``."""

from __future__ import annotations

from typing import Annotated

import typer

from soinspect.cli.options import Page, PageFormat, write
from soinspect.errors import UsageError


def command(
    rule_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One rule, whole.")] = None,
    output: Page = PageFormat.TEXT,
) -> None:
    """List what diff and check can find, or explain one rule."""
    from soinspect.comparing.rules import RULES
    from soinspect.render.document import document
    from soinspect.render.rules import rule_page, rule_table
    from soinspect.verdict.reasons import RULES as REASON_RULES

    rules = [entry.rule for entry in RULES if rule_id in (None, entry.rule.id)]
    reasons = [rule for rule in REASON_RULES if rule_id in (None, rule.id)]
    if not rules and not reasons:
        raise UsageError(f"no rule is called {rule_id}; soinspect rules lists them")
    if output is PageFormat.JSON:
        write(document("rules", files=(), rules=rules, reasons=reasons))
    elif rule_id is None:
        write(rule_table([*rules, *reasons]))
    else:
        write(rule_page(rules[0] if rules else reasons[0]))
