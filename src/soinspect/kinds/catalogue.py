"""All kinds of plugins, in one order; and what is known of an entry point by its name alone."""

from __future__ import annotations

from functools import cache

from soinspect.kinds import languages, media, servers, systems, tools
from soinspect.kinds.rule import EntryPoint, KindRule
from soinspect.model.lateclass import dataclass

KINDS: tuple[KindRule, ...] = (
    *languages.RULES,
    *servers.RULES,
    *systems.RULES,
    *media.RULES,
    *tools.RULES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What a symbol's name promises: the ``host`` that looks for it, and the C ``prototype`` it expects.

    ``callable`` and ``uses_python`` as in :class:`~soinspect.kinds.rule.EntryPoint`.
    """

    host: str
    prototype: str
    callable: bool
    uses_python: bool


def convention_of(name: str) -> Convention | None:
    """The convention that a symbol's name follows, or None.

    Patterns that begin with ``*``, and names that are words of everyday use, say too little without the rest of the
    file.
    """
    exact, patterns = _by_name()
    found = exact.get(name, [])
    found = found + [one for prefix, suffix, one in patterns if name.startswith(prefix) and name.endswith(suffix)]
    if not found:
        return None
    prototypes = {entry.prototype for _, entry in found}
    return Convention(
        host=", ".join(dict.fromkeys(rule.host for rule, _ in found)),
        prototype=prototypes.pop() if len(prototypes) == 1 else "differs between hosts",
        callable=all(entry.callable for _, entry in found),
        uses_python=any(entry.uses_python for _, entry in found),
    )


_EVERYDAY = ("init", "fini", "plugin_is_GPL_compatible", "plugin_name", "plugin_type", "plugin_version")
_FINGERPRINTS = ("go:link.pkghashbytes.*", "go.link.pkghashbytes.*")  # nobody calls them
_Found = tuple[KindRule, EntryPoint]


@cache
def _by_name() -> tuple[dict[str, list[_Found]], list[tuple[str, str, _Found]]]:
    """The entry points by their whole names, and those with a ``*`` with what stands before and after it."""
    exact: dict[str, list[_Found]] = {}
    patterns: list[tuple[str, str, _Found]] = []
    for rule in KINDS:
        for entry in rule.entry_points:
            prefix, star, suffix = entry.pattern.partition("*")
            if not prefix or entry.pattern in (*_EVERYDAY, *_FINGERPRINTS):
                continue
            if star:
                patterns.append((prefix, suffix, (rule, entry)))
            else:
                exact.setdefault(entry.pattern, []).append((rule, entry))
    return exact, patterns
