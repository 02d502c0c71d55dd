"""Plugins whose tables are small, and seem to hold far more than the file has: what is read of them is bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gobinaries import FIXTURES, GoBuild
from soinspect.elf.file import ElfFile
from soinspect.elf.image import Image
from soinspect.go.binary import GoBinary
from soinspect.go.memory import WORD
from soinspect.go.moduledata import ModuleData
from soinspect.go.rtype import Types

_PLUGIN = (FIXTURES / "plugin1.so").read_bytes()
_LONG = b"\xff\xff\x03"  # 65535 as a uvarint


def _opened(data: bytes) -> GoBinary:
    binary = GoBinary.of(ElfFile(Image("plugin", data)))
    assert binary
    return binary


def _damaged(change: Callable[[ModuleData, bytearray], None]) -> GoBinary:
    """The demonstration's plugin after a function has changed its bytes."""
    module, data = _opened(_PLUGIN).module, bytearray(_PLUGIN)
    assert module
    change(module, data)
    return _opened(bytes(data))


def _place(module: ModuleData, address: int) -> int:
    offset = module.memory.image.offset_of(address)
    assert offset is not None
    return offset


def _join_names(module: ModuleData, data: bytearray) -> None:
    """Leave out the end of most names, so that each function's goes on over the following ones'."""
    names = module.slice("funcnametab")
    start = _place(module, names.address)
    joined = data[start : start + names.length].replace(b"\0", b"_")
    joined[:: 1 << 15] = bytes(len(joined[:: 1 << 15]))
    data[start : start + names.length] = joined


def test_names_of_functions_that_overlap() -> None:
    binary = _damaged(_join_names)
    listed = binary.list_functions()
    assert 0 < sum(map(len, listed.names)) < 4 * len(_PLUGIN)
    assert any("overlap out of proportion" in problem for problem in binary.problems)
    assert binary.package_sizes() == ()


def _many_initialisers(module: ModuleData, data: bytearray) -> None:
    tasks = module.slice("inittasks")
    for slot in module.memory.elements(tasks, WORD):
        place = _place(module, module.memory.word(slot))
        data[place + 4 : place + 8] = (1 << 14).to_bytes(4, "little")


def test_initialisation_tasks_that_overlap() -> None:
    binary = _damaged(_many_initialisers)
    assert binary.plugin
    assert not binary.plugin.init_tasks
    assert any("the tasks overlap out of proportion" in problem for problem in binary.problems)


def _long_names(module: ModuleData, data: bytearray) -> None:
    types = Types(module)
    for address in Types(module).all():
        place = _place(module, types.base + types.descriptor(address).name_offset)
        data[place + 1 : place + 4] = _LONG


def test_names_of_types_that_overlap() -> None:
    binary = _damaged(_long_names)
    assert sum(len(each.text) + len(each.underlying) for each in binary.list_types()) < 8 * len(_PLUGIN)
    assert any("overlap out of proportion" in problem for problem in binary.problems)


def test_a_question_asked_again_is_answered_again() -> None:
    """What is read for one answer is bounded, not what is read of a file that is open for long."""
    binary = _opened(_PLUGIN)
    first = list(binary.list_types())
    for _ in range(6):
        assert list(binary.list_types()) == first
    assert not binary.problems


_NESTED = """package main
import "fmt"
type Pair struct{ Left, Right int }
var Cube [16][16][16]int
var Pairs [3]Pair
func Show() { fmt.Println(Cube[0][0][0], Pairs) }
"""


def test_values_of_many_parts_are_cut(go_build: GoBuild, tmp_path: Path) -> None:
    source = tmp_path / "nested.go"
    source.write_text(_NESTED)
    with ElfFile.open(str(go_build("1.27.3", source, mode="plugin"))) as elf:
        binary = GoBinary.of(elf)
        assert binary
        assert binary.plugin
        initial = {export.name: export.initial for export in binary.plugin.exports}
    cube = initial["Cube"]
    assert isinstance(cube, str)
    assert cube.startswith("{{{0, 0,")
    assert cube.endswith("...}")
    assert len(cube) < 2000
    assert initial["Pairs"] == "{{Left: 0, Right: 0}, {Left: 0, Right: 0}, {Left: 0, Right: 0}}"
