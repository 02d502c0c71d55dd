"""Open a Go plugin in a real Go program of its own toolchain, and carry out steps in it."""

from __future__ import annotations

import json
import os

from soinspect.calling.gochild import run_child
from soinspect.calling.goreport import Report
from soinspect.calling.gostep import find_export, parse_step
from soinspect.calling.hostbuild import obtain_host
from soinspect.calling.toolchain import CallEnvironment
from soinspect.elf.file import ElfFile
from soinspect.errors import CannotRun, UsageError
from soinspect.model.absence import Absent
from soinspect.model.calling import CallRequest, CallResult
from soinspect.model.golang import GoFacts, GoPlugin

# What every program expects of its environment; the rest may be secret, or change how Go's runtime behaves.
_EXPECTED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")

# A context given to the plugin ends before our patience does, so that a function that heeds it can return.
_CONTEXT_SHARE = 0.8


def call_in_go_host(request: CallRequest, facts: GoFacts, environment: CallEnvironment) -> CallResult:
    """Open the plugin at ``request.path`` in a matching host, which runs its initialisers; then carry out the steps.

    :raises UsageError: it is no plugin, or a step makes no sense or names nothing that it exports; nothing was
        started.
    :raises CannotRun: no matching host can be had on this machine.
    """
    plugin = facts.plugin
    if isinstance(plugin, Absent):
        raise UsageError(f"{request.path} cannot be opened by a Go host: {plugin.reason}")
    steps = [parse_step(step.symbol) for step in request.steps if step.symbol is not None]
    for step in steps:
        find_export(step, plugin, request.path)
    host = obtain_host(facts, plugin, environment)
    asked = {
        "plugin": os.path.realpath(request.path),
        "inittask": _init_task(request, plugin),
        "timeout": int(request.limits.timeout * 1000 * _CONTEXT_SHARE),
        "memory": request.limits.memory,
        "steps": [{"symbol": s.symbol, "arguments": s.arguments, "value": s.value} for s in steps],
    }
    variables = plain_variables(request, environment)
    try:
        run = run_child(host.executable, json.dumps(asked).encode(), variables, request.limits, request.sandbox)
    except OSError as error:
        raise CannotRun(
            f"the Go host {host.executable} cannot be started: {error.strerror}",
            "put the cache ($XDG_CACHE_HOME) on a file system that allows programs to run",
        ) from None
    name = f"a go{host.release.text} host"
    return Report(request=request, plugin=plugin, host=name, evidence=host.evidence, run=run).result()


def plain_variables(request: CallRequest, environment: CallEnvironment) -> dict[str, str]:
    """The environment of the child: what every program expects, and what the request adds."""
    variables = {name: environment.variables[name] for name in _EXPECTED if name in environment.variables}
    return variables | {variable.name: variable.value for variable in request.environment}


def _init_task(request: CallRequest, plugin: GoPlugin) -> int:
    """The address in the file of the plugin's own init task, whose state is evidence; 0 when nobody asks for it."""
    if all(step.symbol is not None for step in request.steps):
        return 0
    with ElfFile.open(request.path) as elf:
        symbol = elf.dynamic_symbols and elf.dynamic_symbols.get(f"{plugin.path}..inittask")
        return symbol.value if symbol and symbol.defined else 0
