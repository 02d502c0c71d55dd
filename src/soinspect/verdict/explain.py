"""From a text that somebody copied to what the loader meant, and whether some files explain it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from soinspect.demangle.scheme import with_raw
from soinspect.errors import UsageError
from soinspect.go.typetext import is_written_alike, parse_type
from soinspect.model.absence import Absent
from soinspect.model.explanation import Explanation, LoaderMessage, PluginNames
from soinspect.model.lateclass import dataclass
from soinspect.model.requirement import Requirement
from soinspect.model.verdict import Outcome, PluginVerdict, Reason, Verdict
from soinspect.verdict.dlrules import REQUIRED
from soinspect.verdict.messages import MESSAGES

_MAX_TEXT = 1 << 13  # characters: patterns that search for a name take time that grows with its square
_ENDS_OF_TYPE = re.compile(r"""["'`\]})\w](?=\s|["'`,;:\\]|$)""")
_MAX_ENDS = 100
_NOT_SAID = "?"
_STOPS = (Outcome.REJECTED, Outcome.ABORTS_HOST)
# What these say depends on more than the files: on folders, on the order of events, on other code.
_FROM_SURROUNDINGS = ("go.realpath", "go.empty-plugin-path", "go.nil-pointer", "go.nil-symbol")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A loader's message in a text, and what its pattern found in it."""

    known: LoaderMessage
    message: str
    words: Mapping[str, str]

    @property
    def version(self) -> str | None:
        """The version of a symbol that it names."""
        version = self.words.get("version", _NOT_SAID)
        return None if version == _NOT_SAID else version

    def explanation(self) -> Explanation:
        """What it means."""
        words = {name: with_raw(value) for name, value in self.words.items()}
        return Explanation(
            id=self.known.id,
            message=self.message,
            means=self.known.means.format(**words),
            fix=self.known.fix.format(**self.words),
        )


def recognise(text: str) -> Recognised | Absent:
    """The message that a text has in it, with whatever the program wrapped around the loader's words."""
    for known in MESSAGES:
        match = re.search(known.pattern, text[:_MAX_TEXT])
        if match:
            words = {name: value or _NOT_SAID for name, value in match.groupdict().items()}
            if "wanted" in words:
                words["wanted"] = _type_in_front(words["wanted"])
            return Recognised(known=known, message=match[0], words=words)
    return Absent("not a message of Go, glibc or musl that is known")


def _type_in_front(text: str) -> str:
    """The longest Go type that a text begins with; the whole text if it begins with none."""
    ends = [match.end() for match in _ENDS_OF_TYPE.finditer(text)][:_MAX_ENDS]
    for end in reversed(ends):
        try:
            parse_type(text[:end])
        except UsageError:
            continue
        return text[:end]
    return text


def asked_by(found: Recognised, plugin: PluginNames) -> Iterator[Requirement]:
    """What the host asked of a plugin, if the message is its answer to that."""
    words = found.words
    match found.known.id:
        case "go.symbol-not-found":
            if plugin.go and plugin.go.path == words["plugin"]:
                yield Requirement(symbol=words["name"], type=None, plugin=plugin.path)
        case "go.type" | "go.missing-method":
            for export in plugin.go.exports if plugin.go and _is_type(words["wanted"]) else ():
                if is_written_alike(words["found"], export.looked_up_type):
                    yield Requirement(symbol=export.name, type=words["wanted"], plugin=plugin.path)
        case "ld.undefined-symbol" | "musl.dlsym" | "python.init":
            if plugin.go is None and words["name"] not in plugin.undefined:
                yield Requirement(symbol=words["name"], type=None, version=found.version, plugin=plugin.path)


def _is_type(text: str) -> bool:
    try:
        parse_type(text)
    except UsageError:
        return False
    return True


def hold_against(found: Recognised, verdict: Verdict, plugins: Sequence[PluginNames]) -> Explanation:
    """The explanation with the verdict on the files: whether it foresees the same message, about the same thing."""
    meant = found.explanation()
    reached = [it for plugin in verdict.plugins for it in _reached(plugin)]
    reason = next((it for it in reached if _foresees(it, found, plugins)), None)
    foreseen, remarks = (True, reason.evidence) if reason else _not_foreseen(found, verdict, plugins)
    if reason and all(it.summary != reason.summary for it in verdict.plugins):  # which are told anyway
        remarks = (reason.summary, *remarks)
    return Explanation(
        id=meant.id,
        message=meant.message,
        means=meant.means,
        fix=reason.fix if reason else meant.fix,
        verdict=verdict,
        foreseen=foreseen,
        remarks=remarks,
    )


def _reached(plugin: PluginVerdict) -> list[Reason]:
    """The reasons that come to pass: dlsym looks up in what dlopen has opened."""
    refused = any(it.outcome in _STOPS and it.rule != REQUIRED.id for it in plugin.reasons)
    return [it for it in plugin.reasons if not (refused and it.rule == REQUIRED.id)]


def _foresees(reason: Reason, found: Recognised, plugins: Sequence[PluginNames]) -> bool:
    """Whether the message is the one that a reason leads to; where the files lie does not matter."""
    if reason.outcome not in _STOPS:
        return False
    if reason.rule in found.known.foreseen_by:
        return True
    predicted = recognise(reason.message or "")
    if isinstance(predicted, Absent) or predicted.known.id != found.known.id:
        return False
    return all(_agree(name, value, predicted.words[name], plugins) for name, value in found.words.items())


def _agree(name: str, said: str, predicted: str, plugins: Sequence[PluginNames]) -> bool:
    if name == "path" or said == predicted:
        return True
    if name != "file":
        return False
    said, predicted = PurePath(said).name, PurePath(predicted).name
    if said == predicted:
        return True
    # A plugin may have been called otherwise, but not as a library that it needs.
    own = [it for it in plugins if PurePath(it.path).name == predicted]
    return any(said not in it.needed for it in own)


def _not_foreseen(
    found: Recognised, verdict: Verdict, plugins: Sequence[PluginNames]
) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the files rule the message out, or cannot tell; and why."""
    kind, words = found.known.id, found.words
    if verdict.outcome is Outcome.UNDECIDED:
        return None, ()
    if kind == "go.symbol-not-found":
        others = [f"{PurePath(it.path).name} is the plugin {it.go.path}" for it in plugins if it.go]
        named = any(it.go and it.go.path == words["plugin"] for it in plugins)
        return False, () if named else (f"the message is about the plugin {words['plugin']}", *others)
    if kind == "go.already-loaded" and len(plugins) == 1:
        return None, ("one plugin alone is never loaded already: name all, in the order in which the host opens them",)
    if kind in ("ld.undefined-symbol", "musl.dlsym", "python.init") and all(
        words["name"] in it.exported for it in plugins
    ):
        return False, tuple(f"{PurePath(it.path).name} exports {with_raw(words['name'])}" for it in plugins)
    if kind.startswith("go.") and kind not in _FROM_SURROUNDINGS:
        return False, ()
    strange: tuple[str, ...] = ()
    if kind == "ld.undefined-symbol":
        unasked = [it for it in plugins if words["name"] not in it.exported | it.undefined]
        strange = tuple(
            f"{PurePath(it.path).name} neither exports nor needs {with_raw(words['name'])}" for it in unasked
        )
    elsewhere = "it may come from another host, other libraries or another environment than is seen here"
    return None, (*strange, elsewhere)
