"""All kinds of plugins, in one order; and what is known of an entry point by its name alone."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from soinspect.kinds import languages, media, servers, systems, tools
from soinspect.kinds.rule import KindRule

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
    found = [
        (rule, entry)
        for rule in KINDS
        for entry in rule.entry_points
        if entry.pattern not in _EVERYDAY and not entry.pattern.startswith("*") and fnmatchcase(name, entry.pattern)
    ]
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
