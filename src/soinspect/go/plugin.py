"""What plugin.Open reads: the path, the table of exports, the fingerprints of packages, the initialisers.

Sources: src/runtime/plugin.go, src/plugin/plugin_dlopen.go, src/runtime/proc.go (doInit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import final

from soinspect.errors import FormatError
from soinspect.go.memory import WORD
from soinspect.go.moduledata import ModuleData
from soinspect.go.pclntab import FunctionTable
from soinspect.go.rtype import Types
from soinspect.go.typeinfo import full_text
from soinspect.go.values import Values
from soinspect.model.absence import Absent
from soinspect.model.golang import (
    GoExport,
    GoExportKind,
    GoFunction,
    GoInitTask,
    GoKind,
    GoPackageHash,
    GoPlugin,
)

_EXPORT_SIZE = 8
_PACKAGE_HASH_SIZE = 40
_LAST_WITH_HEX_FINGERPRINTS = 15


def read_plugin(
    module: ModuleData, functions: FunctionTable | Absent, problem: Callable[[str, FormatError], None]
) -> GoPlugin | Absent:
    """The plugin's own tables; what cannot be read of them is told to ``problem``.

    :raises FormatError: the plugin path cannot be read, so that it is not even known to be a plugin.
    """
    path = module.string("pluginpath")
    if not path:
        return Absent("not a plugin: no plugin path")
    exports: list[GoExport] = []
    try:
        exports.extend(_exports(module, path, functions))
    except FormatError as error:
        problem("the table of exports", error)
    hashes: list[GoPackageHash] = []
    try:
        hashes.extend(_package_hashes(module))
    except FormatError as error:
        problem("the fingerprints of packages", error)
    tasks: tuple[GoInitTask, ...] | Absent
    try:
        tasks = _init_tasks(module, path, functions)
    except FormatError as error:
        problem("the initialisation tasks", error)
        tasks = Absent("damaged")
    return GoPlugin(path=path, exports=tuple(exports), package_hashes=tuple(hashes), init_tasks=tasks)


def export_types(module: ModuleData) -> Iterator[int]:
    """The addresses of the types in the table of exports: of a function its type, of a variable a pointer to it.

    :raises FormatError: the table lies outside of the file.
    """
    types = module.word("types")
    for entry in module.memory.elements(module.slice("ptab"), _EXPORT_SIZE):
        yield types + module.memory.int32(entry + 4)


def _exports(module: ModuleData, path: str, functions: FunctionTable | Absent) -> Iterator[GoExport]:
    memory, types = module.memory, Types(module)
    values = Values(memory, types, functions)
    symbols = memory.elf.dynamic_symbols
    entries = memory.elements(module.slice("ptab"), _EXPORT_SIZE)
    for entry, type_address in zip(entries, export_types(module), strict=True):
        name = types.name(types.base + memory.int32(entry))
        symbol = symbols.get(f"{path}.{name}") if symbols else None
        address = symbol.value if symbol and symbol.defined else Absent(f"no dynamic symbol {path}.{name}")
        is_function = types.descriptor(type_address).kind is GoKind.FUNC
        own_type = type_address if is_function else types.element(type_address)
        yield GoExport(
            name=name,
            kind=GoExportKind.FUNCTION if is_function else GoExportKind.VARIABLE,
            type=types.text(own_type),
            full_type=_full_text(types, own_type),
            address=address,
            size=symbol.size if symbol and symbol.defined else 0,
            initial=None if is_function else _initial(values, own_type, address),
        )


def _full_text(types: Types, address: int) -> str:
    try:
        return full_text(types, address)
    except FormatError:  # the descriptor is damaged, and its text is not
        return ""


def _initial(values: Values, type_address: int, address: int | Absent) -> str | Absent:
    if isinstance(address, Absent):
        return address
    try:
        return values.text(type_address, address)
    except FormatError as error:
        return Absent(f"damaged: {error.reason}")


def _package_hashes(module: ModuleData) -> Iterator[GoPackageHash]:
    memory = module.memory
    for entry in memory.elements(module.slice("pkghashes"), _PACKAGE_HASH_SIZE):
        runtime = memory.word(entry + 4 * WORD)  # in a plugin the symbol go:link.pkghash.PACKAGE
        yield GoPackageHash(
            package=memory.string(entry),
            hash=_fingerprint(module, entry + 2 * WORD),
            runtime_hash=_fingerprint(module, runtime) if runtime else Absent("another module brings it"),
        )


def _fingerprint(module: ModuleData, header: int) -> str:
    """The bytes behind a string header: as hex, which up to 1.15 is how they are stored."""
    memory = module.memory
    data = memory.block(memory.word(header), memory.word(header + WORD))
    return data.decode("ascii", "replace") if module.layout.last <= _LAST_WITH_HEX_FINGERPRINTS else data.hex()


# -- initialisation ----------------------------------------------------------------------------------------


def _init_tasks(module: ModuleData, path: str, functions: FunctionTable | Absent) -> tuple[GoInitTask, ...] | Absent:
    if not functions:
        return Absent("the functions cannot be named without the pclntab")
    tasks = _Tasks(module, functions)
    if module.has("inittasks"):
        return tuple(tasks.sorted())
    symbols = module.memory.elf.dynamic_symbols or module.memory.elf.static_symbols
    task = symbols.get(f"{path}..inittask") if symbols else None
    if task is not None and task.defined:
        return tuple(tasks.tree(task.value))
    init = symbols.get(f"{path}.init") if symbols else None
    if init is not None and init.defined:
        return (tasks.of([init.value]),)
    return Absent("nothing to initialise")


@final
class _Tasks:
    """Initialisation tasks; records that overlap out of proportion to the file raise FormatError."""

    def __init__(self, module: ModuleData, functions: FunctionTable) -> None:
        self._module = module
        self._memory = module.memory
        self._functions = functions
        self._left = module.memory.image.size

    def of(self, code: Iterable[int]) -> GoInitTask:
        """The task that runs the functions at these addresses."""
        named: list[GoFunction] = []
        for address in code:
            function = self._functions.at(address) or _unnamed(address)
            self._spend(address, len(function.name) + len(function.file))
            named.append(function)
        return GoInitTask(package=next((f.package for f in named if f.package), ""), functions=tuple(named))

    def sorted(self) -> Iterator[GoInitTask]:
        """1.21 and later: the linker sorted the records {state u32, count u32, code...}."""
        for slot in self._memory.elements(self._module.slice("inittasks"), WORD):
            record = self._memory.word(slot)
            yield self.of(self._words(record + WORD, self._memory.uint32(record + 4)))

    def tree(self, root: int) -> Iterator[GoInitTask]:
        """1.13 to 1.20: {state, ndeps, nfns, dependencies..., code...}; dependencies run first, each once."""
        word = self._memory.word
        seen = {root}
        # Depth first without recursion: each open record with its dependencies that are still to be visited.
        pending = [(root, self._dependencies(root))]
        while pending:
            record, dependencies = pending[-1]
            following = next((d for d in dependencies if d not in seen), None)
            if following is not None:
                seen.add(following)
                pending.append((following, self._dependencies(following)))
                continue
            pending.pop()
            count = word(record + 2 * WORD)
            if count:
                yield self.of(self._words(record + WORD * (3 + word(record + WORD)), count))

    def _dependencies(self, record: int) -> Iterator[int]:
        return self._words(record + 3 * WORD, self._memory.word(record + WORD))

    def _words(self, address: int, count: int) -> Iterator[int]:
        for at in range(address, address + WORD * count, WORD):
            self._spend(at, WORD)
            yield self._memory.word(at)

    def _spend(self, address: int, size: int) -> None:
        """Account for ``size`` bytes that are read at or for ``address``."""
        self._left -= size
        if self._left < 0:
            image = self._memory.image
            raise image.error(image.offset_of(address) or 0, "inittask", size, "the tasks overlap out of proportion")


def _unnamed(address: int) -> GoFunction:
    return GoFunction(name=f"{address:#x}", package="", entry=address, file="", line=0)
