"""A native call in one line, for the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from soinspect import api
from soinspect.calling.native import call_native
from soinspect.calling.toolchain import CallEnvironment
from soinspect.model.calling import CallLimits, CallRequest, CallResult, EnvironmentVariable, NativeFacts, Sandbox, Step

ENVIRONMENT = CallEnvironment(variables=dict(os.environ), cache=Path("unused"), site_packages=(), python=sys.executable)
FIXTURES = Path(__file__).parent.parent / "fixtures"


def call(
    path: Path,
    *steps: str | None,
    timeout: float = 20.0,
    sandbox: Sandbox | None = None,
    signatures: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    repeat: int = 1,
    lazy: bool = False,
    library_paths: tuple[str, ...] = (),
    namespace: bool = False,
    **environment: str,
) -> CallResult:
    request = CallRequest(
        path=str(path),
        steps=tuple(Step(symbol=symbol) for symbol in steps),
        limits=CallLimits(timeout=timeout),
        environment=tuple(EnvironmentVariable(name=name, value=value) for name, value in environment.items()),
        sandbox=sandbox or Sandbox(),
        signatures=signatures,
        headers=headers,
        repeat=repeat,
        lazy=lazy,
        library_paths=library_paths,
        namespace=namespace,
    )
    return call_native(request, NativeFacts.of(api.inspect(str(path))), ENVIRONMENT)
