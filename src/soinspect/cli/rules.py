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
    """List what diff can find, or explain one rule."""
    from soinspect.compare.rules import RULES
    from soinspect.render.document import document

    rules = tuple(entry.rule for entry in RULES)
    chosen = tuple(rule for rule in rules if rule_id in (None, rule.id))
    if not chosen:
        raise UsageError(f"no rule is called {rule_id}; soinspect rules lists them")
    if output is PageFormat.JSON:
        write(document("rules", files=(), rules=chosen))
    elif rule_id is None:
        width = max(len(rule.id) for rule in rules)
        write("".join(f"{rule.severity:<10}  {rule.id:<{width}}  {rule.title}\n" for rule in rules))
    else:
        from soinspect.render.rules import rule_page

        write(rule_page(chosen[0]))
