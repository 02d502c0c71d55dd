"""Dataclasses whose methods are written late, beside those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator

import pytest

import soinspect
from soinspect.model import lateclass
from soinspect.model.lateclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """A value."""

    one: int
    two: str = "2"
    three: list[int] = dataclasses.field(default_factory=list)

    @property
    def twice(self) -> int:
        return 2 * self.one


@dataclass(frozen=True, slots=True)
class Positional:
    only: int

    def __repr__(self) -> str:
        return f"<{self.only}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Late):
    four: float

    def __post_init__(self) -> None:
        if self.four < 0:
            raise ValueError("negative")


@dataclass(frozen=True, slots=True)
class Empty:
    pass


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Early:
    one: int
    two: str = "2"
    three: list[int] = dataclasses.field(default_factory=list)


def test_values_are_made_compared_and_shown_as_those_of_the_library() -> None:
    late, early = Late(one=1), Early(one=1)
    assert repr(late).replace("Late", "Early") == repr(early)
    assert dataclasses.asdict(late) == dataclasses.asdict(early)
    assert late == Late(one=1)
    assert late != Late(one=1, two="x")
    assert late != object()
    assert (late.twice, late.three, Late(one=1).three is late.three) == (2, [], False)
    assert hash(Derived(one=1, three=(), four=0)) == hash((1, "2", (), 0))  # type: ignore[arg-type]
    assert dataclasses.replace(late, two="3") == Late(one=1, two="3")
    assert [field.name for field in dataclasses.fields(late)] == ["one", "two", "three"]
    assert {Positional(1): "x"}[Positional(1)] == "x"
    assert repr([Positional(1), Empty()]) == "[<1>, Empty()]"
    assert Empty() == Empty()
    match late:
        case Late(one=1, two=two):
            assert two == "2"
        case _:
            pytest.fail("no match")


def test_values_do_not_change() -> None:
    late = Late(one=1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'one'"):
        late.one = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'one'"):
        del late.one
    with pytest.raises(AttributeError):
        late.other = 2  # type: ignore[attr-defined]
    assert not hasattr(late, "__dict__")


def test_arguments_are_checked() -> None:
    for bad in ({}, {"one": 1, "other": 2}):
        with pytest.raises(TypeError):
            Late(**bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Late(1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="negative"):
        Derived(one=1, four=-1)
    assert Derived(one=1, four=1).twice == 2


def test_values_are_copied_and_sent_to_other_processes() -> None:
    for value in (Late(one=1, three=[4]), Derived(one=1, four=2.5), Positional(3), Empty()):
        assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == copy.deepcopy(value) == value


def _late_classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(soinspect.__path__, "soinspect."):
        if ".worker" not in module.name and "__main__" not in module.name:
            for _, found in inspect.getmembers(importlib.import_module(module.name), dataclasses.is_dataclass):
                if isinstance(found, type) and "__setstate__" in vars(found):
                    yield found


def test_all_take_the_arguments_that_the_library_would_have_them_take() -> None:
    """Of each class a twin is made by the library."""
    classes = {*_late_classes()}
    assert len(classes) > 150
    for cls in classes:
        fields = [
            (
                it.name,
                it.type,
                dataclasses.field(default=it.default, default_factory=it.default_factory, kw_only=it.kw_only),
            )
            for it in dataclasses.fields(cls)
        ]
        twin = dataclasses.make_dataclass(cls.__name__, fields)
        assert _parameters(lateclass._written_init(cls)) == _parameters(vars(twin)["__init__"])  # type: ignore[attr-defined]


def _as_declared(it: dataclasses.Field[object]) -> object:
    if it.default_factory is dataclasses.MISSING:
        return dataclasses.field(default=it.default, kw_only=it.kw_only is True)
    return dataclasses.field(default_factory=it.default_factory, kw_only=it.kw_only is True)


def _parameters(function: Callable[..., None]) -> list[tuple[str, object, bool]]:
    return [(it.name, it.kind, it.default is it.empty) for it in inspect.signature(function).parameters.values()]
