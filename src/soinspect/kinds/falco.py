"""Falco plugins: capabilities are groups of functions, each to be there as a whole (Falco's plugin_api.h)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from soinspect.kinds.pluginfile import PluginFile
from soinspect.kinds.readers import fact, returned_texts
from soinspect.model.pluginkind import KindFact, KindProblem

_CAPABILITIES = (
    ("event sourcing", ("plugin_open", "plugin_close", "plugin_next_batch")),
    ("field extraction", ("plugin_get_fields", "plugin_extract_fields")),
    ("event parsing", ("plugin_parse_event",)),
    ("asynchronous events", ("plugin_get_async_events", "plugin_set_async_event_handler")),
)
_read_texts = returned_texts("plugin_get_name", "plugin_get_version", "plugin_get_required_api_version")


def _missing(file: PluginFile, functions: Iterable[str]) -> list[str]:
    return [name for name in functions if not file.exported(name)]


def read_falco(file: PluginFile) -> Iterator[KindFact]:
    """Name and versions, and the capabilities that are complete."""
    yield from _read_texts(file)
    whole = [capability for capability, functions in _CAPABILITIES if not _missing(file, functions)]
    yield fact("capabilities", ", ".join(whole) or "none")


def judge_falco(file: PluginFile) -> Iterator[KindProblem]:
    """Whether there is a capability at all, and none by halves."""
    missing = {capability: _missing(file, functions) for capability, functions in _CAPABILITIES}
    for capability, functions in _CAPABILITIES:
        if missing[capability] and len(missing[capability]) < len(functions):
            yield KindProblem(
                kind="falco",
                summary=f"{capability} is incomplete: {', '.join(missing[capability])} missing",
                refused=False,
                fix=f"export {', '.join(missing[capability])}",
            )
    if all(missing.values()):
        yield KindProblem(
            kind="falco",
            summary="it has no capability: no group of functions is complete",
            refused=True,
            fix="export all functions of one capability, such as plugin_get_fields and plugin_extract_fields",
        )
