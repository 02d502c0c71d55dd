"""Sound files of every kind, to be damaged: each is built once a run, or made by hand where no compiler is at hand."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from elfwriter import Section, Sym, elf, elf64
from gobinaries import FIXTURES, remove_section_headers

S390, MIPS, PPC64, AARCH64, RISCV, I386 = 22, 8, 21, 183, 243, 3
_COUNTER = FIXTURES / "c-library" / "counter.c"
_SHAPES = FIXTURES / "cxx-library" / "shapes.cpp"
_RUST = FIXTURES / "rust-names" / "names.c"
_SYMBOLS = (
    Sym(name=b"plugin_init"),
    Sym(name=b"state", info=0x11, size=8),
    Sym(name=b"_ZN6plugin4nameERKSs", value=0x1010),
    Sym(name=b"malloc", shndx=0, value=0, size=0),
)
_NOTE = b"GNU\0" + bytes(range(20))


def foreign(machine: int, bits: int, order: str) -> bytes:
    """A library as that of another machine: symbols, SONAME, DT_NEEDED, versions, a build id, sections."""
    names = b"\0" + b"".join(symbol.name + b"\0" for symbol in _SYMBOLS)
    texts = ((14, b"libforeign.so.1"), (1, b"libc.so.6"), (0x7FFFFFFF, b"V_1"))
    library_at = len(names) + len(b"libforeign.so.1\0")
    version_at = library_at + len(b"libc.so.6\0")
    needs = struct.pack(order + "HHIII", 1, 1, library_at, 16, 0) + struct.pack(order + "IHHII", 0, 0, 2, version_at, 0)
    return elf(
        _SYMBOLS,
        bits=64 if bits == 64 else 32,
        order=order,
        machine=machine,
        texts=texts,
        tables=((0x6FFFFFFE, needs), (0x6FFFFFF0, struct.pack(order + "5H", 0, 1, 1, 1, 2))),
        dynamic=((0x6FFFFFFF, 1),),
        relocations=((4, 1),),
        sections=(
            Section(name=b".note.gnu.build-id", type=7, flags=2, data=struct.pack(order + "III", 4, 20, 3) + _NOTE),
        ),
    )


def _compiled(output: Path, source: Path | str, *flags: str) -> None:
    if isinstance(source, str):
        output.with_suffix(".c").write_text(source)
        source = output.with_suffix(".c")
    compiler = "g++" if source.suffix == ".cpp" else "gcc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", output, source, *flags], check=True)


def _versioned(output: Path) -> None:
    """A library that defines 200 versions, each the successor of the one before, with two functions."""
    script = output.with_suffix(".map")
    script.write_text("\n".join(f"V_{n} {{ f{n}; g{n}; }} {f'V_{n - 1}' if n else ''};" for n in range(200)))
    source = "\n".join(f"int f{n}(void) {{ return {n}; }} int g{n}(void) {{ return {n}; }}" for n in range(200))
    _compiled(output, source, f"-Wl,--version-script={script}")


def _without_sections(output: Path) -> None:
    _compiled(output, _COUNTER)
    remove_section_headers(output)


def _program(output: Path) -> None:
    source = output.with_suffix(".c")
    source.write_text('#include <stdio.h>\nint main(void) { return puts(""); }\n')
    subprocess.run(["gcc", "-o", output, source], check=True)


def _rust(output: Path) -> None:
    """What rustc made of rpds, which comes with jsonschema."""
    spec = find_spec("rpds.rpds")
    assert spec
    assert spec.origin
    output.write_bytes(Path(spec.origin).read_bytes())


def _saved(output: Path, command: str) -> None:
    library = output.with_suffix(".so")
    _compiled(library, FIXTURES / "library-of-every-c-type" / "first.c", "-g", "-Wl,-soname,liba.so")
    subprocess.run([sys.executable, "-m", "soinspect", command, library, "-o", output], check=True)


def _written(output: Path, data: Callable[[], bytes]) -> None:
    output.write_bytes(data())


_TYPES = FIXTURES / "library-of-every-c-type" / "first.c"
MAKERS: dict[str, Callable[[Path], None]] = {
    "c.so": lambda output: _compiled(output, _COUNTER),
    "c-dwarf5.so": lambda output: _compiled(output, _TYPES, "-gdwarf-5"),
    "c-compressed-debug.so": lambda output: _compiled(output, _TYPES, "-g", "-gz=zlib"),
    "cxx-dwarf4.so": lambda output: _compiled(output, _SHAPES, "-gdwarf-4", "-fdebug-types-section"),
    "rust-names.so": lambda output: _compiled(output, _RUST),
    "rust.so": _rust,
    "many-versions.so": _versioned,
    "relr.so": lambda output: _compiled(
        output, "int a, b; int *p[99] = {&a, &b};", "-Wl,-z,pack-relative-relocs", "-Wl,-z,relro,-z,now"
    ),
    "without-sections.so": _without_sections,
    "program": _program,
    "aarch64.so": lambda output: _written(output, partial(foreign, AARCH64, 64, "<")),
    "i386.so": lambda output: _written(output, partial(foreign, I386, 32, "<")),
    "s390x.so": lambda output: _written(output, partial(foreign, S390, 64, ">")),
    "mips.so": lambda output: _written(output, partial(foreign, MIPS, 32, ">")),
    "bare.so": lambda output: _written(output, partial(elf64, tuple(Sym(name=b"f%d" % n) for n in range(9)))),
    "snapshot.json": partial(_saved, command="snapshot"),
    "baseline.txt": partial(_saved, command="freeze"),
    "go-plugin.so": lambda output: _written(output, (FIXTURES / "plugin1.so").read_bytes),
}


def make(name: str, folder: Path) -> Path:
    """The sound file of this name, in a folder of its own."""
    output = folder / name.partition(".")[0] / name
    output.parent.mkdir(parents=True)
    MAKERS[name](output)
    return output
