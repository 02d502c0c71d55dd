"""The page of ``soinspect info``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from soinspect.model.absence import Absent
from soinspect.model.constants import ElfClass, Machine
from soinspect.model.dynamic import VersionFloor
from soinspect.model.hardening import Hardening
from soinspect.model.pluginkind import PluginKind
from soinspect.model.snapshot import Snapshot, Witness
from soinspect.model.texts import count
from soinspect.render.page import Page
from soinspect.render.text import known

if TYPE_CHECKING:
    from soinspect.model.golang import GoFacts

_FEW = 4
_OSABI = {0: "System V", 3: "GNU/Linux", 9: "FreeBSD", 12: "OpenBSD", 97: "ARM"}


def info_page(facts: Snapshot, *, verbose: bool) -> Page:
    """One page on one file: what it is, who built it, what it needs, what it offers, what is odd."""
    few = None if verbose else _FEW
    page = Page(answer=f"{facts.path}: {summary(facts)}")
    page.add("file", _file(facts))
    page.add("built by", _built_by(facts))
    for kind in facts.plugin_kinds:
        _add_kind(page, kind, few)
    if not isinstance(facts.dynamic, Absent):
        page.add("soname", known(facts.dynamic.soname))
        page.add("needs", facts.dynamic.needed or ("nothing",))
        page.add("rpath", [p for p in (facts.dynamic.rpath,) if p])
        page.add("runpath", [p for p in (facts.dynamic.runpath,) if p])
        page.add("flags", [", ".join(facts.dynamic.flags)] if facts.dynamic.flags else [])
        page.add("versions", [_floor(floor, few) for floor in facts.dynamic.version_floors])
    else:
        page.add("linking", facts.dynamic.reason)
    page.add("build ids", _build_ids(facts))
    page.add("hardening", _hardening(facts.hardening, few))
    if facts.tls is not None:
        static = "in the static TLS block (dlopen can fail when it is full)" if facts.tls.static else "dynamic"
        page.add("tls", f"{count(facts.tls.size, 'byte')}, {static}")
    page.add("on load", _init_functions(facts, few))
    page.add("symbols", _symbols(facts))
    if not isinstance(facts.go, Absent):
        _add_go(page, facts.go, few)
    page.add("witnesses", (_witness(witness) for witness in facts.witnesses))
    page.add("odd", (f"{anomaly.where}: {anomaly.what}" for anomaly in facts.anomalies), style="yellow")
    return page


def machine_name(machine: Machine) -> str:
    """The machine as people write it (``x86-64``)."""
    return machine.name.lower().replace("_", "-")


def summary(facts: Snapshot) -> str:
    """What the file is, in one line."""
    machine = machine_name(facts.header.machine)
    if facts.truncated:
        machine += "; TRUNCATED, so what is missing below may only be cut off"
    go = facts.go
    if isinstance(go, Absent):
        purpose = "".join(f" ({kind.title})" for kind in facts.plugin_kinds)
        return f"{facts.kind}{purpose}, {machine}; {_symbol_summary(facts)}{_refusal(facts)}"
    if isinstance(go.plugin, Absent):
        return f"Go {go.kind}, {go.version.text}, {machine}"
    names = ", ".join(export.name for export in go.plugin.exports) or "nothing"
    return f"Go plugin, {go.version.text}, {machine}; exports {names}{_refusal(facts)}"


def _refusal(facts: Snapshot) -> str:
    refused = any(problem.refused for kind in facts.plugin_kinds for problem in kind.problems)
    return "; its host will refuse it" if refused else ""


def _symbol_summary(facts: Snapshot) -> str:
    if isinstance(facts.symbols, Absent):
        return facts.symbols.reason
    columns = facts.symbols.symbols
    return f"{count(len(columns.exported), 'exported symbol')}, {len(columns.undefined):,} undefined"


def _file(facts: Snapshot) -> str:
    header = facts.header
    bits = "64-bit" if header.elf_class is ElfClass.ELF64 else "32-bit"
    osabi = _OSABI.get(header.osabi, f"OS ABI {header.osabi}")
    text = f"{facts.kind}, {bits} {header.byteorder}-endian ELF, {machine_name(header.machine)}, {osabi}"
    if facts.interpreter:
        text += f", interpreter {facts.interpreter}"
    return f"{text}, {count(facts.size, 'byte')}"


def _built_by(facts: Snapshot) -> Iterator[str]:
    if not isinstance(facts.go, Absent):
        version = facts.go.version
        yield f"{version.text} ({'; '.join(version.evidence)})"
    yield from facts.producers
    if isinstance(facts.go, Absent) and not facts.producers:
        yield "unknown: no .comment section"


def _floor(floor: VersionFloor, few: int | None) -> str:
    name = {"GLIBC": "glibc"}.get(floor.family, floor.family)
    text = f"{name} {'.'.join(map(str, floor.number))} or newer"
    if floor.family != "GLIBC":
        text += f" ({floor.library})"
    if not floor.symbols:
        return f"{text}: needs {floor.version}, no symbol asks for it"
    return f"{text}: forced by {listed(floor.symbols, few)}"


def listed(names: tuple[str, ...], few: int | None) -> str:
    """Names in one line: all of them, or the first ``few`` and how many more."""
    shown = names if few is None else names[:few]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")


def _build_ids(facts: Snapshot) -> Iterator[str]:
    yield facts.build_id.reason if isinstance(facts.build_id, Absent) else f"GNU {facts.build_id}"
    if not isinstance(facts.go, Absent) and not isinstance(facts.go.build_id, Absent):
        yield f"Go {facts.go.build_id}"


def _hardening(hardening: Hardening, few: int | None) -> Iterator[str]:
    yield f"RELRO {hardening.relro}, {'bound at load time' if hardening.bind_now else 'lazy binding'}"
    stack = hardening.executable_stack
    if isinstance(stack, Absent):
        yield stack.reason
    else:
        yield ("executable stack (glibc 2.41 and newer refuse to dlopen it)" if stack else "stack not executable")
    if hardening.text_relocations:
        yield "text relocations (SELinux may refuse it)"
    if isinstance(hardening.stack_protector, Absent):
        yield f"stack protector and FORTIFY: not applicable ({hardening.stack_protector.reason})"
    else:
        yield "stack protector " + ("used" if hardening.stack_protector else "not seen")
        yield f"FORTIFY: {_fortify(hardening, few)}"
    yield f"control flow: {', '.join(hardening.control_flow) or 'no protection declared (CET, BTI)'}"


def _fortify(hardening: Hardening, few: int | None) -> str:
    fortified, missed = hardening.fortified or (), hardening.fortify_missed or ()
    if not fortified and not missed:
        return "nothing to fortify"
    parts = []
    if fortified:
        parts.append(f"{count(len(fortified), 'function')} ({listed(fortified, few)})")
    if missed:
        parts.append(f"unchecked {listed(missed, few)}")
    return "; ".join(parts)


def _init_functions(facts: Snapshot, few: int | None) -> Iterator[str]:
    for function in facts.init_functions[:few]:
        yield f"{function.listed_in}: {_name_at(function.name, function.address)}"
    if few is not None and len(facts.init_functions) > few:
        yield f"and {len(facts.init_functions) - few:,} more (-v)"


def _symbols(facts: Snapshot) -> Iterator[str]:
    if isinstance(facts.symbols, Absent):
        yield facts.symbols.reason
    else:
        yield f"{len(facts.symbols):,} dynamic: {_symbol_summary(facts)}"
    static = facts.static_symbols
    yield static.reason if isinstance(static, Absent) else f"{static:,} in .symtab"


def _name_at(name: str | Absent, address: int) -> str:
    return f"unnamed function at {address:#x}" if isinstance(name, Absent) else f"{name} at {address:#x}"


def _witness(witness: Witness) -> str:
    if isinstance(witness.agrees, Absent):
        return f"{witness.name}: {witness.agrees.reason}"
    if witness.agrees:
        return f"{witness.name} reads the same {count(witness.symbols, 'dynamic symbol')}"
    return (
        f"{witness.name} disagrees: {count(witness.symbols, 'dynamic symbol')}, "
        f"{witness.only_ours:,} of ours it does not have, {witness.only_theirs:,} of its own we do not have"
    )


def _add_kind(page: Page, kind: PluginKind, few: int | None) -> None:
    """What the file is a plugin for, what it tells its host, and what its host will not like."""
    page.add("plugin for", f"{kind.host}: {', '.join(kind.evidence)}")
    page.add("", [f"{fact.name}: {known(fact.value)}" for fact in kind.facts])
    if few is None:
        page.add("entry points", [f"{entry.symbol}: {entry.prototype}" for entry in kind.entry_points])
    for problem in kind.problems:
        text = "refused" if problem.refused else "perhaps refused"
        page.add("", (f"{text}: {problem.summary}", f"fix: {problem.fix}"), style="yellow")


def _add_go(page: Page, go: GoFacts, few: int | None) -> None:
    from soinspect.model.golang import GoBinaryKind

    if not isinstance(go.plugin, Absent):
        page.add("plugin path", go.plugin.path)
        page.add("exports", (export.declaration for export in go.plugin.exports))
        page.add(
            "packages",
            f"{count(len(go.plugin.package_hashes), 'package')} with a hash that the host must match",
        )
    elif go.kind is GoBinaryKind.PLUGIN:
        page.add("plugin path", go.plugin.reason)
    if isinstance(go.build_info, Absent):
        page.add("modules", go.build_info.reason)
    else:
        info = go.build_info
        main = f"{info.main.path} {info.main.version}".strip() if info.main else "module mode off"
        page.add("modules", f"{main}, {count(len(info.dependencies), 'dependency')}")
        # DefaultGODEBUG alone fills a screen, and no host compares it.
        settings = [f"{s.key}={s.value}" for s in info.settings if few is None or s.key != "DefaultGODEBUG"]
        page.add("settings", [" ".join(settings)])
    page.add("not read", go.problems, style="yellow")
