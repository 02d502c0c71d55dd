"""What of a file others rely on: all that a baseline writes down, and nothing that moves with every build."""

from __future__ import annotations

from dataclasses import replace

from soinspect.model.absence import Absent
from soinspect.model.golang import GoBuildInfo, GoFacts, GoPackageHash, GoPlugin
from soinspect.model.prototype import Evidence, Language, Prototypes
from soinspect.model.snapshot import DynamicLinking, Snapshot
from soinspect.model.symbol import ExplainedSymbols

_NOT_KEPT = Absent("a baseline does not keep it")


def contract_of(facts: Snapshot) -> Snapshot:
    """The facts without addresses, sizes of code, counts and names of inner things."""
    return replace(
        facts,
        size=0,
        header=replace(facts.header, entry=0, phoff=0, shoff=0, phnum=0, shnum=0, shstrndx=0),
        producers=(),
        build_id=_NOT_KEPT,
        symbols=facts.symbols if isinstance(facts.symbols, Absent) else _relied_on(facts, facts.symbols),
        dynamic=facts.dynamic if isinstance(facts.dynamic, Absent) else _linking(facts.dynamic),
        static_symbols=_NOT_KEPT,
        # Which name stands for the address depends on what is stripped.
        init_functions=tuple(replace(it, address=0, name=_NOT_KEPT) for it in facts.init_functions),
        class_tables=tuple(sorted(facts.class_tables, key=lambda table: table.symbol)),
        go=facts.go if isinstance(facts.go, Absent) else _go_contract(facts.go),
        anomalies=(),
        witnesses=(),
        plugin_kinds=(),
    )


def _linking(dynamic: DynamicLinking) -> DynamicLinking:
    """The same with versions and their symbols sorted: linkers list them in no order."""
    needs = sorted(dynamic.version_needs, key=lambda need: (need.library, need.version))
    floors = tuple(replace(floor, symbols=tuple(sorted(floor.symbols))) for floor in dynamic.version_floors)
    return replace(
        dynamic,
        version_needs=tuple(needs),
        version_floors=floors,
        defined_versions=tuple(sorted(dynamic.defined_versions)),
    )


def _relied_on(facts: Snapshot, rows: ExplainedSymbols) -> ExplainedSymbols:
    """What others bind to by name, and what others must provide."""
    symbols = rows.symbols
    kept = facts.offered + symbols.undefined
    return rows.take(sorted(kept, key=lambda i: (symbols.names[i], symbols.versions[i] or "", symbols.sections[i])))


def _go_contract(go: GoFacts) -> GoFacts:
    return replace(
        go,
        kind_evidence="",
        version=replace(go.version, evidence=(), corroboration=()),
        build_id=_NOT_KEPT,
        build_info=go.build_info if isinstance(go.build_info, Absent) else _build_contract(go.build_info),
        module_data=_NOT_KEPT,
        plugin=go.plugin if isinstance(go.plugin, Absent) else _plugin_contract(go.plugin),
        problems=(),
        cgo_exports=tuple(replace(export, address=0, function=_NOT_KEPT) for export in go.cgo_exports),
        reached_types=tuple(
            replace(it, address=0, distance=None, methods=tuple(replace(method, address=0) for method in it.methods))
            for it in go.reached_types
        ),
    )


def _build_contract(info: GoBuildInfo) -> GoBuildInfo:
    """How to build the same again, from whatever revision, and without what nobody set."""
    kept = (it for it in info.settings if it.value and it.key != "-ldflags" and not it.key.startswith("vcs"))
    return replace(info, main=replace(info.main, version="", sum="") if info.main else None, settings=tuple(kept))


def _plugin_contract(plugin: GoPlugin) -> GoPlugin:
    """The exports, and the hashes of the packages that others have, too."""
    tasks = plugin.init_tasks
    shared = (it for it in plugin.package_hashes if it.package != plugin.path)
    return replace(
        plugin,
        package_hashes=tuple(GoPackageHash(package=it.package, hash=it.hash) for it in shared),
        exports=tuple(replace(export, address=0, size=0, initial=None) for export in plugin.exports),
        init_tasks=tasks if isinstance(tasks, Absent) else tuple(replace(task, functions=()) for task in tasks),
    )


def types_contract(types: Prototypes | Absent) -> Prototypes | Absent:
    """The types without the files that they were described in, or were sought in."""
    if isinstance(types, Absent):
        return Absent(types.reason.partition(":")[0])
    return replace(
        types,
        functions=tuple(
            replace(it, unit="", evidence=Evidence.NAME, language=_language(it.language)) for it in types.functions
        ),
        variables=tuple(
            replace(it, unit="", evidence=Evidence.NAME, language=_language(it.language)) for it in types.variables
        ),
        source="a baseline",
        producers=(),
        remarks=(),
    )


def _language(language: Language) -> Language:
    """C, or what is not C: no more than declarations depend on."""
    return Language.C if language.is_c else Language.CPP
