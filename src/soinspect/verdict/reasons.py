"""All that ``check`` can find: what the loader meets, what Go's runtime meets, what is asked besides."""

from __future__ import annotations

from soinspect.verdict import dlrules, gorules

RULES = (*dlrules.RULES, *gorules.RULES)
