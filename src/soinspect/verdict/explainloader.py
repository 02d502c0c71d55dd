"""Whether a model of the process explains what its loader said: of a name that was looked up, or searched for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePath

from soinspect.demangle.scheme import with_raw
from soinspect.model.explanation import Explanation
from soinspect.model.loadplan import Dependency, DlopenPlan, GlobalLookup
from soinspect.model.verdict import Verdict
from soinspect.verdict.dlreason import dlopen_reason
from soinspect.verdict.dlsymbol import explained, symbols_that_stop
from soinspect.verdict.explain import Recognised


def is_of_program(found: Recognised, host: str) -> bool:
    """Whether the message is about the program itself: it names it where dlsym was given RTLD_DEFAULT (glibc)."""
    return found.known.id == "ld.undefined-symbol" and PurePath(found.words["path"]).name == PurePath(host).name


def hold_against_scope(found: Recognised, verdict: Verdict, looked_up: GlobalLookup) -> Explanation:
    """The explanation of what a program did not find in its global scope."""
    host, name = verdict.host, with_raw(found.words["name"])
    meant = replace(found.explanation(), verdict=verdict)
    if looked_up.provider is not None:
        remark = f"{looked_up.provider} exports {name}, and is in the global scope of {host}"
        return replace(meant, foreseen=False if looked_up.provider == host else None, remarks=(remark,))
    if not looked_up.complete:
        return replace(meant, remarks=(f"{host} needs libraries that are not here, which may define {name}",))
    how = "needs it itself" if looked_up.needed else "looked it up in its global scope"
    remark = f"{host} {how}, and nothing that is loaded for all exports {name}"
    if looked_up.local:
        opened = looked_up.local[0]
        why: str | None = f"{opened} exports it, and dlopen keeps that to its handle, unless it is given RTLD_GLOBAL"
        fix: str | None = f'dlopen("{opened}", RTLD_NOW | RTLD_GLOBAL), or dlsym with the handle that it returns'
    else:
        why, fix = explained(host, host, looked_up.hint)
    return replace(meant, foreseen=True, remarks=tuple(filter(None, (remark, why))), fix=fix or meant.fix)


def hold_against_plans(found: Recognised, meant: Explanation, plans: Iterable[DlopenPlan]) -> Explanation | None:
    """The explanation by a symbol that a plugin asks for and nothing defines, though dlopen names another first."""
    asked = (found.words["name"], found.version)
    for plan in plans:
        bindings = tuple(it for it in plan.plugin.bindings if (it.symbol, it.version) == asked)
        alone = replace(plan, plugin=replace(plan.plugin, bindings=bindings))
        for problem in symbols_that_stop(alone):
            reason = dlopen_reason(problem, plan.plugin.path)
            return replace(meant, foreseen=True, remarks=(reason.summary, *reason.evidence), fix=reason.fix)
    return None


def only_if_lazy(meant: Explanation) -> Explanation:
    """The explanation of a message that comes from a plugin which is refused if it is bound at once."""
    remark = "it comes if the host gives dlopen RTLD_LAZY; given RTLD_NOW, as is assumed, dlopen refuses it before"
    return replace(meant, foreseen=None, remarks=(remark,))


def hold_against_search(meant: Explanation, sought: Dependency) -> Explanation:
    """The explanation of a plugin that was not found by its name, which has no slash in it."""
    name = sought.name
    if sought.path is not None:
        remark = f'dlopen("{name}") finds {sought.path} here ({sought.found_by})'
        return replace(meant, foreseen=None, remarks=(remark,))
    remarks = (
        "a name without a slash is searched for, and not in the working directory",
        *(f"sought {it.path} ({it.place}): {it.result}" for it in sought.attempts),
    )
    return replace(meant, foreseen=True, remarks=remarks, fix=f'dlopen("./{name}", RTLD_NOW), or its whole path')
