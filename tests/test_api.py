"""What Python programs use: the functions of the package itself."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

import soinspect
from conftest import FIXTURES, Compile
from soinspect import api
from soinspect.errors import UsageError
from soinspect.model.calling import CallOptions, CallRequest, HostKind, Outcome


@pytest.mark.parametrize("name", soinspect.__all__)
def test_functions_of_the_package_are_those_of_api(name: str) -> None:
    function = getattr(soinspect, name)
    assert function is getattr(api, name)
    assert inspect.isfunction(function)
    assert function.__doc__


def test_no_subpackage_hides_a_function() -> None:
    assert not {module.name for module in pkgutil.iter_modules(soinspect.__path__)} & set(soinspect.__all__)
    with pytest.raises(AttributeError, match="no attribute 'calls'"):
        soinspect.calls  # noqa: B018


def test_options_of_a_call_are_the_fields_of_a_request() -> None:
    requested = get_type_hints(CallRequest)
    assert get_type_hints(CallOptions) == {
        field.name: requested[field.name] for field in fields(CallRequest) if field.name not in ("path", "steps")
    }


def test_a_call_from_python(cc: Compile) -> None:
    library = str(cc("int add(int a, int b) { return a + b; } int counter = 7;"))
    result = soinspect.call(library, "add(40, 2)", "counter=9", "counter", signatures=("int add(int a, int b)",))
    assert result.good
    assert result.host is HostKind.NATIVE
    assert [step.outcome for step in result.steps] == [Outcome.RETURNED, Outcome.ASSIGNED, Outcome.READ]
    assert [step.value for step in result.steps] == ["42", None, "9"]
    assert soinspect.call(library, init=True).steps[0].outcome is Outcome.NOTHING_TO_RUN
    with pytest.raises(UsageError, match="nothing to do"):
        soinspect.call(library)


def test_everything_is_asked_in_one_line() -> None:
    old, new = str(FIXTURES / "plugin1.so"), str(FIXTURES / "plugin2.so")
    assert soinspect.compare(old, new).verdict == "compatible: 1 info"
    assert soinspect.compare(Path(old), Path(new)) == soinspect.compare(old, new)
    assert soinspect.inspect(old).path == old
    assert soinspect.check(sys.executable, [old]).plugins
