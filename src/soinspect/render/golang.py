"""The page and the listings of ``soinspect go``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from soinspect.model.absence import Absent
from soinspect.model.golang import (
    GoBuildInfo,
    GoExport,
    GoExportKind,
    GoFacts,
    GoFunction,
    GoFunctions,
    GoKind,
    GoModule,
    GoPlugin,
    GoType,
)
from soinspect.model.goreport import GoReport, GoTable
from soinspect.model.texts import count
from soinspect.render.page import Page
from soinspect.render.text import all_printable, printable

_FEW = 8
_MANY = 60
_PARTS_OF_BUILD_ID = ("link action", "main package's action", "main package's content", "file's content")
# Settings that decide whether a host accepts a plugin, or where it was built from.
_SETTINGS_THAT_MATTER = (
    "-trimpath", "-tags", "-race", "-msan", "-asan", "-cover", "-gcflags", "-asmflags", "-ldflags", "-buildmode",
    "CGO_ENABLED", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140",
    "vcs", "vcs.revision", "vcs.time", "vcs.modified",
)  # fmt: skip


def go_page(report: GoReport, *, verbose: bool) -> Page:
    """What the Go binary is, what it exports, what it is made of, what runs when it is opened, what is odd."""
    facts = report.facts
    if isinstance(facts, Absent):
        return Page(answer=f"{report.path}: {facts.reason}")
    few = None if verbose else _FEW
    damage = "; not all of it can be read" if report.problems else ""
    page = Page(answer=f"{report.path}: {_source(report) or summary(facts)}{damage}")
    page.add("version", _version(facts, verbose=verbose))
    page.add("kind", [f"{facts.kind}: {facts.kind_evidence}"] if verbose else ())
    if facts.plugin:
        page.add("plugin path", facts.plugin.path)
        page.add("exports", _few((export_line(export, verbose=verbose) for export in facts.plugin.exports), _many(few)))
        page.add("types", _few(map(type_line, report.mentioned_types), few))
    elif isinstance(facts.plugin, Absent):
        page.add("plugin", facts.plugin.reason)
    to_c = (f"{e.prototype or e.name} at {e.address:#x}{_go_side(e.function)}" for e in facts.cgo_exports)
    page.add("to C", _few(to_c, few))
    page.add("from C", [", ".join(facts.c_imports)] if facts.c_imports else ())
    page.add("modules", _modules(facts.build_info, few))
    page.add("settings", _settings(facts.build_info, verbose=verbose))
    if facts.plugin:
        page.add("packages", f"{count(len(facts.plugin.package_hashes), 'package')} (--packages lists their hashes)")
        page.add("initialisers", _initialisers(facts.plugin))
    page.add("build id", _build_id(facts.build_id, verbose=verbose))
    page.add("module data", _module_data(facts) if verbose else ())
    page.add("odd", _oddities(facts), style="yellow")
    page.add("not read", report.problems, style="yellow")
    return page


def summary(facts: GoFacts) -> str:
    """The whole file in one line."""
    parts = [f"Go {facts.kind}", facts.version.text if facts.version.exact else f"built with {facts.version.text}"]
    if facts.plugin:
        kinds = [export.kind for export in facts.plugin.exports]
        parts += [
            facts.plugin.path,
            count(kinds.count(GoExportKind.FUNCTION), "function"),
            count(kinds.count(GoExportKind.VARIABLE), "variable"),
            count(len(facts.plugin.package_hashes), "package"),
        ]
    if facts.cgo_exports:
        parts.append(count(len(facts.cgo_exports), "C function"))
    if facts.build_info:
        parts.append(_module_mode(facts.build_info))
    return ", ".join(parts)


def _source(report: GoReport) -> str:
    """The answer to "was it built from these files?", if that was asked."""
    proof = report.source
    if proof is None:
        return ""
    if isinstance(proof.built_from, Absent):
        return f"cannot tell what it was built from: {proof.how}"
    return f"{'yes' if proof.built_from else 'no'}: {proof.how}"


def export_line(export: GoExport, *, verbose: bool) -> str:
    """An export as Go would declare it."""
    where = ""
    if isinstance(export.address, Absent):
        where = f"  MISSING: {export.address.reason}"
    elif verbose:
        where = f"  at {export.address:#x}, {count(export.size, 'byte')}"
    if export.kind is GoExportKind.FUNCTION:
        return f"func {export.name}{export.type.removeprefix('func')}{where}"
    initial = export.initial
    value = "" if initial is None or isinstance(initial, Absent) else f" = {initial}"
    return f"var {export.name} {export.type}{value}{where}"


def type_line(described: GoType) -> str:
    """A type with its fields and methods in one line; of a pointer only the methods are of interest."""
    methods = "; ".join(f"{m.name}{m.signature.removeprefix('func')}" for m in described.methods)
    if described.kind is GoKind.POINTER and methods:
        return f"methods of {described.text}: {methods}"
    line = f"{described.underlying} ({count(described.size, 'byte')})"
    if described.named:
        line = f"type {described.text} {line}"
    return f"{line} methods {methods}" if methods and described.kind is not GoKind.INTERFACE else line


def _few(lines: Iterable[str], few: int | None) -> Iterator[str]:
    """All lines, or the first few and how many more."""
    every = list(lines)
    yield from every if few is None else every[:few]
    if few is not None and len(every) > few:
        yield f"and {len(every) - few:,} more (-v shows all)"


def _many(few: int | None) -> int | None:
    return None if few is None else _MANY


def _version(facts: GoFacts, *, verbose: bool) -> Iterator[str]:
    version = facts.version
    yield f"{version.text}, from {'; '.join(version.evidence) or 'nothing: no evidence is left'}"
    if verbose:
        yield from version.corroboration


def _go_side(function: GoFunction | Absent) -> str:
    return f", Go's {function.name} ({position(function)})" if function else ""


def _module_mode(info: GoBuildInfo) -> str:
    if info.main:
        return f"module {info.main.path} {info.main.version}".rstrip()
    return count(len(info.dependencies), "module") if info.dependencies else "module mode off"


def _modules(info: GoBuildInfo | Absent, few: int | None) -> Iterator[str]:
    if isinstance(info, Absent):
        yield info.reason
        return
    yield f"{_module_mode(info)}; package {info.path or 'without a path'}"
    yield from _few(map(_module, info.dependencies), few)


def _module(module: GoModule) -> str:
    text = " ".join(part for part in (module.path, module.version, module.sum) if part)
    return f"{text} => {_module(module.replacement)}" if module.replacement else text


def _settings(info: GoBuildInfo | Absent, *, verbose: bool) -> Iterator[str]:
    shown = [
        f"{setting.key}={setting.value}"
        for setting in (info.settings if info else ())
        if verbose or (setting.key in _SETTINGS_THAT_MATTER and setting.value)
    ]
    if verbose:
        yield from shown
    elif shown:
        yield " ".join(shown)


def _initialisers(plugin: GoPlugin) -> Iterator[str]:
    if isinstance(plugin.init_tasks, Absent):
        yield plugin.init_tasks.reason
        return
    yield f"{count(len(plugin.init_tasks), 'package')} to initialise (--inits lists them in order)"
    for task in plugin.init_tasks:
        if task.package == plugin.path or task.package == "main":
            for function in task.functions:
                yield f"its own {function.name.removeprefix(plugin.path + '.')} ({position(function)})"


def _build_id(build_id: str | Absent, *, verbose: bool) -> Iterator[str]:
    if isinstance(build_id, Absent):
        yield build_id.reason
        return
    parts = build_id.split("/")
    if not verbose or len(parts) != len(_PARTS_OF_BUILD_ID):
        yield build_id
        return
    for name, part in zip(_PARTS_OF_BUILD_ID, parts, strict=True):
        yield f"{part} ({name})"


def _module_data(facts: GoFacts) -> str:
    data = facts.module_data
    if isinstance(data, Absent):
        return data.reason
    return f"at {data.address:#x}, laid out as {data.layout}, found by {', '.join(data.found_by)}"


def _oddities(facts: GoFacts) -> Iterator[str]:
    clues = (*facts.version.evidence, *facts.version.corroboration)
    yield from (clue for clue in clues if clue.startswith("CONTRADICTION"))
    if not facts.plugin:
        return
    for export in facts.plugin.exports:
        if isinstance(export.address, Absent):
            yield f"{export.name} is exported, but has no symbol: plugin.Open will fail"
    for entry in facts.plugin.package_hashes:
        if isinstance(entry.runtime_hash, str) and entry.runtime_hash != entry.hash:
            yield f"package {entry.package}: linked against {entry.hash}, but brings {entry.runtime_hash} itself"


# -- listings ----------------------------------------------------------------------------------------------


def position(function: GoFunction) -> str:
    """``file:line``, or that there is none."""
    return f"{function.file}:{function.line}" if function.file else "no source"


def table_lines(report: GoReport, table: GoTable) -> Iterator[str]:
    """The lines of one table, safe to print."""
    return iter(all_printable(list(_TABLES[table](report))))


def address_lines(report: GoReport) -> Iterator[str]:
    """One line an address that was asked for: the function with the offset into it, file and line."""
    for answer in report.addresses:
        function = answer.function
        if isinstance(function, Absent):
            yield f"{answer.address:#x}  {function.reason}"
        else:
            offset = answer.address - function.entry
            yield printable(f"{answer.address:#x}  {function.name}+{offset:#x}  {position(function)}")


def _plugin(report: GoReport) -> GoPlugin | Absent:
    return report.facts if isinstance(report.facts, Absent) else report.facts.plugin


def _packages(report: GoReport) -> Iterator[str]:
    plugin = _plugin(report)
    if isinstance(plugin, Absent):
        yield f"no list of packages: {plugin.reason}"
        return
    for entry in plugin.package_hashes:
        own = entry.runtime_hash
        yield f"{entry.hash}  {own.reason if isinstance(own, Absent) else own}  {entry.package}"


def _inits(report: GoReport) -> Iterator[str]:
    plugin = _plugin(report)
    tasks = plugin if isinstance(plugin, Absent) else plugin.init_tasks
    if isinstance(tasks, Absent):
        yield f"no list of initialisers: {tasks.reason}"
        return
    yield from _functions(function for task in tasks for function in task.functions)


def _functions(functions: Iterable[GoFunction]) -> Iterator[str]:
    return (f"{function.entry:#x}  {function.name}  {position(function)}" for function in functions)


def _function_lines(functions: GoFunctions) -> Iterator[str]:
    rows = zip(functions.entries, functions.names, functions.files, functions.lines, strict=True)
    return (f"{entry:#x}  {name}  {file}:{line}" if file else f"{entry:#x}  {name}  no source"
            for entry, name, file, line in rows)  # fmt: skip


# One line an entry: what identifies it comes first, what may be long last.
_TABLES: dict[GoTable, Callable[[GoReport], Iterator[str]]] = {
    GoTable.PACKAGES: _packages,
    GoTable.INITS: _inits,
    GoTable.FUNCTIONS: lambda report: _function_lines(report.functions or GoFunctions()),
    GoTable.TYPES: lambda report: (f"{t.address:#x}  {type_line(t)}" for t in report.types or ()),
    GoTable.ITABS: lambda report: (f"{i.address:#x}  {i.type} implements {i.interface}" for i in report.itabs or ()),
    GoTable.SIZES: lambda report: (
        f"{size.code:>10}  {size.functions:>6}  {size.package or '(no package)'}" for size in report.sizes or ()
    ),
}
