"""The page of ``soinspect deps``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soinspect.demangle.scheme import demangle, with_raw
from soinspect.model.loadplan import Binding, Dependency, LoadedObject, LoadPlan, VersionUse
from soinspect.model.texts import count
from soinspect.render.line import FIX, Line
from soinspect.render.text import printable

_FEW = 5


def deps_lines(plan: LoadPlan, *, verbose: bool) -> Iterator[Line]:
    """The answer, the tree, what is missing and where it was sought, what binds oddly; all bindings if verbose."""
    sure = plan.complete and not plan.unknown
    yield Line.of((printable(f"{plan.path}: {deps_answer(plan)}"), "bold" if sure else "bold red"))
    by_path = {it.path: it for it in plan.objects}
    if plan.objects:
        yield from _tree(plan.objects[0], by_path, {plan.path}, 1)
    few = None if verbose else _FEW
    for need in plan.missing:
        yield _row("not found", need.error or need.name, "red")
        yield from (_row("", f"sought {_attempt_text(need, n)}") for n in range(len(need.attempts))[:few])
        if few is not None and len(need.attempts) > few:
            yield _row("", f"and in {len(need.attempts) - few} more places (-v)")
    for use in plan.version_problems:
        yield _row("version", _version_text(use), "red")
    yield from _unresolved(plan, few)
    for copies in plan.copies:
        yield _row("two copies", f"of {copies.library}: {', '.join(copies.paths)}", "yellow")
    for lost in plan.interpositions:
        listed = _listed_symbols(lost.symbols, few)
        yield _row("interposed", f"{lost.definer} is bound to {lost.by} for its own {listed}")
    if verbose:
        yield from (_row("version", _version_text(use)) for use in plan.versions if use.provided is not False)
        yield from (_row("binds", _binding_text(it)) for it in plan.bindings if it.user == plan.path)
    yield from (_row("not read", remark, "yellow") for remark in plan.unknown)
    yield from (_row("assumed", remark, "dim") for remark in plan.remarks)
    fix = _fix(plan)
    if fix is not None:
        yield _row(FIX, fix)


def deps_answer(plan: LoadPlan) -> str:
    """What is missing, or that nothing is, in one line."""
    libraries = len(plan.objects) - 1
    truncated = [it.path for it in plan.objects if it.truncated]
    cut = f"truncated: {_listed(truncated, _FEW)}" if truncated else ""
    if plan.complete:
        if plan.unknown and not libraries:
            return f"cannot tell what it needs: {plan.unknown[0].removeprefix(f'{plan.path}: ')}"
        unread = f"; {cut or 'parts could not be read'}" if plan.unknown else ""
        if not libraries:
            return "needs no library"
        found = "found" if libraries == 1 else "all found"
        return f"{count(libraries, 'library')}, {found}, every symbol resolved{unread}"
    parts = [cut] if cut else []
    if plan.missing:
        parts.append(f"cannot load {_listed([it.name for it in plan.missing], _FEW)}")
    if plan.version_problems:
        wanted = list(dict.fromkeys(f"{it.version} of {it.library}" for it in plan.version_problems))
        parts.append(f"not provided: {_listed(wanted, _FEW)}")
    if plan.unresolved:
        names = list(dict.fromkeys(it.symbol for it in plan.unresolved))
        parts.append(f"{count(len(names), 'unresolved symbol')}: {_listed_symbols(names, _FEW)}")
    return "; ".join(parts)


def _listed(names: Sequence[str], few: int | None) -> str:
    shown = names if few is None else names[:few]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")


def _listed_symbols(names: Sequence[str], few: int | None) -> str:
    shown = [*map(demangle, names[:few]), *names[len(names) if few is None else few :]]
    return _listed(shown, few)


def _row(key: str, text: str, style: str = "") -> Line:
    return Line.of("  ", (f"{key:<10}", "cyan"), "  ", (printable(text), style), copied=key == FIX)


def _tree(loaded: LoadedObject, by_path: dict[str, LoadedObject], shown: set[str], depth: int) -> Iterator[Line]:
    """The dependencies below an object, each unfolded where it is loaded."""
    for need in loaded.needs:
        indent = "  " * depth
        if need.path is None:
            yield Line.of(indent, printable(need.name), (" => not found", "red"))
            continue
        loaded_as = "" if need.path == need.name else f" => {need.path}"
        first = need.path in by_path and need.path not in shown
        how = f"  [{by_path[need.path].found_by}]" if first else ""
        yield Line.of(indent, printable(need.name + loaded_as), (how, "dim"))
        if first:
            shown.add(need.path)
            yield from _tree(by_path[need.path], by_path, shown, depth + 1)


def _attempt_text(need: Dependency, number: int) -> str:
    attempt = need.attempts[number]
    return f"{attempt.path} ({attempt.place}): {attempt.result}"


def _version_text(use: VersionUse) -> str:
    forced = f", for {_listed_symbols(use.symbols, _FEW)}" if use.symbols else ", which no symbol asks for"
    if use.provider is None:
        return f"{use.version} of {use.library}, which is not loaded: needed by {use.user}{forced}"
    state = {True: "provided by", False: "NOT provided by", None: "cannot be checked: no versions in"}[use.provided]
    return f"{use.version} {state} {use.provider}: needed by {use.user}{forced}"


def _unresolved(plan: LoadPlan, few: int | None) -> Iterator[Line]:
    unresolved = plan.unresolved
    hints = {hint.symbol: hint for hint in plan.hints}
    for it in unresolved[:few]:
        yield _row("unresolved", f"{_versioned(it.symbol, it.version)}, needed by {it.user}", "red")
        hint = hints.get(it.symbol)
        if hint is None:
            continue
        if hint.hidden_in:
            yield _row("", f"{hint.hidden_in} defines it, and does not export it")
        if hint.versions:
            yield _row("", f"provided as {', '.join(_versioned(it.symbol, version) for version in hint.versions)}")
        if hint.twins:
            yield _row("", f"provided are {', '.join(map(with_raw, hint.twins))}")
    if few is not None and len(unresolved) > few:
        yield _row("", f"and {len(unresolved) - few:,} more (-v)")


def _versioned(symbol: str, version: str | None) -> str:
    raw, text = symbol if version is None else f"{symbol}@{version}", demangle(symbol)
    return raw if text == symbol else f"{text} ({raw})"


def _binding_text(binding: Binding) -> str:
    wanted = _versioned(binding.symbol, binding.version)
    if binding.provider is None:
        return f"{wanted} to nothing{' (weak)' if binding.weak else ''}"
    return f"{wanted} to {_versioned(binding.provider, binding.provided_version)}"


def _fix(plan: LoadPlan) -> str | None:
    """What to do about the first thing that is missing."""
    if plan.missing:
        name = plan.missing[0].name
        return f"soinspect deps --library-path DIR {plan.path}  (DIR is where {name} lies; else install its package)"
    if plan.version_problems:
        use = plan.version_problems[0]
        return (
            f"build on a system whose {use.library} is not newer than {use.provider}, or install a newer {use.library}"
        )
    if plan.unresolved:
        return f"soinspect check HOST {plan.path}  (if it is a plugin: its host may provide them)"
    return None
